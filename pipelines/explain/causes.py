"""Leaves of an incident -> causes a person can read: segment, share of the change, how consistent its parts are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.explain.cuboids import Floats
from pipelines.explain.leaves import Leaves, encode
from pipelines.explain.mix import RateMix, rate_and_mix
from pipelines.explain.scan import Found, Kind, Scanned, scan

__all__ = ["Cause", "Explanation", "Kind", "explain", "locate"]

_ALL_DIMENSIONS = 6


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
            added up. Amounts and counts: columns `actual` and `expected`. Ratios: `numerator`, `denominator` now, and
            `history_numerator`, `history_denominator` of the same combination before.
        dims: the dimension columns.
        kind: `amount`, `count` or `ratio`; from the contract, never guessed.
        max_dims: how many dimensions a cause may fix; all of them where there are at most six.

    Raises:
        UsageError: a column is missing, or a number is negative or not finite.
    """
    known = encode(leaves, dims, kind)
    if not known.dims:
        return Explanation((), (), everywhere=False, rate_mix=None)
    depth = len(known.dims) if len(known.dims) <= _ALL_DIMENSIONS else max_dims
    scanned = scan(known.codes, known.shape, known.actual, known.expected, kind, depth)
    build = _Builder(known, dims, scanned)
    causes = (build.everything(),) if scanned.everywhere else tuple(build.cause(each) for each in scanned.causes)
    split = None
    if known.ratio is not None and known.ratio[1].sum() > 0 and known.ratio[3].sum() > 0:
        split = rate_and_mix(*known.ratio)
    return Explanation(causes, tuple(build.cause(each) for each in scanned.ranked), scanned.everywhere, split)


class _Builder:
    """Turns elements of codes into causes with names and figures; `order` is that of the dimensions in a name."""

    def __init__(self, leaves: Leaves, order: Sequence[str], scanned: Scanned) -> None:
        self._leaves, self._scanned = leaves, scanned
        self._order = [leaves.dims.index(name) for name in order if name in leaves.dims]
        self._delta = float((leaves.actual - leaves.expected).sum())

    def cause(self, found: Found) -> Cause:
        """The cause of one element."""
        code = dict(zip(found.dims, found.code, strict=True))
        members = np.ones(len(self._leaves.codes), dtype=bool)
        for dim, value in code.items():
            members &= self._leaves.codes[:, dim] == value
        elements = {self._leaves.dims[dim]: self._leaves.values[dim][code[dim]] for dim in self._order if dim in code}
        confident = self._scanned.confident and found.gain >= self._scanned.stop
        return self._cause(elements, members, found.gain, found.shift, confident)

    def everything(self) -> Cause:
        """The cause that names no dimension: all segments moved alike."""
        members = np.ones(len(self._leaves.codes), dtype=bool)
        total = self._leaves.actual.sum() + self._leaves.expected.sum()
        return self._cause({}, members, float("inf"), float(2 * self._delta / total), confident=True)

    def _cause(
        self, elements: dict[str, str], members: np.ndarray, gain: float, shift: float, confident: bool
    ) -> Cause:
        actual, expected = self._leaves.actual[members], self._leaves.expected[members]
        delta = float((actual - expected).sum())
        share = delta / self._delta if self._delta else 0.0
        total = float(self._leaves.expected.sum())
        part = float(expected.sum()) / total if total > 0 else 0.0
        moved = np.sign(actual - expected) == np.sign(delta)
        return Cause(
            elements=elements,
            gain=gain,
            shift=shift,
            actual=float(actual.sum()),
            expected=float(expected.sum()),
            share=share,
            lift=share / part if part > 0 else float("inf"),
            surprise=_surprise(part, float(actual.sum()) / max(float(self._leaves.actual.sum()), 1e-300)),
            leaves=int(members.sum()),
            consistent=int(moved.sum()),
            consistency=_consistency(actual, expected, moved, delta),
            confident=confident,
        )


def _surprise(before: float, now: float) -> float:
    """How much an element's part of the total tells the two totals apart, in nats (Adtributor, NSDI 2014, eq. 4)."""
    middle = (before + now) / 2
    return float(sum(each * np.log(each / middle) for each in (before, now) if each > 0) / 2)


def _consistency(actual: Floats, expected: Floats, moved: np.ndarray, delta: float) -> str:
    """`31 of 32 sub-segments fell, by 34 % (middle half: 29 to 38 %)`."""
    usual = expected > 0
    verb = "rose" if delta >= 0 else "fell"
    if not usual.any():
        return f"{int(moved.sum())} of {len(moved)} sub-segments {verb}, from nothing"
    change = np.abs(actual[usual] / expected[usual] - 1)
    low, middle, high = np.quantile(change, [0.25, 0.5, 0.75])
    return (
        f"{int(moved.sum())} of {len(moved)} sub-segments {verb}, by {middle:.0%} "
        f"(middle half: {low:.0%} to {high:.0%})"
    )
