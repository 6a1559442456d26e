"""The leaves of an incident: per combination of all dimension values, what happened and what was to be expected.

Reads the incident's windows and, for expectations, the same times of day in the history before it. One frame per
metric; `pipelines.explain` takes it from there. `read` brings all leaves to the driver, `sums` leaves them in Spark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce

import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract, Metric
from pipelines.gold.series import clock_seconds, gold
from pipelines.gold.sketches import GROWTH, UNDERFLOW

# History within so many seconds of the incident's times of day speaks for a leaf.
_PAD_SECONDS = {"ratio": 3 * 3600, "quantile": 3 * 3600}
_PAD_OTHERS = 3600
# A leaf's own mean counts as much as the product's once it has this many events (as for ratios, DETECTION's 100).
_STEADY = 100.0
# Sums of a leaf: what is explained and the events behind it, in the incident's windows and before.
SUMS = ("a", "n", "a_h", "n_h")


def read(
    spark: SparkSession,
    uri: str,
    contract: Contract,
    metric: Metric,
    windows: Sequence[datetime],
    history: tuple[datetime, datetime],
    version: int | None = None,
    expected_total: float | None = None,
    usual: float | None = None,
) -> pd.DataFrame:
    """Leaves of one metric over the given windows, all of them in the driver.

    Args:
        windows, history, version, usual: see `sums`.
        expected_total: what the whole series was expected to sum up to over the windows (counts, sums, distinct); the
            history's mean per day of the same times of day when None.

    Returns:
        One row per leaf with a column per dimension, and:
        - ratio, quantile: numerator, denominator (incident), history_numerator, history_denominator. For a quantile the
          numerator is the events above `usual`.
        - count, sum, distinct: actual; expected = E h / sum(h), with h the leaf's sum over the history's same times of
          day and E the expected total. A distinct metric adds its estimates per window and leaf. A sum also has
          events = E n_h / sum(h), how many amounts were to be expected.
        - mean: actual = sum x; expected = n (s_h + 100 g) / (n_h + 100), with the leaf's history sums s_h, n_h and
          g = sum s_h / sum n_h.
        Leaves that have neither are not there.
    """
    found = sums(spark, uri, contract, metric, windows, history, version, usual).toPandas()
    share = share_of_history(contract, metric, windows, history)
    return expected(found, metric, Totals.of(found, expected_total, share))


def sums(
    spark: SparkSession,
    uri: str,
    contract: Contract,
    metric: Metric,
    windows: Sequence[datetime],
    history: tuple[datetime, datetime],
    version: int | None = None,
    usual: float | None = None,
) -> DataFrame:
    """Sums per leaf, not collected: the dimensions, a (what is explained) and n (events behind it), a_h and n_h before.

    Args:
        windows: starts of the incident's windows (UTC).
        history: [start, end) of the stretch that expectations come from; windows of the incident in it are left out.
        usual: for quantiles, the value above which an event counts as slow.
    """
    step = int(contract.window.total_seconds())
    starts = sorted(int(_epoch(each)) for each in windows)
    first, last = min(windows), max(windows) + timedelta(seconds=step)
    now = gold(spark, uri, first, last, version).where(F.unix_seconds("window_start").isin(starts))
    clock = clock_of(metric, starts, step)
    past = gold(spark, uri, history[0], history[1], version).where(
        (F.unix_seconds("window_start") % 86_400).isin(clock) & ~F.unix_seconds("window_start").isin(starts)
    )
    names = dimensions_of(contract, metric)
    values = {name: F.coalesce(F.col(name), F.lit("")) for name in names}
    here, before = (_sums(rows.withColumns(values), metric, names, usual) for rows in (now, past))
    both = here.join(before.withColumnsRenamed({"a": "a_h", "n": "n_h"}), names, "full_outer")
    return both.fillna(0.0, list(SUMS))


def share_of_history(
    contract: Contract, metric: Metric, windows: Sequence[datetime], history: tuple[datetime, datetime]
) -> float:
    """How much of what the history holds at its times of day is to be expected in so many windows."""
    clock = clock_of(metric, [int(_epoch(each)) for each in windows], int(contract.window.total_seconds()))
    days = max((history[1] - history[0]) / timedelta(days=1), 1.0)
    return len(windows) / (days * len(clock))


def dimensions_of(contract: Contract, metric: Metric) -> list[str]:
    """The dimensions whose combinations are a metric's leaves."""
    return [name for name in contract.dimensions if name in (metric.dimensions or contract.dimensions)]


