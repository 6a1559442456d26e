"""Grouped sums -> the series frame: dense over windows, one row per window and series. Pure.

The sums come from whoever groups gold's rows by window and every set of at most so many dimensions; a dimension that a
row is not grouped by is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.contract import Metric
from pipelines.gold.sketches import GROWTH, UNDERFLOW

COLUMNS = ("metric", "series", "dims", "window_start", "value", "n", "numerator", "denominator", "usual")
# Combinations of so many dimensions are watched: rates are thin in the whole and show in pairs; the rest is explained.
DEPTH = {"ratio": 2}
# Series of one metric that are followed, largest first, so that a dimension with many values stays affordable.
MOST_SERIES = 250
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


def scalar_frame(sums: pd.DataFrame, metric: Metric, dimensions: tuple[str, ...], windows: Starts) -> pd.DataFrame:
    """Series of a count, ratio, sum or mean from columns `at`, the dimensions, and `metric.part` for `SCALARS`."""
    column = f"{metric.name}.{'denominator' if metric.kind == 'ratio' else 'n'}"
    has = sums[sums[column] > 0]
    parts, place = _parts(has, metric, dimensions)

    def dense(part: str) -> Floats:
        return _dense(has["at"].to_numpy(), place, has[f"{metric.name}.{part}"].to_numpy(), len(parts), windows)

    if metric.kind == "ratio":
        top, bottom = dense("numerator"), dense("denominator")
        return _long(metric, parts, windows, _quotient(top, bottom), bottom, top, bottom)
    n = dense("n")
    if metric.kind == "count":
        return _long(metric, parts, windows, n, n)
    total = dense("sum")
    return _long(metric, parts, windows, total if metric.kind == "sum" else _quotient(total, n), n)


def distinct_frame(sums: pd.DataFrame, metric: Metric, dimensions: tuple[str, ...], windows: Starts) -> pd.DataFrame:
    """Series of a distinct count from columns `at`, the dimensions, and `n`, the estimate of the merged sketches."""
    parts, place = _parts(sums, metric, dimensions)
    n = _dense(sums["at"].to_numpy(), place, sums["n"].to_numpy(), len(parts), windows)
    return _long(metric, parts, windows, n, n)


def quantile_frame(
    sums: pd.DataFrame, metric: Metric, dimensions: tuple[str, ...], windows: Starts, usual: Mapping[str, float]
) -> pd.DataFrame:
    """Series of a quantile from columns `at`, the dimensions, `bucket` and `n`, the events in the bucket.

    Histograms are a cube (series, windows, buckets): two of them merge by adding their counts.
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
    keep = (place >= 0) & (column < len(windows))
    cube = np.zeros((len(parts), len(windows), width), dtype=np.float64)
    np.add.at(cube, (place[keep], column[keep], code[keep]), sums["n"].to_numpy(dtype=np.float64)[keep])
    values = np.concatenate([[0.0], GROWTH ** (np.arange(low, high + 1) + 0.5)])
    upper = np.concatenate([[0.0], GROWTH ** (np.arange(low, high + 1) + 1.0)])
    n = cube.sum(axis=2)
    value = np.where(n > 0, values[_quantile_at(cube, metric.quantile)], np.nan)
    above, thresholds = np.zeros_like(n), np.full(len(parts), np.nan)
    pooled = cube.sum(axis=1)
    for i, part in enumerate(parts):
        name = _name(metric, part)
        thresholds[i] = usual.get(name, np.nan)
        if not np.isfinite(thresholds[i]):
            thresholds[i] = upper[_quantile_at(pooled[i], metric.quantile)]
        # A bucket counts when all of it lies above, within rounding.
        first = int(np.searchsorted(upper, thresholds[i] * (1 + 1e-9), side="right"))
        above[i] = cube[i, :, first:].sum(axis=1)
    frame = _long(metric, parts, windows, value, n, above, n)
    frame["usual"] = np.repeat(thresholds, len(windows))
    return frame


def _parts(
    sums: pd.DataFrame, metric: Metric, dimensions: tuple[str, ...]
) -> tuple[list[_Part], npt.NDArray[np.int64]]:
    """The combinations in a frame of grouped sums, whole first, and each row's place among them (-1: not wanted)."""
    allowed = set(metric.dimensions or dimensions)
    depth = DEPTH.get(metric.kind, 1)
    keys = list(sums[list(dimensions)].astype(object).itertuples(index=False, name=None))
    found: dict[tuple[object, ...], int] = {}
    parts: list[_Part] = [_Part((), ())]
    found[(None,) * len(dimensions)] = 0
    place = np.empty(len(keys), dtype=np.int64)
    for i, key in enumerate(keys):
        where = found.get(key)
        if where is None:
            names = tuple(name for name, value in zip(dimensions, key, strict=True) if value is not None)
            if len(names) <= depth and set(names) <= allowed:
                where = len(parts)
                parts.append(_Part(names, tuple(str(value) for value in key if value is not None)))
            else:
                where = -1
            found[key] = where
        place[i] = where
    return parts, place


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
) -> pd.DataFrame:
    """Dense arrays as a long frame; the largest series only, the whole among them."""
    size = n.sum(axis=1)
    size[0] = np.inf
    kept = np.sort(np.argsort(-size, kind="stable")[:MOST_SERIES])
    length = len(windows)
    unknown = np.full((len(parts), length), np.nan)
    dims = np.empty(len(kept), dtype=object)
    dims[:] = [parts[i].dims for i in kept]
    return pd.DataFrame(
        {
            "metric": metric.name,
            "series": np.repeat(np.array([_name(metric, parts[i]) for i in kept], dtype=object), length),
            "dims": np.repeat(dims, length),
            "window_start": np.tile(windows.astype("datetime64[s]").astype("datetime64[ns]"), len(kept)),
            "value": value[kept].ravel(),
            "n": n[kept].ravel(),
            "numerator": (unknown if numerator is None else numerator)[kept].ravel(),
            "denominator": (unknown if denominator is None else denominator)[kept].ravel(),
            "usual": np.full(len(kept) * length, np.nan),
        },
        columns=list(COLUMNS),
    )
