"""The scan: the element whose leaves moved together beyond the noise, again and again until the mirror stops it.

Formulas, with the leaf's actual a and expected e, both sums over the incident's windows:

    d = 2 (a - e) / (a + e), x = 2 / (a + e); signs turned so that the incident is positive
    noise, from leaves with d < 0, w0 = 1 / (smin^2 + phi x):  s^2 = max(smin^2, sum w0 (d^2 - phi x) / sum w0)
    w = 1 / (s^2 + phi x), null l0 = ln[sqrt(w) exp(-w d^2 / 2) + tail sqrt(2 pi) / 4]
    per element n, W = sum w, A = sum w d, B = sum w d^2, L = sum(ln(w) / 2 - l0)
    mu = A / W, R = max(B - W mu^2, 0), V = n / W, h = max(V - s^2, 0)
    k0 = (.05^2 + h) / V, kcap = (max(.05, .3 |mu|)^2 + h) / V, k = min((R + 3 k0) / (n + 3), kcap)
    gain G = L - n ln(k) / 2 - R / (2 k) - dimensions

G is the log Bayes factor of "these leaves share one shift mu" against "each is noise": an element wins by a tight
spread, and a mixed superset loses by kcap. The best gain of the opposite direction, where no incident is, is the
incident's own false-discovery control: nothing below 1.2 times that mirror is reported.

Thin data may leave the best element below the stop although nothing else could have been it. The search is made after
something was detected, so that the question is which element, not whether: the best one is then believed by its
posterior among all elements, exp(G) over their sum, each set of leaves counted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipelines.explain.cuboids import Codes, Cube, Floats

Kind = Literal["amount", "count", "ratio"]

# Sampling variance per unit of 2 / (a + e), and the least spread between leaves, by kind of metric.
NOISE: dict[Kind, tuple[float, float]] = {"amount": (0.0, 0.03), "count": (1.0, 0.03), "ratio": (1.0, 0.4)}
_LOG_TAIL = np.log(1e-30 * np.sqrt(2 * np.pi) / 4)
_LEAST_SHIFT = 0.1  # an element must have moved at least this far to be a candidate
_REPORTED_SHIFT = 0.2  # and this far to be reported; what lies between is taken out in silence
_STOP = 24.0
_MIRROR = 1.2
_SURE = 0.95  # posterior from which an element below the stop is believed
_ALIKE = 0.5  # everything moved alike when what lies outside the best element moved at least half as far as the whole
_ROUNDS = 40


@dataclass(frozen=True)
class Found:
    """An element: the dimensions it fixes and their codes, its gain, and its shift mu in the incident's direction."""

    dims: tuple[int, ...]
    code: tuple[int, ...]
    gain: float
    shift: float


@dataclass(frozen=True)
class Scanned:
    """Causes in the order found, the ranked list of the first pass, and the least gain that is believed."""

    causes: tuple[Found, ...]
    ranked: tuple[Found, ...]
    stop: float
    confident: bool
    everywhere: bool
    direction: int


def scan(codes: Codes, shape: tuple[int, ...], actual: Floats, expected: Floats, kind: Kind, depth: int) -> Scanned:
    """Search the causes of the difference between `actual` and `expected`, both (leaves,) and not negative.

    Args:
        codes: (leaves, dimensions) value codes.
        shape: number of values per dimension.
        actual, expected: sums over the incident's windows; a leaf with neither must be left out before.
        kind: of the metric, never guessed from the data.
        depth: how many dimensions a cause may fix.
    """
    total = actual + expected
    direction = 1 if actual.sum() >= expected.sum() else -1
    d = direction * 2 * (actual - expected) / total
    x = 2 / total
    channels, variance = _channels(d, x, kind)
    cube = Cube(codes, shape, depth)

    first = _best(cube, channels, variance, keep=10)
    if first.mirror > max(_STOP, first.best[0].gain if first.best else 0.0):
        # A small segment can move against the noise of the total: the stronger side is the incident.
        direction, d = -direction, -d
        channels, variance = _channels(d, x, kind)
        first = _best(cube, channels, variance, keep=10)
    stop = max(_STOP, _MIRROR * first.mirror)
    whole = _gain(channels.sum(axis=1, keepdims=True), variance, 0)
    ranked = first.best
    everywhere = bool(
        whole.shift[0] >= _REPORTED_SHIFT
        and whole.gain[0] >= max(_MIRROR * first.mirror, ranked[0].gain if ranked else 0)
        and (not ranked or _moved_alike(cube, ranked[0], actual, expected, direction))
    )
    causes: list[Found] = []
    left = channels.copy()
    current = ranked
    for _ in range(_ROUNDS):
        if everywhere or not current or current[0].gain < stop:
            break
        best = current[0]
        if best.shift >= _REPORTED_SHIFT:
            causes.append(best)
        left[:, cube.members(best.dims, np.array(best.code))] = 0
        current = _best(cube, left, variance, keep=1).best
    confident = bool(causes) or everywhere
    if not confident and ranked:
        causes = [ranked[0]]
        confident = _believed(cube, ranked, first.mirror)
        stop = min(stop, ranked[0].gain) if confident else stop
    return Scanned(tuple(causes), tuple(ranked), stop, confident, everywhere, direction)


