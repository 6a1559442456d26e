"""Windows that look back from every point of one series: their mean, median and extremes, and who leaves its own range.

Arrays are (points,), in the order of time; a point counts to its own window. NaN is an unknown value: windows skip it,
and it never leaves a range. Where a series is younger than a window, the window is what there is. Nothing here looks
ahead: the first m results of a series are the results of its first m points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.detect.grid import Floats

# Below this a record is rounding, not an excursion.
_SMALLEST = 1e-6


def mean(values: Floats, points: int) -> Floats:
    """Mean of the last `points`."""
    return _floats(pd.Series(values).rolling(points, min_periods=1).mean())


def median(values: Floats, points: int, least: int = 1) -> Floats:
    """Median of the last `points`; NaN where fewer than `least` of them are known."""
    return _floats(pd.Series(values).rolling(points, min_periods=least).median())


def lowest(values: Floats, points: int) -> Floats:
    """Smallest of the last `points`."""
    return _floats(pd.Series(values).rolling(points, min_periods=1).min())


def highest(values: Floats, points: int) -> Floats:
    """Largest of the last `points`."""
    return _floats(pd.Series(values).rolling(points, min_periods=1).max())


def before(values: Floats, points: int) -> Floats:
    """The value so many points earlier; NaN where the series had not begun."""
    out = np.full(len(values), np.nan)
    out[points:] = values[: max(len(values) - points, 0)]
    return out


def median_of(rows: Floats) -> Floats:
    """Median over the known values of each column of (rows, points); NaN where none is known.

    As `numpy.nanmedian`, which takes seconds for a month of minutes.
    """
    ordered = np.sort(rows, axis=0)
    known = np.maximum((~np.isnan(ordered)).sum(axis=0), 1)
    low = np.take_along_axis(ordered, (known[None] - 1) // 2, axis=0)[0]
    high = np.take_along_axis(ordered, known[None] // 2, axis=0)[0]
    return np.asarray((low + high) / 2.0)


@dataclass(frozen=True)
class Excursion:
    """How far each point is outside the range of the points before it.

    Arrays (points,): the `signal` itself, `share` of the range's width by which it leaves it, 0 inside; `low` and
    `high` of the range, NaN where it is not known yet.
    """

    signal: Floats
    share: Floats
    low: Floats
    high: Floats


def excursion(values: Floats, points: int, least: int) -> Excursion:
    """Excursions out of the range of the last `points` before each; none before `least` values are known."""
    known = pd.Series(values).notna().cumsum().shift(1, fill_value=0).to_numpy()
    young = known < least
    low, high = before(lowest(values, points), 1), before(highest(values, points), 1)
    low[young] = high[young] = np.nan
    with np.errstate(invalid="ignore", over="ignore"):
        # A series that never moved has no width; any move out of it is far, and finite.
        width = np.maximum(high - low, 1e-9 * (np.abs(high) + np.abs(low)) + 1e-12)
        share = np.nan_to_num(np.maximum(values - high, low - values) / width, nan=0.0, posinf=1e9)
    share[share < _SMALLEST] = 0.0
    return Excursion(values, share, low, high)


def _floats(series: pd.Series[float]) -> Floats:
    return np.array(series, dtype=np.float64)
