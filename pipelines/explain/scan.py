"""The scan: the element whose leaves moved together beyond the noise, again and again until the mirror stops it.

Formulas, with the leaf's actual a and expected e, both sums over the incident's windows:

    d = 2 (a - e) / (a + e), x = 2 / (a + e); signs turned so that the incident is positive
    noise, from leaves with d < 0, w0 = 1 / (smin^2 + phi x):  s^2 = max(smin^2, sum w0 (d^2 - phi x) / sum w0)
    w = 1 / (s^2 + phi x), null l0 = ln[sqrt(w) exp(-w d^2 / 2) + tail sqrt(2 pi) / 4]
    per element n, W = sum w, A = sum w d, B = sum w d^2, L = sum(ln(w) / 2 - l0)
    mu = A / W, R = max(B - W mu^2, 0), V = n / W, h = max(V - s^2, 0)
    k0 = (.05^2 + h) / V, kcap = (max(.05, .3 |mu|)^2 + h) / V, k = min(max((R + 3 k0) / (n + 3), h / V), kcap)
    gain G = L - n ln(k) / 2 - R / (2 k) - dimensions

G is the log Bayes factor of "these leaves share one shift mu" against "each is noise": an element wins by a tight
spread, and a mixed superset loses by kcap. No spread is below h, that of sampling alone: leaves too small to have had
any event are alike (d = -2) without proving anything. The best gain of the opposite direction, where no incident is,
is the incident's own false-discovery control: nothing below 1.2 times that mirror is reported.

Where the mirror itself would pass for an incident, two may have happened at once, one up and one down: the other
direction is searched among the leaves that the causes leave over, against what is left of the first direction; what it
finds is taken out, and the first direction is searched anew, against a mirror that is noise again.

Everything moved alike when one shift of all leaves gains more than all causes together.

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
_ALIKE = 0.8  # all moved alike only when what lies outside the best element moved this part of the whole's shift
_AGAINST = 3.0  # what moved against an incident must gain so many times what is left of the incident's direction
_ROUNDS = 40
_RANKED = 10


@dataclass(frozen=True)
class Found:
    """An element: the dimensions it fixes and their codes, its gain, and its shift mu, positive where it rose."""

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


def scan(codes: Codes, shape: tuple[int, ...], actual: Floats, expected: Floats, kind: Kind, depth: int) -> Scanned:
    """Search the causes of the difference between `actual` and `expected`, both (leaves,) and not negative.

    Args:
        codes: (leaves, dimensions) value codes, each combination once.
        shape: number of values per dimension.
        actual, expected: sums over the incident's windows; a leaf with neither must be left out before.
        kind: of the metric, never guessed from the data.
        depth: how many dimensions a cause may fix.
    """
    direction = 1 if actual.sum() >= expected.sum() else -1
    search = _Search(codes, shape, depth, actual, expected, kind, direction)
    ranked = search.best(_RANKED)
    if search.mirror() >= max(_STOP, _MIRROR * ranked[0].gain if ranked else 0.0):
        # A small segment can move against the noise of the total: the stronger side is the incident.
        search = _Search(codes, shape, depth, actual, expected, kind, -direction)
        ranked = search.best(_RANKED)
    mirror = search.mirror()
    stop = max(_STOP, _MIRROR * mirror)
    whole = search.whole()
    alike = not ranked or _rest_moved(search.members(ranked[0]), actual, expected)
    causes = search.peel(stop)
    if alike and abs(whole.shift) >= _REPORTED_SHIFT and whole.gain >= max(stop, sum(each.gain for each in causes)):
        return Scanned((), tuple(ranked), stop, confident=True, everywhere=True)
    if mirror >= _STOP:
        both = _both_ways(search, causes)
        if both:
            return Scanned(tuple(both), tuple(ranked), _STOP, confident=True, everywhere=False)
    confident = bool(causes)
    if not confident and ranked:
        causes = [ranked[0]]
        confident = _believed(search, ranked, mirror)
        stop = min(stop, ranked[0].gain) if confident else stop
    return Scanned(tuple(causes), tuple(ranked), stop, confident, everywhere=False)


def _both_ways(search: _Search, causes: list[Found]) -> list[Found]:
    """The causes of both directions, strongest first, when something moved against an incident; else none.

    Args:
        search: after its causes were taken out.
        causes: those; none where the two directions are so alike in strength that neither beat its mirror.
    """
    if not causes:
        causes = search.peel(_STOP)
        left = search.best(1)
        # Noise fades away step by step; an incident ends in a gap.
        if not causes or (left and min(each.gain for each in causes) < _AGAINST * left[0].gain):
            return []
    other = search.reversed()
    against = other.peel(max(_STOP, _AGAINST * other.mirror()))
    if not against:
        return []
    again = search.without(other)
    causes = again.peel(max(_STOP, _MIRROR * again.mirror()))
    return sorted([*causes, *against], key=lambda each: -each.gain)


def _rest_moved(inside: np.ndarray, actual: Floats, expected: Floats) -> bool:
    """Whether what lies outside an element moved nearly as far as the whole; by sums, which thin leaves do not
    bend."""
    rest, whole = (
        (actual[part] - expected[part]).sum() / max((actual[part] + expected[part]).sum(), 1e-12)
        for part in (~inside, slice(None))
    )
    return bool(rest / whole >= _ALIKE) if whole else False


def _believed(search: _Search, ranked: list[Found], mirror: float) -> bool:
    """Whether the first of the ranked elements stands out of the others, and of the mirror."""
    best = ranked[0]
    leaves = search.members(best)
    rivals = {search.members(each).tobytes(): each.gain for each in reversed(ranked)}
    odds = sum(np.exp(gain - best.gain) for own, gain in rivals.items() if own != leaves.tobytes())
    return bool(best.gain > _MIRROR * mirror and 1 / (1 + odds) >= _SURE)


class _Search:
    """Gains of all elements in one direction (1: what rose), kept up to date while leaves are taken out."""

    def __init__(
        self,
        codes: Codes,
        shape: tuple[int, ...],
        depth: int,
        actual: Floats,
        expected: Floats,
        kind: Kind,
        direction: int,
    ) -> None:
        self._given = (codes, shape, depth, actual, expected, kind)
        total = actual + expected
        channels, self._variance = _channels(direction * 2 * (actual - expected) / total, 2 / total, kind)
        self._direction = direction
        self._whole = channels.sum(axis=1, keepdims=True)
        self._cube = Cube(codes, shape, depth, channels)
        self._gain, self._shift = _gain(self._cube.sums, self._variance, self._cube.widths)

    def reversed(self) -> _Search:
        """The other direction among the leaves that are left, its noise judged by them alone."""
        return self._among(self._cube.left, -self._direction)

    def without(self, other: _Search) -> _Search:
        """This direction among all leaves but those that another search, of this one's left leaves, took out."""
        keep = np.ones(len(self._cube.left), dtype=bool)
        keep[np.flatnonzero(self._cube.left)[~other._cube.left]] = False
        return self._among(keep, self._direction)

    def _among(self, keep: np.ndarray, direction: int) -> _Search:
        codes, shape, depth, actual, expected, kind = self._given
        return _Search(codes[keep], shape, depth, actual[keep], expected[keep], kind, direction)

    def whole(self) -> Found:
        """All leaves as one element, as they were before any was taken out."""
        gain, shift = _gain(self._whole, self._variance, np.zeros(1))
        return Found((), (), float(gain[0]), self._direction * float(shift[0]))

    def members(self, found: Found) -> np.ndarray:
        """Which leaves belong to an element."""
        return self._cube.members(found.dims, found.code)

    def mirror(self) -> float:
        """The best gain of the opposite direction."""
        return float(self._gain[self._shift < -_LEAST_SHIFT].max(initial=0))

    def best(self, keep: int) -> list[Found]:
        """The `keep` best elements. Equal gains: the one with fewer dimensions says the same with fewer words."""
        moved = np.flatnonzero((self._shift > _LEAST_SHIFT) & np.isfinite(self._gain))
        if not moved.size:
            return []
        gains = self._gain[moved]
        least = gains.max() if keep == 1 else np.sort(gains)[-min(keep, gains.size)]
        # Equal sums differ in the last digits by the way that they were added up.
        top = moved[gains >= least - 1e-9 * abs(least)]
        found = [
            Found(*self._cube.element(int(i)), round(float(self._gain[i]), 6), self._direction * float(self._shift[i]))
            for i in top
        ]
        return sorted(found, key=lambda each: (-each.gain, len(each.dims), each.dims, each.code))[:keep]

    def peel(self, stop: float) -> list[Found]:
        """Take out the best element as long as one gains at least `stop`; those that moved enough are causes."""
        causes: list[Found] = []
        for _ in range(_ROUNDS):
            best = self.best(1)
            if not best or best[0].gain < stop:
                break
            if abs(best[0].shift) >= _REPORTED_SHIFT:
                causes.append(best[0])
            touched = self._cube.remove(self.members(best[0]))
            self._gain[touched], self._shift[touched] = _gain(
                self._cube.sums[:, touched], self._variance, self._cube.widths[touched]
            )
        return causes


