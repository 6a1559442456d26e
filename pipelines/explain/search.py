"""What the scan asks of a search for elements, wherever the leaves are, and in which order elements are told.

Sums up no leaves: `leaf_search` does in arrays, `pipelines.jobs.spread_search` in Spark. The formulas are in `gains`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np

from pipelines.explain.cuboids import Codes, Floats

LEAST_SHIFT = 0.1  # an element must have moved at least this far to be a candidate
REPORTED_SHIFT = 0.2  # and this far to be reported; what lies between is taken out in silence
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
