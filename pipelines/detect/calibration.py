"""From a statistic to a p-value by its own past: ranks where history has them, a generalised-Pareto tail beyond.

The statistic is a surprise in nats (-ln of a model's p-value) or any other number that grows with strangeness. Were the
model right, its tail would be exponential with scale 1; what history says instead is what counts. The tail's scale is
the series' own, steadied by all series of the metric; its shape is the metric's (Pickands 1975; Hosking, Wallis 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.detect.grid import Floats, Mask

TAIL_SHARE = 0.02
# A series' own tail counts as much as that of the metric once it has this many peaks in it.
_STEADY = 20.0
_GAP = 3
_FEWEST = 50
_FEWEST_PEAKS = 10
_GRID = np.linspace(0.0, 1.0 - TAIL_SHARE, 21)
# Shapes outside say more about 40 points than about the series; below 0 the tail would end.
_SHAPES = (0.0, 0.3)
_NO_HISTORY_SCALE = 1.5


@dataclass(frozen=True)
class Tail:
    """Tails of one statistic for a metric's series: quantiles (series, 21), scale (series,), shape (one)."""

    quantiles: Floats
    scale: Floats
    shape: float

    def p_value(self, statistic: Floats) -> Floats:
        """Chance of a value this large in an ordinary window; statistic (series, windows)."""
        out = np.empty_like(statistic)
        for i, row in enumerate(statistic):
            threshold = self.quantiles[i, -1]
            rank = 1.0 - np.interp(row, self.quantiles[i], _GRID)
            excess = np.maximum(row - threshold, 0.0) / self.scale[i]
            heavy = self.shape > 1e-6
            beyond = np.power(1.0 + self.shape * excess, -1.0 / self.shape) if heavy else np.exp(-excess)
            out[i] = np.where(row > threshold, TAIL_SHARE * beyond, rank)
        return np.maximum(out, 1e-300)

    def of(self, rows: list[int]) -> Tail:
        """The tails of some of the series."""
        return Tail(self.quantiles[rows], self.scale[rows], self.shape)


def fit(statistic: Floats, usable: Mask, smallest_scale: float = 0.7) -> Tail:
    """Tails from history, (series, windows); windows that are not `usable` are left out.

    Neighbouring windows share their events, so only the peak of each cluster beyond the threshold is counted. A series
    is never taken for calmer than the metric's series together: a week holds too few peaks to believe that.
    """
    series = len(statistic)
    quantiles = np.tile(-np.log(1.0 - _GRID), (series, 1))
    own_sum, own_count = np.zeros(series), np.zeros(series)
    long = [i for i in range(series) if usable[i].sum() >= _FEWEST]
    if not long:
        return Tail(quantiles, np.full(series, _NO_HISTORY_SCALE), _SHAPES[0])
    common = float(np.quantile(np.concatenate([statistic[i, usable[i]] for i in long]), _GRID[-1]))
    pooled: list[Floats] = []
    for i in long:
        row = statistic[i, usable[i]]
        own = np.quantile(row, _GRID)
        own[-1] = max(own[-1], common)
        # Strictly growing, so that a rank is defined between equal values.
        quantiles[i] = np.maximum.accumulate(own) + np.arange(len(_GRID)) * 1e-9
        excess = peaks(row, own[-1]) - own[-1]
        own_sum[i], own_count[i] = excess.sum(), len(excess)
        pooled.append(excess)
    together = np.concatenate(pooled)
    if len(together) < _FEWEST_PEAKS:
        return Tail(quantiles, np.full(series, _NO_HISTORY_SCALE), _SHAPES[0])
    shape = shape_of(together)
    # The mean of a generalised-Pareto law is scale / (1 - shape).
    steady = max(float(together.mean()), smallest_scale)
    scale = np.maximum((own_sum + _STEADY * steady) / (own_count + _STEADY), steady) * (1.0 - shape)
    return Tail(quantiles, scale, shape)


def peaks(values: Floats, threshold: float) -> Floats:
    """The largest value of each cluster above the threshold; clusters are three windows or more apart."""
    above = np.flatnonzero(values > threshold)
    if not len(above):
        return np.empty(0)
    return np.array([values[part].max() for part in np.split(above, np.flatnonzero(np.diff(above) > _GAP) + 1)])


def shape_of(excess: Floats) -> float:
    """Shape of a generalised-Pareto law by probability-weighted moments, within the bounds that a tail may have."""
    ordered = np.sort(excess)
    n = len(ordered)
    first = float(ordered.mean())
    second = float((ordered * (n - np.arange(1, n + 1)) / max(n - 1, 1)).mean())
    if first <= 2 * second or second <= 0:
        return _SHAPES[1] if second <= 0 else _SHAPES[0]
    shape = 2.0 - first / (first - 2.0 * second)
    return float(np.clip(shape, *_SHAPES))