def _channels(d: Floats, x: Floats, kind: Kind) -> tuple[Floats, float]:
    """Leaf columns n, w, w d, w d^2 and the log-likelihood part, and the variance s^2 between sound leaves."""
    phi, least = NOISE[kind]
    sound = d < 0
    w0 = 1 / (least**2 + phi * x[sound])
    spread = float((w0 * (d[sound] ** 2 - phi * x[sound])).sum() / w0.sum()) if sound.any() else 0.0
    variance = max(least**2, spread)
    w = 1 / (variance + phi * x)
    half = 0.5 * np.log(w)
    null = np.logaddexp(half - w * d**2 / 2, _LOG_TAIL)
    return np.stack([np.ones_like(d), w, w * d, w * d**2, half - null]), variance


def _gain(sums: Floats, variance: float, widths: Floats | Codes) -> tuple[Floats, Floats]:
    """Gain and shift of elements from their sums (channels, elements); -inf where an element is empty."""
    n, w, a, b, likelihood = sums
    empty = n < 0.5
    w = np.where(empty, 1.0, w)
    mu = a / w
    rest = np.maximum(b - w * mu**2, 0)
    v = np.where(empty, 1.0, n / w)
    h = np.maximum(v - variance, 0)
    k0 = (0.05**2 + h) / v
    cap = (np.maximum(0.05, 0.3 * np.abs(mu)) ** 2 + h) / v
    k = np.minimum(np.maximum((rest + 3 * k0) / (n + 3), h / v), cap)
    gain = likelihood - n * np.log(k) / 2 - rest / (2 * k) - widths
    return np.where(empty, -np.inf, gain), mu
