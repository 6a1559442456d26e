"""Leaves of an incident -> causes a person can read: segment, share of the change, how consistent its parts are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.explain.gains import Kind
from pipelines.explain.leaves import Leaves, encode
from pipelines.explain.mix import RateMix, rate_and_mix
from pipelines.explain.scan import Found, Scanned, scan

__all__ = ["Cause", "Explanation", "Kind", "explain", "locate"]

Sums = tuple[float, float]
SumsOf = Callable[[Sequence[Found], Sequence[Found]], Sums]
Mask = npt.NDArray[np.bool_]

_ALL_DIMENSIONS = 6
# Two sides are mirrors when one is this part of what the other leaves, and the whole moved by at most that part of one.
_REST = 0.9
_STAYED = 0.35
# The leaves outside of all causes say what is expected when they are this part of the whole, and moved so far.
_BACKGROUND = 0.2
_WANDERED = 0.05


@dataclass(frozen=True)
class Cause:
    """One segment that moved: `elements` names its dimension values, empty when everything moved alike.

    `share` is its part of the total change, `lift` that share over its part of the expected total, `shift` its relative
    change in units of the mean of actual and expected, `surprise` how much its part of the total changed, `confident`
    whether its gain passed the stop.
    """

    elements: dict[str, str]
    gain: float
    shift: float
    actual: float
    expected: float
    share: float
    lift: float
    surprise: float
    leaves: int
    consistent: int
    consistency: str
    confident: bool

    @property
    def words(self) -> str:
        """`a = x, b = y`, or that no dimension stands out."""
        return ", ".join(f"{name} = {value}" for name, value in self.elements.items()) or "everywhere, no dimension"


@dataclass(frozen=True)
class Explanation:
    """Causes, the ranked list behind them, and for a ratio the split into rate and mix."""

    causes: tuple[Cause, ...]
    ranked: tuple[Cause, ...]
    everywhere: bool
    rate_mix: RateMix | None


def locate(leaves: pd.DataFrame, dims: Sequence[str], kind: Kind, max_dims: int = 3) -> list[Cause]:
    """The causes of a change; see `explain` for the leaves."""
    return list(explain(leaves, dims, kind, max_dims).causes)


def explain(leaves: pd.DataFrame, dims: Sequence[str], kind: Kind, max_dims: int = 3) -> Explanation:
    """Search the segments that moved.

    Args:
        leaves: rows per combination of dimension values, over the incident's windows; rows of the same combination are
            added up. Amounts and counts: columns `actual` and `expected`; sums over events also `events`, how many were
            expected. Ratios: `numerator`, `denominator` now, and `history_numerator`, `history_denominator` of the same
            combination before.
        dims: the dimension columns.
        kind: `amount`, `count`, `sum` or `ratio`; from the contract, never guessed.
        max_dims: how many dimensions a cause may fix; all of them where there are at most six.

    Raises:
        UsageError: a column is missing, or a number is negative or not finite.
    """
    known = encode(leaves, dims, kind)
    if not known.dims:
        return Explanation((), (), everywhere=False, rate_mix=None)
    most = depth(len(known.dims), max_dims)
    sums, whole = partial(_sums, known), (float(known.actual.sum()), float(known.expected.sum()))

    def scan_beside(background: float) -> Scanned:
        expected = known.expected if background == 1.0 else known.expected * background
        return scan(known.codes, known.shape, known.actual, expected, kind, most, known.unit)

    scanned = scan_twice(scan_beside, kind, whole, sums)
    split = None
    if known.ratio is not None and known.ratio[1].sum() > 0 and known.ratio[3].sum() > 0:
        split = rate_and_mix(*known.ratio)

    def named(found: Found) -> dict[str, str]:
        codes = [int(each) for each in found.code]
        code = {known.dims[i]: known.values[i][value] for i, value in zip(found.dims, codes, strict=True)}
        return {name: code[name] for name in dims if name in code}

    return told(scanned, named, lambda found: _figures(known, found), sums, split)


def scan_twice(scan_beside: Callable[[float], Scanned], kind: Kind, whole: Sums, sums: SumsOf) -> Scanned:
    """What a scan finds beside the leaves that no cause is in, when these have moved together.

    Counts and sums of leaves are expected as shares of the whole, which is known no better than all of it wanders; a
    search that takes this for the incident's own change puts it into causes. So the rest, which the first search
    leaves, says what is expected. Every leaf of a ratio has a history of its own to be expected from.

    Args:
        scan_beside: the search, with all expected values times its argument.
        kind: of the metric.
        whole: actual and expected of all leaves.
        sums: as of `told`.
    """
    first = scan_beside(1.0)
    if kind not in ("count", "sum") or first.everywhere or not first.confident:
        return first
    # Where hardly anything is left, the later causes are parts of what all did.
    for causes in (first.causes, first.causes[:1]):
        actual, expected = (every - own for every, own in zip(whole, sums(causes, ()), strict=True))
        if expected >= _BACKGROUND * whole[1]:
            break
    if actual <= 0 or expected <= 0 or abs(actual / expected - 1) < _WANDERED:
        return first
    second = scan_beside(actual / expected)
    return second if second.confident and not second.everywhere else first


def depth(dimensions: int, max_dims: int = 3) -> int:
    """How many dimensions a cause may fix."""
    return dimensions if dimensions <= _ALL_DIMENSIONS else max_dims


@dataclass(frozen=True)
class Figures:
    """What is to be told of an element's leaves: sums, how many there are and how many `rose` or `fell`, and quartiles
    of their relative change, without sign, where something was expected; None where nothing was."""

    actual: float
    expected: float
    leaves: int
    rose: int
    fell: int
    change: tuple[float, float, float] | None


def told(
    scanned: Scanned,
    named: Callable[[Found], dict[str, str]],
    figures: Callable[[Found | None], Figures],
    sums: SumsOf,
    split: RateMix | None,
) -> Explanation:
    """What a scan found in words and figures.

    Args:
        named: an element's dimensions and values, in the order that they are told in.
        figures: of an element, of all leaves for None.
        sums: actual and expected of the leaves that are in any of the first elements and in none of the second.
        split: of a ratio.
    """

    def cause(found: Found) -> Cause:
        confident = scanned.confident and found.gain >= scanned.stop
        return _cause(named(found), figures(found), all_, found.gain, found.shift, confident)

    all_ = figures(None)
    if not scanned.everywhere:
        causes = tuple(cause(each) for each in _moved(scanned.causes, all_, sums))
    else:
        shift = 2 * (all_.actual - all_.expected) / (all_.actual + all_.expected)
        causes = (_cause({}, all_, all_, float("inf"), shift, confident=True),)
    return Explanation(causes, tuple(cause(each) for each in scanned.ranked), scanned.everywhere, split)


def _moved(found: Sequence[Found], all_: Figures, sums: SumsOf) -> Sequence[Found]:
    """The elements, or where some gained what all others lost, those that it moved to, or from.

    Members who change from one value of a dimension to another make one rise and the rest fall, in any words that
    the rest can be put into. The side with fewer elements is the cause, the other its mirror: all that the first
    leaves, while the whole stayed as it was.
    """
    sides = [[each for each in found if (each.shift > 0) == up] for up in (True, False)]
    # The gaining side where both have as many elements.
    few, many = sorted(sides, key=len) if len(sides[0]) != len(sides[1]) else sides
    if not few or not many:
        return found
    actual, expected = sums(few, ())
    covered = sums(many, few)[1] >= _REST * (all_.expected - expected)
    stayed = abs(all_.actual - all_.expected) <= _STAYED * abs(actual - expected)
    return few if covered and stayed else found


def _sums(leaves: Leaves, inside: Sequence[Found], outside: Sequence[Found]) -> Sums:
    members = np.logical_or.reduce([_members(leaves, each) for each in inside])
    for each in outside:
        members &= ~_members(leaves, each)
    return float(leaves.actual[members].sum()), float(leaves.expected[members].sum())


def _members(leaves: Leaves, found: Found | None) -> Mask:
    members = np.ones(len(leaves.codes), dtype=bool)
    for dim, value in zip(found.dims, found.code, strict=True) if found else ():
        members &= leaves.codes[:, dim] == value
    return members


def _figures(leaves: Leaves, found: Found | None) -> Figures:
    members = np.flatnonzero(_members(leaves, found))
    actual, expected = leaves.actual[members], leaves.expected[members]
    usual = expected > 0
    change = np.abs(actual[usual] / expected[usual] - 1)
    low, middle, high = np.quantile(change, [0.25, 0.5, 0.75]) if usual.any() else (0.0, 0.0, 0.0)
    return Figures(
        actual=float(actual.sum()),
        expected=float(expected.sum()),
        leaves=len(members),
        rose=int((actual > expected).sum()),
        fell=int((actual < expected).sum()),
        change=(float(low), float(middle), float(high)) if usual.any() else None,
    )


def _cause(elements: dict[str, str], own: Figures, all_: Figures, gain: float, shift: float, confident: bool) -> Cause:
    delta, whole = own.actual - own.expected, all_.actual - all_.expected
    share = delta / whole if whole else 0.0
    part = own.expected / all_.expected if all_.expected > 0 else 0.0
    moved = own.rose if delta > 0 else own.fell if delta < 0 else own.leaves - own.rose - own.fell
    return Cause(
        elements=elements,
        gain=gain,
        shift=shift,
        actual=own.actual,
        expected=own.expected,
        share=share,
        lift=share / part if part > 0 else float("inf"),
        surprise=_surprise(part, own.actual / max(all_.actual, 1e-300)),
        leaves=own.leaves,
        consistent=moved,
        consistency=_consistency(own, moved, delta),
        confident=confident,
    )


def _surprise(before: float, now: float) -> float:
    """How much an element's part of the total tells the two totals apart, in nats (Adtributor, NSDI 2014, eq. 4)."""
    middle = (before + now) / 2
    return float(sum(each * np.log(each / middle) for each in (before, now) if each > 0) / 2)


def _consistency(own: Figures, moved: int, delta: float) -> str:
    """`31 of 32 sub-segments fell, by 34 % (middle half: 29 to 38 %)`."""
    verb = "rose" if delta >= 0 else "fell"
    if own.change is None:
        return f"{moved} of {own.leaves} sub-segments {verb}, from nothing"
    low, middle, high = own.change
    return f"{moved} of {own.leaves} sub-segments {verb}, by {middle:.0%} (middle half: {low:.0%} to {high:.0%})"
