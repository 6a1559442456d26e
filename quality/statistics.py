"""Batch statistics per stratum: rows -> one small frame, which the gate's suite then judges.

Owns what each statistic of a check means. All rows of a batch count; a stratum with too few of them is filled up with
its newest predecessors, and left out when even these are not enough.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.contract import Check, Condition
from quality import limits
from quality.limits import Estimate

# Properties of the very rows of a batch, without sampling error: nothing is gained by rows of another batch.
EXACT_STATISTICS = frozenset({"min", "max", "unique_share"})


@dataclass(frozen=True)
class Stratum:
    """One stratum of one check: its estimate, how many of its rows are predecessors', and what else there is to say."""

    check: str
    labels: Mapping[str, str]
    estimate: Estimate
    borrowed: int
    note: str = ""

    def __str__(self) -> str:
        where = ", ".join(f"{name}={value}" for name, value in self.labels.items()) or "all rows"
        borrowed = f", {self.borrowed} of them from earlier batches" if self.borrowed else ""
        found = self.estimate
        text = f"{where}: {found.value:.5g} ({found.rows} rows{borrowed}"
        if found.lower != found.upper:
            text += f"; true value between {found.lower:.3g} and {found.upper:.3g}"
        return text + ")" + (f": {self.note}" if self.note else "")


def strata(check: Check, rows: pd.DataFrame, predecessors: pd.DataFrame, *, borrow_to: int) -> list[Stratum]:
    """Statistics of one check, one per stratum that this batch has rows in and that has enough rows to be judged.

    Args:
        check: the check; its `by` columns name the strata.
        rows: this batch's rows, with the columns the check names.
        predecessors: rows of earlier batches, oldest first.
        borrow_to: a batch with fewer rows than this is filled up to it with the newest predecessors.
    """
    if check.statistic in EXACT_STATISTICS or not len(predecessors):
        together = rows.reset_index(drop=True)
    else:
        together = pd.concat([predecessors, rows], ignore_index=True)
    own = len(together) - len(rows)
    first = len(together) - min(max(len(rows), borrow_to), len(together))
    chosen = selected(check.where, together)
    if check.statistic != "null_share":
        chosen &= together[check.column].notna().to_numpy()
    found = []
    for labels, positions in _groups(check.by, together, np.flatnonzero(chosen)):
        if not np.any(positions >= own):
            continue
        judged = positions[-max(int(np.count_nonzero(positions >= first)), check.minimum_rows) :]
        if judged.size >= max(check.minimum_rows, 1):
            estimate = STATISTICS[check.statistic](together[check.column].iloc[judged], check)
            found.append(Stratum(check.name, labels, estimate, int(np.count_nonzero(judged < own))))
    return sorted(found, key=lambda stratum: tuple(stratum.labels.values()))


def selected(where: Sequence[Condition], frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows meet every condition; a null meets none, as in SQL."""
    chosen = np.ones(len(frame), dtype=np.bool_)
    for condition in where:
        column = frame[condition.column]
        met = column.notna().to_numpy()
        met[met] = np.asarray(_OPERATORS[condition.op](column[met], condition.value), dtype=np.bool_)
        chosen &= met
    return chosen


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda column, values: column.isin(list(values)),
}


def _groups(
    by: Sequence[str], frame: pd.DataFrame, chosen: NDArray[np.int64]
) -> Iterator[tuple[dict[str, str], NDArray[np.int64]]]:
    """Positions of the chosen rows per stratum, ascending; a missing value is a stratum of its own."""
    if not by:
        yield {}, chosen
        return
    keys = frame[list(by)].iloc[chosen].astype(object)
    codes = keys.where(keys.notna(), "(none)").groupby(list(by), sort=False).indices
    for key, local in codes.items():
        values = key if isinstance(key, tuple) else (key,)
        yield dict(zip(by, map(str, values), strict=True)), chosen[np.sort(local)]


def _numbers(values: pd.Series[Any]) -> NDArray[np.float64]:
    return values.to_numpy(dtype=np.float64)


def _in_range(values: pd.Series[Any], check: Check) -> Estimate:
    numbers = _numbers(values)
    low = -math.inf if check.low is None else check.low
    high = math.inf if check.high is None else check.high
    return limits.share(int(np.count_nonzero((numbers >= low) & (numbers <= high))), len(numbers))


# What each statistic of a check is, over the rows of one stratum (nulls left out, except for their own share).
STATISTICS: Mapping[str, Callable[[pd.Series[Any], Check], Estimate]] = {
    "median": lambda values, _: limits.median(_numbers(values)),
    "mean": lambda values, _: limits.mean(_numbers(values)),
    "min": lambda values, _: limits.exactly(float(_numbers(values).min()), len(values)),
    "max": lambda values, _: limits.exactly(float(_numbers(values).max()), len(values)),
    "null_share": lambda values, _: limits.share(int(values.isna().sum()), len(values)),
    "in_range_share": _in_range,
    "in_set_share": lambda values, check: limits.share(int(values.isin(list(check.values)).sum()), len(values)),
    "unique_share": lambda values, _: limits.exactly(values.nunique() / len(values), len(values)),
}
