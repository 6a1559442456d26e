"""The suite over batch statistics: per check one expectation for each bound that the contract sets.

Judged is a frame with a row per stratum and a column per bound, which holds the limit of the statistic that is kindest
to the batch: the upper one against a minimum, the lower one against a maximum (see `quality.limits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import pandas as pd

from pipelines.contract import Check
from quality.gx import Expectation, gxe
from quality.limits import Estimate
from quality.statistics import Stratum


class Bounded(Protocol):
    """What is judged here: something with a name and bounds, such as a check of the contract."""

    @property
    def name(self) -> str: ...
    @property
    def min(self) -> float | None: ...
    @property
    def max(self) -> float | None: ...


@dataclass(frozen=True)
class Bound:
    """One side of a check, and the column of the judged frame that belongs to it."""

    check: str
    side: Literal["min", "max"]
    value: float

    @property
    def column(self) -> str:
        """Name of the column."""
        return f"{self.check}|{self.side}"

    def judged(self, estimate: Estimate) -> float:
        """The number that is held against the bound."""
        return estimate.upper if self.side == "min" else estimate.lower

    def expectation(self) -> Expectation:
        """The expectation on the column."""
        limits = {f"{self.side}_value": self.value}
        made: Expectation = gxe.ExpectColumnValuesToBeBetween(column=self.column, meta={"check": self.check}, **limits)
        return made


def bounds(check: Bounded) -> tuple[Bound, ...]:
    """The bounds that a check sets."""
    given: Mapping[Literal["min", "max"], float | None] = {"min": check.min, "max": check.max}
    return tuple(Bound(check.name, side, value) for side, value in given.items() if value is not None)


def expectations(checks: Sequence[Bounded]) -> list[Expectation]:
    """The suite."""
    return [bound.expectation() for check in checks for bound in bounds(check)]


def frame(checks: Sequence[Bounded], strata: Sequence[Stratum]) -> pd.DataFrame:
    """The judged frame: one row per stratum of whatever check, in the given order, empty in other checks' columns."""
    columns = {
        bound.column: [bound.judged(s.estimate) if s.check == check.name else None for s in strata]
        for check in checks
        for bound in bounds(check)
    }
    return pd.DataFrame(columns, index=range(len(strata)), dtype=float)


def expected(check: Check) -> str:
    """The check in words, such as `median of amount_minor, by app_version: at least 500`."""
    by = f", by {' and '.join(check.by)}" if check.by else ""
    words = {"min": "at least", "max": "at most"}
    limits = " and ".join(f"{words[bound.side]} {bound.value:g}" for bound in bounds(check))
    return f"{_statistic(check)}{by}: {limits}"


def _statistic(check: Check) -> str:
    if check.statistic == "in_set_share":
        return f"share of {check.column} among {', '.join(map(str, check.values))}"
    if check.statistic == "in_range_share":
        limits = [
            f"{word} {value:g}" for word, value in (("from", check.low), ("up to", check.high)) if value is not None
        ]
        return f"share of {check.column} {' '.join(limits)}"
    return f"{check.statistic.replace('_', ' ')} of {check.column}"
