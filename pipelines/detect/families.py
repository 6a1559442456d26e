"""The four kinds of noise that a window's number can have, behind one interface.

| family | metrics | observed y, weight w | expected at eta | variance of y |
|---|---|---|---|---|
| count | count, distinct | events, - | exp(eta) | M + d M^2 (negative binomial) |
| share | ratio, quantile | numerator, denominator N | N expit(eta) | N p q (1 + d (N - 1)) (beta-binomial) |
| amount | sum | sum, expected events N | exp(eta) | M^2 d / N (gamma, matched by moments) |
| level | mean | N x mean, events N | N eta | N d (normal scores, calibrated later) |

A quantile is judged by the share of events above the series' own usual quantile: the same count in the tail, with a
known distribution. d is the dispersion, estimated from history. Everything is additive over windows except `level`'s
eta, so evidence over several windows is a sum of y, M and w.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy import special

from pipelines.contract import Metric
from pipelines.detect.grid import Floats, Grid, Mask

Family = Literal["count", "share", "amount", "level"]
FAMILIES: dict[str, Family] = {
    "count": "count",
    "distinct": "count",
    "ratio": "share",
    "quantile": "share",
    "sum": "amount",
    "mean": "level",
}
# Largest surprise that is told apart, in nats; beyond it float arithmetic ends.
MOST_NATS = 690.0
_TINY = 1e-300
_CANCELLED = 1e-4


def family_of(metric: Metric) -> Family:
    """How the metric's windows are judged."""
    return FAMILIES[metric.kind]


def observed(grid: Grid, volume: Floats, logarithmic: bool) -> tuple[Floats, Floats]:
    """y and w of every window, shape of the grid. `volume` is the expected number of events (used by sums)."""
    family = family_of(grid.metric)
    if family == "count":
        return np.nan_to_num(grid.value), np.ones_like(grid.value)
    if family == "share":
        return grid.numerator, grid.denominator
    if family == "amount":
        return np.nan_to_num(grid.value), np.broadcast_to(volume, grid.value.shape).astype(np.float64)
    has = (grid.n > 0) & np.isfinite(grid.value)
    safe = np.where(has, grid.value, 1.0)
    level = np.log(np.maximum(safe, 1e-12)) if logarithmic else safe
    return np.where(has, level * grid.n, 0.0), np.where(has, grid.n, 0.0)


def mean(family: Family, eta: Floats, w: Floats) -> Floats:
    """Expected y."""
    if family == "share":
        return np.asarray(w * special.expit(eta))
    if family == "level":
        return w * eta
    return np.exp(np.clip(eta, -50.0, 50.0))


