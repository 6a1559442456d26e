"""From a statistic to a p-value by its own past: ranks where history has them, a generalised-Pareto tail beyond.

The statistic is a surprise in nats (-ln of a model's p-value) or any other number that grows with strangeness. Were the
model right, its tail would be exponential with scale 1; what history says instead is what counts. The tail's scale is
the series' own, steadied by all series of the metric; its shape is the metric's (Pickands 1975; Hosking, Wallis 1987).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.detect.grid import Floats, Ints, Mask

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
class Common:
    """What a metric's series share: where their tail `begins`, its `steady` mean excess, and its shape.

    None where history is too short to say.
    """

    begins: float | None
    steady: float | None
    shape: float


@dataclass(frozen=True)
class Tail:
    """Tails of one statistic for a metric's series: quantiles (series, 21), scale (series,), shape (one).

    `common` is what they were steadied by; None when it was read from a stored baseline.
    """

    quantiles: Floats
    scale: Floats
    shape: float
    common: Common | None = None

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
        return Tail(self.quantiles[rows], self.scale[rows], self.shape, self.common)


def fit(
    statistic: Floats,
    usable: Mask,
    common: Common | None = None,
    pooled: Ints | None = None,
    smallest_scale: float = 0.7,
) -> Tail:
    """Tails from history, (series, windows); windows that are not `usable` are left out.

    Neighbouring windows share their events, so only the peak of each cluster beyond the threshold is counted. A series
    is never taken for calmer than the metric's series together: a week holds too few peaks to believe that.

    Args:
        common: what the metric's series share, when these are only some of them; learnt from these when None.
        pooled: rows that `common` is then learnt from; all of them when None.
    """
    series = len(statistic)
    quantiles = np.tile(-np.log(1.0 - _GRID), (series, 1))
    long = [i for i in range(series) if usable[i].sum() >= _FEWEST]
    shared = long if pooled is None else [i for i in pooled if i in set(long)]
    begins = _begins([statistic[i, usable[i]] for i in shared]) if common is None else common.begins
    excess: dict[int, Floats] = {}
    for i in long if begins is not None else ():
        row = statistic[i, usable[i]]
        own = np.quantile(row, _GRID)
        own[-1] = max(own[-1], begins)
        # Strictly growing, so that a rank is defined between equal values.
        quantiles[i] = np.maximum.accumulate(own) + np.arange(len(_GRID)) * 1e-9
        excess[i] = peaks(row, own[-1]) - own[-1]
    if common is None:
        common = _common(begins, [excess[i] for i in shared], smallest_scale)
    if common.steady is None:
        return Tail(quantiles, np.full(series, _NO_HISTORY_SCALE), common.shape, common)
    own_sum, own_count = np.zeros(series), np.zeros(series)
    for i, each in excess.items():
        own_sum[i], own_count[i] = each.sum(), len(each)
    steady = common.steady
    # The mean of a generalised-Pareto law is scale / (1 - shape).
    scale = np.maximum((own_sum + _STEADY * steady) / (own_count + _STEADY), steady) * (1.0 - common.shape)
    return Tail(quantiles, scale, common.shape, common)


def _begins(history: list[Floats]) -> float | None:
    return float(np.quantile(np.concatenate(history), _GRID[-1])) if history else None


def _common(begins: float | None, excess: list[Floats], smallest_scale: float) -> Common:
    together = np.concatenate(excess) if excess else np.empty(0)
    if len(together) < _FEWEST_PEAKS:
        return Common(begins, None, _SHAPES[0])
    return Common(begins, max(float(together.mean()), smallest_scale), shape_of(together))


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
