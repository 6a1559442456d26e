"""The leaves of an incident: per combination of all dimension values, what happened and what was to be expected.

Reads the incident's windows and, for expectations, the same times of day in the history before it. One frame per
metric; `pipelines.explain` takes it from there.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """Leaves of one metric over the given windows.

    Args:
        windows: starts of the incident's windows (UTC).
        history: [start, end) of the stretch that expectations come from; windows of the incident in it are left out.
        expected_total: what the whole series was expected to sum up to over the windows (counts, sums, distinct); the
            history's mean per day of the same times of day when None.
        usual: for quantiles, the value above which an event counts as slow.

    Returns:
        One row per leaf with a column per dimension, and:
        - ratio, quantile: numerator, denominator (incident), history_numerator, history_denominator. For a quantile the
          numerator is the events above `usual`.
        - count, sum, distinct: actual; expected = E h / sum(h), with h the leaf's sum over the history's same times of
          day and E the expected total. A distinct metric adds its estimates per window and leaf.
        - mean: actual = sum x; expected = n (s_h + 100 g) / (n_h + 100), with the leaf's history sums s_h, n_h and
          g = sum s_h / sum n_h.
        Leaves that have neither are not there.
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
    actual = _sums(now, metric, names, usual).toPandas()
    before = _sums(past, metric, names, usual).toPandas()
    if expected_total is None:
        days = max((history[1] - history[0]) / timedelta(days=1), 1.0)
        expected_total = float(before["a"].sum()) / (days * len(clock)) * len(starts)
    return expectations(actual, before, metric, names, expected_total)


def dimensions_of(contract: Contract, metric: Metric) -> list[str]:
    """The dimensions whose combinations are a metric's leaves."""
    return [name for name in contract.dimensions if name in (metric.dimensions or contract.dimensions)]


def clock_of(metric: Metric, starts: Sequence[int], step: int) -> list[int]:
    """Times of day (seconds) whose history speaks for windows that start at `starts` (epoch seconds)."""
    return clock_seconds(starts, _PAD_SECONDS.get(metric.kind, _PAD_OTHERS), step)


def expectations(
    actual: pd.DataFrame, before: pd.DataFrame, metric: Metric, names: list[str], total: float
) -> pd.DataFrame:
    """The frame that `read` returns, from sums per leaf now and before: `names`, a (what is explained) and n."""
    merged = actual.merge(before, on=names, how="outer", suffixes=("", "_h")).fillna(
        {f"{part}{suffix}": 0.0 for part in ("a", "n") for suffix in ("", "_h")}
    )
    for name in names:
        merged[name] = merged[name].fillna("").astype(str)
    return _expected(merged, metric, names, total)


def _expected(merged: pd.DataFrame, metric: Metric, names: list[str], total: float) -> pd.DataFrame:
    out = merged[names].copy()
    if metric.kind in ("ratio", "quantile"):
        out["numerator"], out["denominator"] = merged["a"], merged["n"]
        out["history_numerator"], out["history_denominator"] = merged["a_h"], merged["n_h"]
        return out
    out["actual"] = merged["a"]
    if metric.kind == "mean":
        overall = float(merged["a_h"].sum()) / max(float(merged["n_h"].sum()), 1.0)
        out["expected"] = merged["n"] * (merged["a_h"] + _STEADY * overall) / (merged["n_h"] + _STEADY)
        return out
    known = float(merged["a_h"].sum())
    out["expected"] = merged["a_h"] * (total / known) if known > 0 else 0.0
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