def _moved_alike(cube: Cube, best: Found, actual: Floats, expected: Floats, direction: int) -> bool:
    """Whether the rest moved as well when the best element is left out; by sums, which thin leaves do not bend."""
    outside = ~cube.members(best.dims, np.array(best.code))
    rest, whole = (
        2 * direction * (actual[part] - expected[part]).sum() / max((actual[part] + expected[part]).sum(), 1e-12)
        for part in (outside, slice(None))
    )
    return bool(rest >= _ALIKE * whole)


def _believed(cube: Cube, ranked: list[Found], mirror: float) -> bool:
    """Whether the first of the ranked elements stands out of the others, and of the mirror."""
    best = ranked[0]
    leaves = cube.members(best.dims, np.array(best.code))
    rivals = {cube.members(each.dims, np.array(each.code)).tobytes(): each.gain for each in reversed(ranked)}
    odds = sum(np.exp(gain - best.gain) for own, gain in rivals.items() if own != leaves.tobytes())
    return bool(best.gain > _MIRROR * mirror and 1 / (1 + odds) >= _SURE)


def _channels(d: Floats, x: Floats, kind: Kind) -> tuple[Floats, float]:
    """Leaf columns n, w, w d, w d^2 and the log-likelihood part, and the variance s^2 between sound leaves."""
    phi, least = NOISE[kind]
    sound = d < 0
    w0 = 1 / (least**2 + phi * x[sound])
    spread = float((w0 * (d[sound] ** 2 - phi * x[sound])).sum() / w0.sum()) if sound.any() else 0.0
    variance = max(least**2, spread)
    w = 1 / (variance + phi * x)
    null = np.logaddexp(0.5 * np.log(w) - w * d**2 / 2, _LOG_TAIL)
    return np.stack([np.ones_like(d), w, w * d, w * d**2, 0.5 * np.log(w) - null]), variance


@dataclass(frozen=True)
class _Gains:
    gain: Floats
    shift: Floats


def _gain(sums: Floats, variance: float, dims: int) -> _Gains:
    """Gain and shift of elements from their sums; -inf where an element is empty."""
    n, w, a, b, likelihood = sums
    empty = n < 0.5
    w = np.where(empty, 1.0, w)
    mu = a / w
    rest = np.maximum(b - w * mu**2, 0)
    v = np.where(empty, 1.0, n / w)
    h = np.maximum(v - variance, 0)
    k0 = (0.05**2 + h) / v
    cap = (np.maximum(0.05, 0.3 * np.abs(mu)) ** 2 + h) / v
    k = np.minimum((rest + 3 * k0) / (n + 3), cap)
    gain = likelihood - n * np.log(k) / 2 - rest / (2 * k) - dims
    return _Gains(np.where(empty, -np.inf, gain), mu)


@dataclass(frozen=True)
class _Pass:
    best: list[Found]
    mirror: float


def _best(cube: Cube, channels: Floats, variance: float, keep: int) -> _Pass:
    """The `keep` best elements of the incident's direction, and the best gain of the other one."""
    found: list[Found] = []
    mirror = 0.0
    for cuboid in cube.cuboids(channels):
        gains = _gain(cuboid.sums, variance, len(cuboid.dims))
        against = gains.gain[gains.shift < -_LEAST_SHIFT]
        if against.size:
            mirror = max(mirror, float(against.max()))
        candidates = np.flatnonzero((gains.shift > _LEAST_SHIFT) & np.isfinite(gains.gain))
        top = candidates[np.argsort(-gains.gain[candidates], kind="stable")[:keep]]
        found += [
            Found(cuboid.dims, tuple(map(int, cuboid.codes[i])), float(gains.gain[i]), float(gains.shift[i]))
            for i in top
        ]
    # Equal gains: the one with fewer dimensions says the same with fewer words.
    found.sort(key=lambda each: (-each.gain, len(each.dims), each.dims, each.code))
    return _Pass(found[:keep], mirror)