def score(family: Family, y: Floats, m: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Residual as (numerator, information): their quotient is the shift of eta that one window speaks for.

    count and amount: (y - M) / M; share: (K - N p) / (N p q); level: the mean's own difference.
    """
    if family == "count":
        return y - m, m
    if family == "share":
        return y - m, m * (1.0 - m / np.maximum(w, 1e-300))
    if family == "amount":
        return (y / np.maximum(m, 1e-300) - 1.0) * w, w
    return y - m, w


def relative_variance(family: Family, m: Floats, w: Floats, dispersion: Floats) -> Floats:
    """Variance of (y - E y) in units of the score's information squared, times that information: 1 when d adds nothing.

    var(score) = information x this.
    """
    if family == "count":
        return 1.0 + dispersion * m
    if family == "share":
        return 1.0 + dispersion * np.maximum(w - 1.0, 0.0)
    return np.broadcast_to(dispersion, m.shape).astype(np.float64)


def dispersion(family: Family, y: Floats, m: Floats, w: Floats) -> Floats:
    """Dispersion of each series from its history (series, windows) -> (series, 1); outliers beyond 3 MAD are cut.

    By moments: count E z^2 = 1 + d M, share E z^2 = 1 + d (N - 1), amount and level E z^2 = d, where z^2 is the
    squared residual over the variance without dispersion.
    """
    # Row by row in memory: numpy otherwise adds up one series alone in another way than several.
    y, m, w = (np.ascontiguousarray(each) for each in (y, m, w))
    numerator, information = score(family, y, m, w)
    usable = information > 0
    z2 = np.where(usable, numerator**2 / np.where(usable, information, 1.0), np.nan)
    with np.errstate(all="ignore"):
        typical = np.nanmedian(np.where(usable, z2, np.nan), axis=1, keepdims=True) / 0.4549
        limit = np.maximum(9.0 * np.nan_to_num(typical), 9.0 if family in ("count", "share") else 1e-12)
        # A normal square cut at nine times its mean keeps 98.5 % of it.
        square = np.nanmean(np.minimum(z2, limit), axis=1, keepdims=True) / 0.985
        if family == "count":
            return np.asarray(np.nan_to_num(np.maximum(square - 1.0, 0.0) / _mean_where(m, usable)))
        if family == "share":
            pairs = np.maximum(_mean_where(w - 1.0, usable), 1e-9)
            return np.asarray(np.nan_to_num(np.maximum(square - 1.0, 0.0) / pairs))
        floor = 1.0 if family == "amount" else 1e-12
        return np.asarray(np.maximum(np.nan_to_num(square, nan=floor), floor))


def surprise(family: Family, y: Floats, m: Floats, w: Floats, d: Floats) -> tuple[Floats, Floats]:
    """-ln of the mid-p values of y being this high, and this low, under the family's law. Arrays of one shape.

    Sums over windows go in as sums of y, m and w. The mid-p counts half of the observed value's own probability.
    count: negative binomial with mean M and variance M + d M^2 (Poisson for d = 0). share: binomial whose numbers are
    divided by the beta-binomial's design effect 1 + d (N - 1). amount: gamma with mean M and shape w / d. level:
    normal with variance w d.
    """
    if family == "count":
        up, down = _negative_binomial(y, m, np.broadcast_to(d, m.shape))
    elif family == "share":
        design = 1.0 + d * np.maximum(w - 1.0, 0.0)
        up, down = _binomial(y / design, w / design, np.where(w > 0, m / np.maximum(w, 1e-300), 0.5))
    elif family == "amount":
        shape = np.maximum(w / d, 1e-9)
        x = shape * np.maximum(y, 0.0) / np.maximum(m, 1e-300)
        up, down = special.gammaincc(shape, x), special.gammainc(shape, x)
        up = np.where(y <= 0, 1.0 - 0.5 * np.exp(-shape), up)
        down = np.where(y <= 0, 0.5 * np.exp(-np.minimum(w, MOST_NATS)), down)
    else:
        z = np.where(w > 0, (y - m) / np.sqrt(np.maximum(w * d, 1e-300)), 0.0)
        return np.minimum(-special.log_ndtr(-z), MOST_NATS), np.minimum(-special.log_ndtr(z), MOST_NATS)
    floor = np.exp(-MOST_NATS)
    return -np.log(np.maximum(up, floor)), -np.log(np.maximum(down, floor))


def _negative_binomial(y: Floats, m: Floats, d: Floats) -> tuple[Floats, Floats]:
    """Mid-p of Y >= y and Y <= y by the incomplete beta function (Johnson, Kemp, Kotz: Univariate Discrete, 5.6)."""
    m = np.maximum(m, 1e-12)
    poisson = d * m < 1e-9
    size = 1.0 / np.where(poisson, 1.0, d)
    odds = np.where(poisson, 0.0, d) * m
    more, fewer = odds / (1.0 + odds), 1.0 / (1.0 + odds)

    def at_least(k: Floats, at: Any) -> Floats:
        k = np.maximum(k, _TINY)
        beta = special.betainc(k, size[at], more[at])
        return np.asarray(np.where(poisson[at], special.gammainc(k, m[at]), beta))

    def at_most(k: Floats, at: Any) -> Floats:
        beta = special.betainc(size[at], k + 1, fewer[at])
        return np.where(k < 0, 0.0, np.where(poisson[at], special.gammaincc(np.maximum(k, -1) + 1, m[at]), beta))

    return _mid_p(y, at_least, at_most)


def _binomial(k: Floats, n: Floats, p: Floats) -> tuple[Floats, Floats]:
    """Mid-p of K >= k and K <= k, for real k and n."""
    p = np.clip(p, 1e-12, 1 - 1e-12)

    def at_least(x: Floats, at: Any) -> Floats:
        rest = n[at] - x + 1
        return np.where(rest <= _TINY, 0.0, special.betainc(np.maximum(x, _TINY), np.maximum(rest, _TINY), p[at]))

    def at_most(x: Floats, at: Any) -> Floats:
        rest = np.maximum(n[at] - x, _TINY)
        return np.where(x < 0, 0.0, special.betainc(rest, np.maximum(x, -1) + 1, 1 - p[at]))

    up, down = _mid_p(np.minimum(k, n), at_least, at_most)
    return np.where(n > 0, up, 0.5), np.where(n > 0, down, 0.5)


def _mid_p(
    y: Floats, at_least: Callable[[Floats, Any], Floats], at_most: Callable[[Floats, Any], Floats]
) -> tuple[Floats, Floats]:
    """Both mid-p values; they add up to 1, so the lower one is computed by itself only where it would be cut off."""
    every = np.s_[...]
    up = (at_least(y, every) + at_least(y + 1, every)) / 2
    down = 1.0 - up
    rare = down < _CANCELLED
    if rare.any():
        below = y[rare]
        down[rare] = (at_most(below, rare) + at_most(below - 1, rare)) / 2
    return up, down


def _mean_where(values: Floats, usable: Mask) -> Floats:
    total = np.where(usable, values, 0.0).sum(axis=1, keepdims=True)
    return np.asarray(total / np.maximum(usable.sum(axis=1, keepdims=True), 1))
