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
is the incident's own false-discovery control: nothing below 1.2 times that mirror is reported. The name of a cause
leaves out leaves of earlier causes that did not move as far (`_narrowed`), and gives way to those of its parts that
moved where its rest did not (`_parts`).

Where the mirror itself would pass for an incident, two may have happened at once, one up and one down: the other
direction is searched among the leaves that the causes leave over, against what is left of the first direction; what it
finds is taken out, and the first direction is searched anew, against a mirror that is noise again.

Everything moved alike when one shift of all leaves gains more than all causes together. Where it moved a little one way
and nothing stands out of that, a segment that moved the other way is looked for.

A sum over events varies as a count does, in a unit of its own (`leaves.unit_of`); an amount by a part of itself.

Thin data may leave the best element below the stop although nothing else could have been it. The search is made after
something was detected, so that the question is which element, not whether: the best one is then believed by its
posterior among all elements, exp(G) over their sum, each set of leaves counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import numpy as np

from pipelines.explain.cuboids import Codes, Cube, Floats
from pipelines.explain.gains import Kind, channels, gain, noise, shifts, spread_of, variance

LEAST_SHIFT = 0.1  # an element must have moved at least this far to be a candidate
REPORTED_SHIFT = 0.2  # and this far to be reported; what lies between is taken out in silence
_STOP = 24.0
_MIRROR = 1.2
_SURE = 0.95  # posterior from which an element below the stop is believed
_ALIKE = 0.8  # all moved alike only when what lies outside the best element moved this part of the whole's shift
_CONTRADICTED = 2.0  # standard errors by which leaves fall short of a cause that would be theirs, too
_FINER = 1.3  # parts of an element together gain so many times what it gains, to be told instead of it
_AGAINST = 3.0  # what moved against an incident must gain so many times what is left of the incident's direction
ROUNDS = 40
RANKED = 10


@dataclass(frozen=True)
class Found:
    """An element: the dimensions it fixes and their codes, its gain, and its shift mu, positive where it rose.

    Codes grow with the names of the values; where leaves have none, they are these names.
    """

    dims: tuple[int, ...]
    code: tuple[int, ...] | tuple[str, ...]
    gain: float
    shift: float


