"""The leaves of an incident without a JVM: the same frame as `leaves.read`, from the same gold rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import Contract, Metric
from pipelines.gold.leaves import clock_of, dimensions_of, expectations
from pipelines.gold.local import estimate
from pipelines.gold.sketches import GROWTH, UNDERFLOW
from pipelines.platform.lake import Lake

# Which parts of a metric's struct are summed: what is explained, and the events behind it.
_PARTS = {"count": ("n", "n"), "ratio": ("numerator", "denominator"), "sum": ("sum", "n"), "mean": ("sum", "n")}


def read(
    lake: Lake,
    contract: Contract,
    metric: Metric,
    windows: Sequence[datetime],
    history: tuple[datetime, datetime],
    version: int | None = None,
    expected_total: float | None = None,
    usual: float | None = None,
) -> pd.DataFrame:
    """As `leaves.read`: one row per leaf with what happened and what was to be expected."""
    step = int(contract.window.total_seconds())
    starts = np.array(sorted(int(each.timestamp()) for each in windows))
    clock = clock_of(metric, starts.tolist(), step)
    names = dimensions_of(contract, metric)
    now = _gold(lake, contract, metric, min(windows), max(windows) + timedelta(seconds=step), version)
    past = _gold(lake, contract, metric, *history, version)
    at, before = _seconds(now), _seconds(past)
    here = np.isin(at, starts)
    there = np.isin(before % 86_400, clock) & ~np.isin(before, starts)
    actual = _sums(now.filter(pa.array(here)), metric, names, usual)
    known = _sums(past.filter(pa.array(there)), metric, names, usual)
    if expected_total is None:
        days = max((history[1] - history[0]) / timedelta(days=1), 1.0)
        expected_total = float(known["a"].sum()) / (days * len(clock)) * len(starts)
    return expectations(actual, known, metric, names, expected_total)


def _gold(
    lake: Lake, contract: Contract, metric: Metric, start: datetime, end: datetime, version: int | None
) -> pa.Table:
    first, last = (pa.scalar(each.astimezone(UTC), type=pa.timestamp("us", tz="UTC")) for each in (start, end))
    inside = (pc.field("window_start") >= first) & (pc.field("window_start") < last)
    columns = ["window_start", *dimensions_of(contract, metric), metric.name]
    rows = lake.read(contract.product, "gold", columns, inside & pc.field(metric.name).is_valid(), version)
    return rows.combine_chunks()


def _seconds(rows: pa.Table) -> np.ndarray:
    """Epoch seconds of the windows' starts."""
    return np.asarray(pc.divide(rows["window_start"].cast(pa.timestamp("us")).cast(pa.int64()), 1_000_000).to_numpy())


def _sums(rows: pa.Table, metric: Metric, names: list[str], usual: float | None) -> pd.DataFrame:
    """Per leaf: a (what is explained) and n (events behind it)."""
    keys = rows.select(names).to_pandas()
    field = rows[metric.name]
    if metric.kind == "distinct":
        return _distinct(keys.assign(at=_seconds(rows)), pc.struct_field(field, "sketch"), names)
    if metric.kind == "quantile":
        n = pc.struct_field(field, "n").to_numpy().astype(np.float64)
        frame = keys.assign(a=_above(pc.struct_field(field, "histogram"), usual), n=n)
    else:
        explained, events = (pc.struct_field(field, part).cast(pa.float64()) for part in _PARTS[metric.kind])
        frame = keys.assign(a=explained.to_numpy(), n=events.to_numpy())
    summed: pd.DataFrame = frame.groupby(names, dropna=False, as_index=False)[["a", "n"]].sum()
    return summed


def _distinct(frame: pd.DataFrame, sketches: pa.ChunkedArray, names: list[str]) -> pd.DataFrame:
    """Estimates per window and leaf, added up over the windows."""
    grouped = frame.assign(sketch=sketches.to_pylist()).groupby(["at", *names], dropna=False, as_index=False)
    estimates = grouped["sketch"].agg(estimate)
    summed: pd.DataFrame = estimates.groupby(names, dropna=False, as_index=False)["sketch"].sum()
    return summed.rename(columns={"sketch": "a"}).assign(n=lambda each: each["a"])


def _above(histograms: pa.ChunkedArray, usual: float | None) -> np.ndarray:
    """Events in each histogram's buckets that lie wholly above `usual`, within rounding."""
    out = np.zeros(len(histograms))
    if usual is None or not usual > 0:
        return out
    done = 0
    for chunk in histograms.chunks:
        buckets = chunk.keys.to_numpy(zero_copy_only=False).astype(np.float64)
        counts = chunk.items.to_numpy(zero_copy_only=False).astype(np.float64)
        ends = np.asarray(chunk.offsets)
        owner = np.repeat(np.arange(len(chunk)), np.diff(ends))
        above = (buckets != UNDERFLOW) & ((buckets + 1) * np.log(GROWTH) > np.log(usual) + 1e-9)
        first = int(ends[0]) if len(ends) else 0
        span = slice(0, int(ends[-1]) - first if len(ends) else 0)
        np.add.at(out, done + owner[above[span]], counts[span][above[span]])
        done += len(chunk)
    return out
