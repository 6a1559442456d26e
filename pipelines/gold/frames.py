"""Grouped sums -> the series frame: dense over windows, one row per window and series. Pure.

The sums come from whoever groups gold's rows by window and every set of at most so many dimensions; a dimension that a
row is not grouped by is None.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.contract import Metric
from pipelines.gold.sketches import GROWTH, UNDERFLOW

COLUMNS = ("metric", "series", "dims", "window_start", "value", "n", "numerator", "denominator", "usual")
# Combinations of so many dimensions are watched; the rest is explained. A rate is thin in the whole and shows in pairs,
# and so does a count whose larger parts wander by more than the pair has events. The two are grouped by in one pass.
DEPTH = {"ratio": 2, "count": 2}
# What is summed of the metrics that add up, by kind; the others merge.
SCALARS: dict[str, tuple[str, ...]] = {
    "count": ("n",),
    "ratio": ("numerator", "denominator"),
    "sum": ("n", "sum"),
    "mean": ("n", "sum"),
}

Floats = npt.NDArray[np.float64]
Starts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Part:
    """One combination of dimension values: its grouping id, names and values."""

    names: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def dims(self) -> dict[str, str]:
        return dict(zip(self.names, self.values, strict=True))


def series_frame(
    sums: pd.DataFrame,
    metric: Metric,
    dimensions: tuple[str, ...],
    windows: Starts,
    usual: Mapping[str, float] | None = None,
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Series of a metric of any kind from its grouped sums: the largest `most_series` of it, the whole among them; or
    the whole and those of the names in `only`.
    """
    if metric.kind in SCALARS:
        return scalar_frame(sums, metric, dimensions, windows, only)
    if metric.kind == "distinct":
        return distinct_frame(sums, metric, dimensions, windows, only)
    return quantile_frame(sums, metric, dimensions, windows, usual or {}, only)


def scalar_frame(
    sums: pd.DataFrame,
    metric: Metric,
    dimensions: tuple[str, ...],
    windows: Starts,
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Series of a count, ratio, sum or mean from columns `at`, the dimensions, and `metric.part` for `SCALARS`."""
    column = f"{metric.name}.{'denominator' if metric.kind == 'ratio' else 'n'}"
    has = sums[sums[column] > 0]
    parts, place = _parts(has, metric, dimensions)

    def dense(part: str) -> Floats:
        return _dense(has["at"].to_numpy(), place, has[f"{metric.name}.{part}"].to_numpy(), len(parts), windows)

    if metric.kind == "ratio":
        top, bottom = dense("numerator"), dense("denominator")
        return _long(metric, parts, windows, _quotient(top, bottom), bottom, top, bottom, only=only)
    n = dense("n")
    if metric.kind == "count":
        return _long(metric, parts, windows, n, n, only=only)
    total = dense("sum")
    return _long(metric, parts, windows, total if metric.kind == "sum" else _quotient(total, n), n, only=only)


def distinct_frame(
    sums: pd.DataFrame,
    metric: Metric,
    dimensions: tuple[str, ...],
    windows: Starts,
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Series of a distinct count from columns `at`, the dimensions, and `n`, the estimate of the merged sketches."""
    parts, place = _parts(sums, metric, dimensions)
    n = _dense(sums["at"].to_numpy(), place, sums["n"].to_numpy(), len(parts), windows)
    return _long(metric, parts, windows, n, n, only=only)


def quantile_frame(
    sums: pd.DataFrame,
    metric: Metric,
    dimensions: tuple[str, ...],
    windows: Starts,
    usual: Mapping[str, float],
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Series of a quantile from columns `at`, the dimensions, `bucket` and `n`, the events in the bucket.

    A series' histograms are an array (windows, buckets): two of them merge by adding their counts.
    """
    assert metric.quantile is not None
    parts, place = _parts(sums, metric, dimensions)
    bucket = sums["bucket"].to_numpy(dtype=np.int64)
    # The underflow bucket goes just below the lowest real one.
    real = bucket[bucket != UNDERFLOW]
    low, high = (int(real.min()), int(real.max())) if len(real) else (0, 0)
    width = high - low + 2
    code = np.where(bucket == UNDERFLOW, 0, bucket - low + 1)
    column = np.searchsorted(windows, sums["at"].to_numpy())
    keep = np.flatnonzero((place >= 0) & (column < len(windows)))
    keep = keep[np.argsort(place[keep], kind="stable")]
    bounds = np.searchsorted(place[keep], np.arange(len(parts) + 1))
    counts = sums["n"].to_numpy(dtype=np.float64)
    values = np.concatenate([[0.0], GROWTH ** (np.arange(low, high + 1) + 0.5)])
    upper = np.concatenate([[0.0], GROWTH ** (np.arange(low, high + 1) + 1.0)])
    n, above = np.zeros((2, len(parts), len(windows)))
    value, thresholds = np.full(n.shape, np.nan), np.full(len(parts), np.nan)
    for i, part in enumerate(parts):
        # One series at a time: a month of minutes times a hundred buckets is a gigabyte for a few of them.
        own = keep[bounds[i] : bounds[i + 1]]
        histograms = np.zeros((len(windows), width))
        np.add.at(histograms, (column[own], code[own]), counts[own])
        n[i] = histograms.sum(axis=1)
        value[i] = np.where(n[i] > 0, values[_quantile_at(histograms, metric.quantile)], np.nan)
        thresholds[i] = usual.get(_name(metric, part), np.nan)
        if not np.isfinite(thresholds[i]):
            thresholds[i] = upper[_quantile_at(histograms.sum(axis=0), metric.quantile)]
        # A bucket counts when all of it lies above, within rounding.
        first = int(np.searchsorted(upper, thresholds[i] * (1 + 1e-9), side="right"))
        above[i] = histograms[:, first:].sum(axis=1)
    return _long(metric, parts, windows, value, n, above, n, thresholds, only)


def _parts(
    sums: pd.DataFrame, metric: Metric, dimensions: tuple[str, ...]
) -> tuple[list[_Part], npt.NDArray[np.int64]]:
    """The combinations in a frame of grouped sums, whole first, and each row's place among them (-1: not wanted)."""
    allowed = set(metric.dimensions or dimensions)
    depth = DEPTH.get(metric.kind, 1)
    code = np.zeros(len(sums), dtype=np.int64)
    for name in dimensions:
        # What a row is not grouped by has code -1.
        own, found = pd.factorize(sums[name].astype(object))
        code = code * (len(found) + 1) + own + 1
    _, first, key = np.unique(code, return_index=True, return_inverse=True)
    parts: list[_Part] = [_Part((), ())]
    wanted = np.full(len(first), -1, dtype=np.int64)
    for i, values in sorted(
        enumerate(sums[list(dimensions)].iloc[first].itertuples(index=False, name=None)),
        key=lambda each: first[each[0]],
    ):
        names = tuple(name for name, value in zip(dimensions, values, strict=True) if value is not None)
        if not names:
            wanted[i] = 0
        elif len(names) <= depth and set(names) <= allowed:
            wanted[i] = len(parts)
            parts.append(_Part(names, tuple(str(value) for value in values if value is not None)))
    return parts, wanted[key]


def _quantile_at(histograms: Floats, q: float) -> npt.NDArray[np.int64]:
    """Index of the bucket that holds the q-quantile, over the last axis; as `sketches.quantile`."""
    total = histograms.sum(axis=-1, keepdims=True)
    return np.asarray((np.cumsum(histograms, axis=-1) > q * (total - 1)).argmax(axis=-1), dtype=np.int64)


def _dense(
    at: npt.NDArray[np.int64], place: npt.NDArray[np.int64], values: Floats, series: int, windows: Starts
) -> Floats:
    out = np.zeros((series, len(windows)))
    column = np.searchsorted(windows, at)
    keep = (place >= 0) & (column < len(windows))
    np.add.at(out, (place[keep], column[keep]), values[keep].astype(np.float64))
    return out


def _quotient(top: Floats, bottom: Floats) -> Floats:
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))


