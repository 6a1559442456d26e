"""What an audit expects of a layer, and how each expectation is measured on Spark's frames.

Owns the measures. Bounds are judged elsewhere (`quality.audit`), so a measure says what it saw and never whether that
is well. Knows no stream, no lake and no environment: frames come in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pyspark.sql import DataFrame

from pipelines.contract import Contract
from quality.limits import Estimate
from quality.statistics import Stratum
from quality.verdict import Severity

Layer = Literal["bronze", "silver", "gold"]
# Names of the suites: the promotion that each one gates.
SUITES: Mapping[Layer, str] = {
    "bronze": "Kafka to bronze",
    "silver": "bronze to silver",
    "gold": "silver to gold",
}

Kind = Literal["broken", "share", "mean", "median", "min", "max", "unique_share"]


@dataclass(frozen=True)
class Statistic:
    """A number over the rows of one frame, computed with all others of the same frame and strata in one pass.

    `operand` is SQL: a condition for `broken` (how many rows break it; null breaks it) and `share` (of rows that meet
    it), a value for the others, whose nulls do not count. `where` says which rows count at all. With `sampled` the
    limits of a sample's error are given, otherwise what the rows say is what is meant.
    """

    frame: str
    kind: Kind
    operand: str
    where: str = "true"
    by: tuple[str, ...] = ()
    minimum_rows: int = 1
    sampled: bool = False
    example: str | None = None


@dataclass(frozen=True)
class Computed:
    """A number, or one per stratum, that takes more than one pass over one frame."""

    observe: Callable[[Audited], list[Stratum]]


@dataclass(frozen=True)
class Expectation:
    """One line of a suite. `expected` says in words what is measured; `why` what goes wrong where it does not hold."""

    layer: Layer
    name: str
    measure: Statistic | Computed
    expected: str
    severity: Severity
    owner: str
    why: str
    column: str | None = None
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Span:
    """Offsets of one partition that the audited batches read: `begin <= o < end`."""

    topic: str
    partition: int
    begin: int
    end: int


@dataclass(frozen=True)
class Audited:
    """What one audit looks at, each frame at the version that the audit names.

    `frames` are those that the suites name, of the audited batches alone. `silver` and `gold` are whole tables, for
    references and for what was usual; `gold_before` are gold's rows of the audited windows as the last audit saw them,
    None where there was none. `start` and `end` bound the whole windows of the audited events (UTC), None where there
    is none. `now` is the wall clock, None for an audit of the past.
    """

    contract: Contract
    frames: Mapping[str, DataFrame]
    silver: DataFrame
    gold: DataFrame
    gold_before: DataFrame | None
    spans: tuple[Span, ...]
    partitions: tuple[tuple[str, int], ...]
    start: datetime | None
    end: datetime | None
    now: datetime | None


def seen(name: str, estimate: Estimate, labels: Mapping[str, str] | None = None, note: str = "") -> Stratum:
    """What a measure saw in one stratum."""
    return Stratum(name, dict(labels or {}), estimate, 0, note)


def plain(estimate: Estimate) -> dict[str, Any]:
    """An estimate for JSON, without limits that are no numbers."""
    return {"value": _number(estimate.value), "rows": estimate.rows}


def _number(value: float) -> float | int | None:
    if value != value or value in (float("inf"), float("-inf")):
        return None
    return int(value) if float(value).is_integer() else round(value, 6)