@dataclass(frozen=True)
class Explained:
    """Leaves of an element that were taken out before it was found.

    `weight` is the sum of their w, `shift` their mean one in the search's direction; `apart` are dimensions in which
    all leaves that are left share a value, its code, and some of these have another.
    """

    weight: float = 0.0
    shift: float = 0.0
    apart: Mapping[int, int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """An element by the values of one more dimension, among the leaves that are left.

    `parts` moved far enough to be causes; `weight` is the sum of w of all the rest of it, `shift` their mean one in the
    search's direction.
    """

    parts: tuple[Found, ...]
    weight: float
    shift: float


@dataclass(frozen=True)
class Scanned:
    """Causes in the order found, the ranked list of the first pass, and the least gain that is believed."""

    causes: tuple[Found, ...]
    ranked: tuple[Found, ...]
    stop: float
    confident: bool
    everywhere: bool


def scan(
    codes: Codes, shape: tuple[int, ...], actual: Floats, expected: Floats, kind: Kind, depth: int, unit: float = 1.0
) -> Scanned:
    """Search the causes of the difference between `actual` and `expected`, both (leaves,) and not negative.

    Args:
        codes: (leaves, dimensions) value codes, each combination once.
        shape: number of values per dimension.
        actual, expected: sums over the incident's windows; a leaf with neither must be left out before.
        kind: of the metric, never guessed from the data.
        depth: how many dimensions a cause may fix.
        unit: what both are counted in, see `leaves.unit_of`.
    """
    if unit != 1.0:
        actual, expected = actual / unit, expected / unit

    def search(direction: int) -> _Search:
        return _Search(codes, shape, depth, actual, expected, kind, direction)

    return scan_by(search, float(actual.sum()), float(expected.sum()))


class Search(Protocol):
    """Gains of all elements in one direction (1: what rose), while leaves are taken out."""

    def best(self, keep: int) -> list[Found]:
        """The `keep` best elements, up to `RANKED`. Equal gains: the one that fixes fewer dimensions first."""

    def mirror(self) -> float:
        """The best gain of the opposite direction."""

    def whole(self) -> Found:
        """All leaves as one element, as they were before any was taken out."""

    def inside(self, found: Found) -> tuple[float, float]:
        """Actual and expected of an element, before any leaf was taken out."""

    def leaves(self, found: Found) -> Hashable:
        """The same for elements of the same leaves."""

    def take_out(self, found: Found) -> None:
        """Leave an element's leaves out of all others from now on."""

    def explained(self, found: Found) -> Explained:
        """Those of an element's leaves that have been taken out."""

    def splits(self, found: Found, least: float) -> list[Split]:
        """An element by each further dimension, its parts those that gain at least `least`.

        A dimension in which more than `ROUNDS` values did is left out.
        """

    def reversed(self) -> Self:
        """The other direction among the leaves that are left, its noise judged by them alone."""

    def without(self, other: Self) -> Self:
        """This direction among all leaves but those that another search, of this one's left leaves, took out."""


def scan_by(start: Callable[[int], Search], actual: float, expected: float) -> Scanned:
    """The scan over leaves wherever they are: `start` gives their search in a direction; the sums are of all leaves."""
    direction = 1 if actual >= expected else -1
    search = start(direction)
    ranked = search.best(RANKED)
    if search.mirror() >= max(_STOP, _MIRROR * ranked[0].gain if ranked else 0.0):
        # A small segment can move against the noise of the total: the stronger side is the incident.
        search = start(-direction)
        ranked = search.best(RANKED)
    mirror = search.mirror()
    stop = max(_STOP, _MIRROR * mirror)
    whole = search.whole()
    alike = not ranked or _rest_moved(*search.inside(ranked[0]), actual, expected)
    causes = _peel(search, stop)
    if alike and abs(whole.shift) >= LEAST_SHIFT and whole.gain >= max(stop, sum(each.gain for each in causes)):
        return Scanned((), tuple(ranked), stop, confident=True, everywhere=True)
    if mirror >= _STOP:
        both = _both_ways(search, causes)
        if both:
            return Scanned(tuple(both), tuple(ranked), _STOP, confident=True, everywhere=False)
    confident = bool(causes)
    if not confident:
        against = _other_way(start(-direction))
        if against is not None:
            return against
    if not confident and ranked:
        causes = [ranked[0]]
        confident = _believed(search, ranked, mirror)
        stop = min(stop, ranked[0].gain) if confident else stop
    return Scanned(tuple(causes), tuple(ranked), stop, confident, everywhere=False)


def _other_way(search: Search) -> Scanned | None:
    """What moved against the total where nothing moved with it: all wandered the one way, a segment went the other."""
    ranked, stop = search.best(RANKED), max(_STOP, _MIRROR * search.mirror())
    causes = _peel(search, stop)
    return Scanned(tuple(causes), tuple(ranked), stop, confident=True, everywhere=False) if causes else None


def _peel(search: Search, stop: float) -> list[Found]:
    """Take out the best element as long as one gains at least `stop`; those that moved enough are causes."""
    causes: list[Found] = []
    for _ in range(ROUNDS):
        best = search.best(1)
        if not best or best[0].gain < stop:
            break
        for found in _parts(search, best[0], stop):
            if abs(found.shift) >= REPORTED_SHIFT:
                causes.append(_narrowed(search, found))
            search.take_out(found)
    return causes


def _parts(search: Search, found: Found, stop: float) -> tuple[Found, ...]:
    """The element alone, or those of its parts along one more dimension that moved where the rest of it did not.

    Where noise is low, a leaf that moved counts for so much that an element with a few sound parts gains more than any
    one of the others. Together they gain more than it does.
    """
    least = abs(found.shift) - spread_of(found.shift)
    told: tuple[Found, ...] = (found,)
    most = _FINER * found.gain
    for each in search.splits(found, stop):
        gained = sum(part.gain for part in each.parts)
        rests = each.shift < LEAST_SHIFT and (least - each.shift) * np.sqrt(each.weight) > _CONTRADICTED
        if rests and gained > most:
            told, most = each.parts, gained
    return told


def _narrowed(search: Search, found: Found) -> Found:
    """The same leaves by the name that leaves of an earlier cause do not contradict.

    Of elements with the same leaves left, the one that fixes the fewest dimensions is found first. It may hold leaves
    that an earlier cause took out: had it been a cause of theirs too, they would have moved at least as far. Where they
    did not, beyond what noise explains, the dimensions that set them apart belong to the name.
    """
    taken = search.explained(found)
    least = abs(found.shift) - spread_of(found.shift)
    if not taken.apart or (least - taken.shift) * np.sqrt(taken.weight) <= _CONTRADICTED:
        return found
    code: dict[int, int | str] = {**dict(zip(found.dims, found.code, strict=True)), **taken.apart}
    dims = tuple(sorted(code))
    named = tuple(code[dim] for dim in dims)
    return replace(found, dims=dims, code=named, gain=found.gain - len(taken.apart))  # type: ignore[arg-type]


def _both_ways(search: Search, causes: list[Found]) -> list[Found]:
    """The causes of both directions, strongest first, when something moved against an incident; else none.

    Args:
        search: after its causes were taken out.
        causes: those; none where the two directions are so alike in strength that neither beat its mirror.
    """
    if not causes:
        causes = _peel(search, _STOP)
        left = search.best(1)
        # Noise fades away step by step; an incident ends in a gap.
        if not causes or (left and min(each.gain for each in causes) < _AGAINST * left[0].gain):
            return []
    other = search.reversed()
    against = _peel(other, max(_STOP, _AGAINST * other.mirror()))
    if not against:
        return []
    again = search.without(other)
    causes = _peel(again, max(_STOP, _MIRROR * again.mirror()))
    return sorted([*causes, *against], key=lambda each: -each.gain)


def _rest_moved(inside: float, was_inside: float, actual: float, expected: float) -> bool:
    """Whether what lies outside an element moved nearly as far as the whole; by sums, which thin leaves do not
    bend."""
    rest, whole = (
        (a - e) / max(a + e, 1e-12) for a, e in ((actual - inside, expected - was_inside), (actual, expected))
    )
    return bool(rest / whole >= _ALIKE) if whole else False


def _believed(search: Search, ranked: list[Found], mirror: float) -> bool:
    """Whether the first of the ranked elements stands out of the others, and of the mirror."""
    best = ranked[0]
    leaves = search.leaves(best)
    rivals = {search.leaves(each): each.gain for each in reversed(ranked)}
    odds = sum(np.exp(gain - best.gain) for own, gain in rivals.items() if own != leaves)
    return bool(best.gain > _MIRROR * mirror and 1 / (1 + odds) >= _SURE)


class _Search:
    """A `Search` of leaves in arrays."""

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
        d, x = shifts(actual, expected, direction)
        self._variance = variance(*noise(d, x, kind), kind)
        columns = channels(d, x, kind, self._variance)
        self._columns = columns
        self._direction = direction
        self._whole = columns.sum(axis=1, keepdims=True)
        self._cube = Cube(codes, shape, depth, columns)
        self._gain, self._shift = gain(self._cube.sums, self._variance, self._cube.widths)

    def reversed(self) -> _Search:
        return self._among(self._cube.left, -self._direction)

    def without(self, other: _Search) -> _Search:
        keep = np.ones(len(self._cube.left), dtype=bool)
        keep[np.flatnonzero(self._cube.left)[~other._cube.left]] = False
        return self._among(keep, self._direction)

    def _among(self, keep: np.ndarray, direction: int) -> _Search:
        codes, shape, depth, actual, expected, kind = self._given
        return _Search(codes[keep], shape, depth, actual[keep], expected[keep], kind, direction)

    def whole(self) -> Found:
        best, shift = gain(self._whole, self._variance, np.zeros(1))
        return Found((), (), float(best[0]), self._direction * float(shift[0]))

    def inside(self, found: Found) -> tuple[float, float]:
        members = self._members(found)
        return float(self._given[3][members].sum()), float(self._given[4][members].sum())

    def leaves(self, found: Found) -> bytes:
        return self._members(found).tobytes()

    def take_out(self, found: Found) -> None:
        touched = self._cube.remove(self._members(found))
        self._gain[touched], self._shift[touched] = gain(
            self._cube.sums[:, touched], self._variance, self._cube.widths[touched]
        )

    def explained(self, found: Found) -> Explained:
        codes, members = self._given[0], self._members(found)
        taken, left = members & ~self._cube.left, members & self._cube.left
        if not taken.any():
            return Explained()
        weights, shifts = self._columns[1, taken], self._columns[2, taken]
        apart: dict[int, int | str] = {}
        for dim in set(range(codes.shape[1])) - set(found.dims):
            shared = codes[left, dim]
            if (shared == shared[0]).all() and (codes[taken, dim] != shared[0]).any():
                apart[dim] = int(shared[0])
        if len(found.dims) + len(apart) > self._given[2]:
            apart = {}
        return Explained(float(weights.sum()), float(shifts.sum() / weights.sum()), apart)

    def splits(self, found: Found, least: float) -> list[Split]:
        splits: list[Split] = []
        for elements in self._cube.finer(found.dims, tuple(int(each) for each in found.code)):
            moved = (self._gain[elements] >= least) & (self._shift[elements] >= REPORTED_SHIFT)
            if moved.sum() <= ROUNDS:
                n, weight, shifted, *_ = self._cube.sums[:, elements[~moved]].sum(axis=1)
                rest = (float(weight), float(shifted / weight)) if n > 0.5 else (0.0, 0.0)
                splits.append(Split(tuple(in_order([self._found(int(each)) for each in elements[moved]])), *rest))
        return splits

    def mirror(self) -> float:
        return float(self._gain[self._shift < -LEAST_SHIFT].max(initial=0))

    def best(self, keep: int) -> list[Found]:
        return in_order([self._found(int(each)) for each in top(self._gain, self._shift, keep)])[:keep]

    def _found(self, element: int) -> Found:
        gained, shift = round(float(self._gain[element]), 6), self._direction * float(self._shift[element])
        return Found(*self._cube.element(element), gained, shift)

    def _members(self, found: Found) -> np.ndarray:
        return self._cube.members(found.dims, tuple(int(each) for each in found.code))


def top(gains: Floats, shift: Floats, keep: int) -> Codes:
    """Which elements are among the `keep` best of those that moved far enough, with all that equal the last of them."""
    moved = np.flatnonzero((shift > LEAST_SHIFT) & np.isfinite(gains))
    if not moved.size:
        return moved
    own = gains[moved]
    least = own.max() if keep == 1 else np.sort(own)[-min(keep, own.size)]
    # Equal sums differ in the last digits by the way that they were added up.
    return np.asarray(moved[own >= least - 1e-9 * abs(least)])


def in_order(found: list[Found]) -> list[Found]:
    """Best first. Equal gains: the one with fewer dimensions says the same with fewer words."""
    return sorted(found, key=lambda each: (-each.gain, len(each.dims), each.dims, each.code))