def _name(metric: Metric, part: _Part) -> str:
    inside = ",".join(f"{name}={value}" for name, value in part.dims.items())
    return f"{metric.name}{{{inside}}}" if inside else metric.name


def _long(
    metric: Metric,
    parts: list[_Part],
    windows: Starts,
    value: Floats,
    n: Floats,
    numerator: Floats | None = None,
    denominator: Floats | None = None,
    usual: Floats | None = None,
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Dense arrays as a long frame; the largest series, or the ones in `only`, the whole among them."""
    size = n.sum(axis=1)
    size[0] = np.inf
    names = np.array([_name(metric, part) for part in parts], dtype=object)
    if only is None:
        # Of equal ones those whose names come first, however the sums came.
        kept = np.sort(np.lexsort((names.astype(str), -size))[: metric.most_series])
    else:
        # Whoever is followed is not asked again how large it is now: one that fell silent is the smallest.
        wanted = set(only)
        kept = np.array([i for i, name in enumerate(names) if i == 0 or name in wanted])
    length = len(windows)
    unknown = np.full((len(parts), length), np.nan)
    dims = np.empty(len(kept), dtype=object)
    dims[:] = [parts[i].dims for i in kept]
    return pd.DataFrame(
        {
            "metric": metric.name,
            "series": np.repeat(names[kept], length),
            "dims": np.repeat(dims, length),
            "window_start": np.tile(windows.astype("datetime64[s]").astype("datetime64[ns]"), len(kept)),
            "value": value[kept].ravel(),
            "n": n[kept].ravel(),
            "numerator": (unknown if numerator is None else numerator)[kept].ravel(),
            "denominator": (unknown if denominator is None else denominator)[kept].ravel(),
            "usual": np.repeat(np.full(len(kept), np.nan) if usual is None else usual[kept], length),
        },
        columns=list(COLUMNS),
    )
