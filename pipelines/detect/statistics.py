"""The tests of a window: how surprising it is alone, held over several windows, and as a slow drift.

| test | statistic |
|---|---|
| point | surprise of the window alone |
| pair, held, long | surprise of the last 2, 4, 8 windows together, against the level before them |
| drift | two-sided CUSUM of normal scores, slack 1/2, against the level 12 windows ago (Page 1954) |
| missing | surprise of a run of windows without any event, from the expected volume |

All are arrays (series, windows); every one looks back only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from pipelines.contract import Metric
from pipelines.detect import families
from pipelines.detect.families import Family
from pipelines.detect.grid import Floats, Mask

POOLED: dict[str, int] = {"point": 1, "pair": 2, "held": 4, "long": 8}
DRIFT_LAG = 12
_SLACK = 0.5
_SCORE_CUT = 4.0
CALIBRATED = (*POOLED, "drift")
TESTS = (*CALIBRATED, "missing")


@dataclass(frozen=True)
class Sums:
    """Observed y, expected m and weight w of the last windows together, for every window."""

    y: Floats
    m: Floats
    w: Floats
    count: Floats


def pooled(family: Family, y: Floats, w: Floats, eta: Floats, level: Floats, windows: int) -> Sums:
    """Sums over the last `windows` windows, expected at the level that held before the first of them.

    At the beginning of the arrays the sums are over the windows that exist.
    """
    length = y.shape[1]
    start = np.maximum(np.arange(length) - (windows - 1), 0)
    before = level[:, start]
    total = [np.zeros_like(y) for _ in range(3)]
    count = np.zeros_like(y)
    for back in range(min(windows, length)):
        at = np.arange(back, length)
        m = families.mean(family, eta[:, at - back] + before[:, at], w[:, at - back])
        for out, part in zip(total, (y[:, at - back], m, w[:, at - back]), strict=True):
            out[:, at] += part
        count[:, at] += 1
    return Sums(total[0], total[1], total[2], count)


def hurting(metric: Metric) -> tuple[str, ...]:
    """The directions of the metric that are looked at."""
    return ("up", "down") if metric.direction == "both" else (metric.direction,)


def sums_of(test: str, family: Family, y: Floats, w: Floats, eta: Floats, level: Floats) -> Sums:
    """What a calibrated test looks at, from observations, profile and level predicted one window ahead."""
    if test == "drift":
        return pooled(family, y, w, eta, lagged(level, DRIFT_LAG), 1)
    return pooled(family, y, w, eta, level, POOLED[test])


def values(test: str, family: Family, sums: Sums, dispersion: Floats, directions: tuple[str, ...]) -> dict[str, Floats]:
    """The test's statistic by direction."""
    up, down = families.surprise(family, sums.y, sums.m, sums.w, dispersion)
    if test == "drift":
        up, down = cusum(normal_score(up, down))
    both = {"up": up, "down": down}
    return {direction: both[direction] for direction in directions}


def normal_score(up: Floats, down: Floats) -> Floats:
    """The standard normal deviate that is as surprising, positive upwards."""
    high = -special.ndtri_exp(-np.maximum(up, 1e-300))
    low = special.ndtri_exp(-np.maximum(down, 1e-300))
    return np.asarray(np.clip(np.where(up > down, high, low), -37.0, 37.0))


def cusum(score: Floats) -> tuple[Floats, Floats]:
    """Page's two one-sided sums of scores cut at 4: S = max(0, S + z - 1/2), and the same of -z."""
    up, down = np.zeros_like(score), np.zeros_like(score)
    high, low = np.zeros(len(score)), np.zeros(len(score))
    for t in range(score.shape[1]):
        z = np.clip(score[:, t], -_SCORE_CUT, _SCORE_CUT)
        high, low = np.maximum(high + z - _SLACK, 0.0), np.maximum(low - z - _SLACK, 0.0)
        up[:, t], down[:, t] = high, low
    return up, down


def onset(score: Floats, windows: int) -> Floats:
    """Index of the likeliest first window of a rise that lasts until each window, at most `windows` long.

    Maximum likelihood for a shift of unknown size in normal scores, cut at 4: the k that maximises
    (z[t-k+1] + ... + z[t]) / sqrt(k) (Hinkley 1970).
    """
    length = score.shape[1]
    cut = np.clip(score, -_SCORE_CUT, _SCORE_CUT)
    index = np.broadcast_to(np.arange(length, dtype=np.float64), score.shape)
    total, best, out = cut.copy(), cut.copy(), index.copy()
    for back in range(1, min(windows, length)):
        total[:, back:] += cut[:, : length - back]
        likely = total[:, back:] / np.sqrt(back + 1)
        later = likely > best[:, back:]
        best[:, back:] = np.where(later, likely, best[:, back:])
        out[:, back:] = np.where(later, index[:, back:] - back, out[:, back:])
    return out


def run_start(mask: Mask) -> Floats:
    """Index of the first window of the run of True that ends at each window; of False, the window's own index."""
    index = np.broadcast_to(np.arange(mask.shape[1], dtype=np.float64), mask.shape)
    before = np.pad(mask[:, :-1], ((0, 0), (1, 0)))
    starts = np.where(mask & before, 0.0, index)
    return np.asarray(np.maximum.accumulate(starts, axis=1))


def lagged(level: Floats, lag: int) -> Floats:
    """The level as it was `lag` windows earlier; the first one where there is none."""
    return level[:, np.maximum(np.arange(level.shape[1]) - lag, 0)]


def missing(n: Floats, expected: Floats, dispersion: Floats) -> tuple[Floats, Floats]:
    """Surprise of the run of empty windows that ends here, and how many events were expected in it.

    -ln P(no event) = ln(1 + d M) / d, the negative binomial's chance of 0 (M for d = 0), summed over the run.
    """
    d = np.maximum(np.broadcast_to(dispersion, expected.shape), 0.0)
    nats = np.where(d * expected > 1e-9, np.log1p(d * expected) / np.maximum(d, 1e-12), expected)
    run, awaited = np.zeros_like(n), np.zeros_like(n)
    total, events = np.zeros(len(n)), np.zeros(len(n))
    for t in range(n.shape[1]):
        empty = n[:, t] <= 0
        total = np.where(empty, total + nats[:, t], 0.0)
        events = np.where(empty, events + expected[:, t], 0.0)
        run[:, t], awaited[:, t] = total, events
    return np.minimum(run, families.MOST_NATS), awaited
