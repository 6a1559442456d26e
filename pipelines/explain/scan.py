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

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipelines.explain.cuboids import Codes, Floats
from pipelines.explain.gains import Kind, spread_of
from pipelines.explain.leaf_search import LeafSearch
from pipelines.explain.search import LEAST_SHIFT, RANKED, REPORTED_SHIFT, ROUNDS, Found, Search

__all__ = ["Found", "Scanned", "scan", "scan_by"]

_STOP = 24.0
_MIRROR = 1.2
_SURE = 0.95  # posterior from which an element below the stop is believed
_ALIKE = 0.8  # all moved alike only when what lies outside the best element moved this part of the whole's shift
_CONTRADICTED = 2.0  # standard errors by which leaves fall short of a cause that would be theirs, too
_FINER = 1.3  # parts of an element together gain so many times what it gains, to be told instead of it
_AGAINST = 3.0  # what moved against an incident must gain so many times what is left of the incident's direction


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

    def search(direction: int) -> LeafSearch:
        return LeafSearch(codes, shape, depth, actual, expected, kind, direction)

    return scan_by(search, float(actual.sum()), float(expected.sum()))


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