def clock_of(metric: Metric, starts: Sequence[int], step: int) -> list[int]:
    """Times of day (seconds) whose history speaks for windows that start at `starts` (epoch seconds)."""
    return clock_seconds(starts, _PAD_SECONDS.get(metric.kind, _PAD_OTHERS), step)


@dataclass(frozen=True)
class Totals:
    """Sums over all leaves: of what is explained before, of the events behind it, and what was `expected` in all."""

    before: float
    events_before: float
    expected: float

    @classmethod
    def of(cls, sums: pd.DataFrame, expected: float | None, share: float) -> Totals:
        """From leaves with `SUMS`; `share` of the history is expected where nobody knows better."""
        before, events = float(sums["a_h"].sum()), float(sums["n_h"].sum())
        return cls(before, events, before * share if expected is None else expected)


def expectations(
    actual: pd.DataFrame, before: pd.DataFrame, metric: Metric, names: list[str], total: float
) -> pd.DataFrame:
    """The frame that `read` returns, from sums per leaf now and before: `names`, a (what is explained) and n."""
    merged = actual.merge(before, on=names, how="outer", suffixes=("", "_h")).fillna(dict.fromkeys(SUMS, 0.0))
    for name in names:
        merged[name] = merged[name].fillna("").astype(str)
    return expected(merged, metric, Totals.of(merged, total, 0.0))


def expected(sums: pd.DataFrame, metric: Metric, totals: Totals) -> pd.DataFrame:
    """Leaves as `read` returns them, from some or all of their `SUMS`; row by row."""
    out = sums.drop(columns=list(SUMS))
    if metric.kind in ("ratio", "quantile"):
        out["numerator"], out["denominator"] = sums["a"], sums["n"]
        out["history_numerator"], out["history_denominator"] = sums["a_h"], sums["n_h"]
        return out
    out["actual"] = sums["a"]
    if metric.kind == "mean":
        overall = totals.before / max(totals.events_before, 1.0)
        out["expected"] = sums["n"] * (sums["a_h"] + _STEADY * overall) / (sums["n_h"] + _STEADY)
        return out
    share = totals.expected / totals.before if totals.before > 0 else 0.0
    out["expected"] = sums["a_h"] * share
    if metric.kind == "sum":
        out["events"] = sums["n_h"] * share
    return out


def _sums(rows: DataFrame, metric: Metric, names: list[str], usual: float | None) -> DataFrame:
    """Per leaf: a (what is explained) and n (events behind it)."""
    field = f"`{metric.name}`"
    if metric.kind == "distinct":
        each = rows.where(F.col(f"{field}.sketch").isNotNull()).groupBy("window_start", *names)
        estimate = F.hll_sketch_estimate(F.hll_union_agg(F.col(f"{field}.sketch"))).cast("double")
        return each.agg(estimate.alias("a")).groupBy(*names).agg(F.sum("a").alias("a"), F.sum("a").alias("n"))
    parts: dict[str, tuple[Column, Column]] = {
        "count": (F.col(f"{field}.n"), F.col(f"{field}.n")),
        "ratio": (F.col(f"{field}.numerator"), F.col(f"{field}.denominator")),
        "quantile": (_above(metric, usual), F.col(f"{field}.n")),
    }
    a, n = parts.get(metric.kind, (F.col(f"{field}.sum"), F.col(f"{field}.n")))
    present = rows.where(F.col(field).isNotNull())
    return present.groupBy(*names).agg(F.sum(a).cast("double").alias("a"), F.sum(n).cast("double").alias("n"))


def _above(metric: Metric, usual: float | None) -> Column:
    """Events in the histogram's buckets above `usual`."""
    if metric.kind != "quantile" or usual is None or not usual > 0:
        return F.lit(0.0)
    # A bucket [g^b, g^(b+1)) counts when all of it lies above, within rounding.
    bucket = f"k <> {UNDERFLOW} AND pow({GROWTH!r}, k + 1) > {usual!r} * (1 + 1e-9)"
    return F.expr(
        f"aggregate(map_values(map_filter(`{metric.name}`.histogram, (k, v) -> {bucket})), "
        "CAST(0 AS BIGINT), (total, v) -> total + v)"
    )


def series_filter(dims: dict[str, str]) -> Column:
    """Condition that keeps the leaves of a series."""
    return reduce(lambda left, right: left & right, [F.col(k) == v for k, v in dims.items()], F.lit(True))


def _epoch(moment: datetime) -> float:
    return pd.Timestamp(moment, tz="UTC").timestamp() if moment.tzinfo is None else moment.timestamp()
