"""Sums of leaf columns over every element: each combination of values of each small set of dimensions.

Each cuboid (a set of dimensions) is rolled up from the smallest one that contains it, so the cost is dominated by the
leaves themselves. A dense array where the product of the dimension sizes is not much above the number of leaves, unique
codes otherwise. Leaves can be taken out again, which touches only the elements that hold them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def is_dense(leaves: int, shape: tuple[int, ...]) -> bool:
    """Whether an array with a cell for every combination of values is worth its room."""
    return float(np.prod(shape, dtype=np.float64)) <= 4 * leaves + 20_000


def _summed(sums: Floats, axis: int) -> Floats:
    """The sum over an axis: `sum` is several times slower along a short one."""
    before, after = sums.shape[:axis], sums.shape[axis + 1 :]
    rows = sums.reshape(int(np.prod(before)), sums.shape[axis], int(np.prod(after)))
    return np.asarray(np.einsum("bia->ba", rows)).reshape(*before, *after)


def merged(codes: Codes, shape: tuple[int, ...], columns: Floats) -> tuple[Codes, Floats]:
    """Leaves in the order of their codes, those of equal codes added up.

    Args:
        codes: (leaves, dimensions), each column counted from 0.
        shape: how many values each dimension has.
        columns: (columns, leaves).
    """
    if is_dense(len(codes), shape):
        flat = np.ravel_multi_index(tuple(codes.T), shape)
        cells = np.flatnonzero(np.bincount(flat))
        # Each dimension's codes side by side in memory: they are read by dimension.
        kept = np.stack(np.unravel_index(cells, shape)).astype(np.int64, copy=False).T
        return kept, np.stack([np.bincount(flat, weights=each)[cells] for each in columns])
    # Ranks instead of products of sizes: these may be larger than any integer.
    flat = np.zeros(len(codes), dtype=np.int64)
    for size, column in zip(shape, codes.T, strict=True):
        flat = np.unique(flat, return_inverse=True)[1] * size + column
    _, first, group = np.unique(flat, return_index=True, return_inverse=True)
    return codes[first], np.stack([np.bincount(group, weights=each) for each in columns])


@dataclass(frozen=True)
class _RolledUp:
    """A cuboid before it has its place among the others, with its sums (channels, elements)."""

    dims: tuple[int, ...]
    shape: tuple[int, ...]
    flat: Codes | None
    sums: Floats


@dataclass(frozen=True)
class Cuboid:
    """All elements over one set of dimensions, numbered from `first` on.

    Attributes:
        dims: which dimensions.
        shape: how many values each has.
        flat: the elements' codes as one number, ascending; None when every combination has its element.
        first: number of its first element in the cube.
    """

    dims: tuple[int, ...]
    shape: tuple[int, ...]
    flat: Codes | None
    first: int

    def code(self, element: int) -> tuple[int, ...]:
        """The dimension codes of an element of the cube."""
        number = element - self.first if self.flat is None else self.flat[element - self.first]
        return tuple(int(each) for each in np.unravel_index(number, self.shape))

    def within(self, dims: tuple[int, ...], code: tuple[int, ...]) -> Codes:
        """Those of its elements that fix some dimensions to these codes."""
        every = np.arange(int(np.prod(self.shape))) if self.flat is None else self.flat
        columns = np.unravel_index(every, self.shape)
        inside = np.ones(len(every), dtype=bool)
        for dim, value in zip(dims, code, strict=True):
            inside &= columns[self.dims.index(dim)] == value
        return np.asarray(self.first + np.flatnonzero(inside))

    def elements(self, codes: Codes) -> Codes:
        """The element that each of the leaves with these codes, (leaves, all dimensions), belongs to."""
        flat = np.ravel_multi_index(tuple(codes[:, dim] for dim in self.dims), self.shape)
        return np.asarray(self.first + (flat if self.flat is None else np.searchsorted(self.flat, flat)))


class Cube:
    """Sums of an incident's leaves over every element, those of all cuboids one after the other.

    Args:
        codes: (leaves, dimensions), each column counted from 0.
        shape: how many values each dimension has.
        depth: how many dimensions an element may fix.
        channels: leaf columns to be summed, (channels, leaves).

    Attributes:
        sums: (channels, elements); zero for an element without leaves.
        widths: how many dimensions each element fixes.
        left: which leaves have not been taken out.
    """

    def __init__(self, codes: Codes, shape: tuple[int, ...], depth: int, channels: Floats) -> None:
        self._codes, self._shape, self._depth = codes, shape, min(depth, len(shape))
        self._channels = channels
        self.left = np.ones(len(codes), dtype=bool)
        cuboids: list[Cuboid] = []
        sums: list[Floats] = []
        for each in self._dense() if is_dense(len(codes), shape) else self._sparse():
            first = cuboids[-1].first + sums[-1].shape[1] if cuboids else 0
            cuboids.append(Cuboid(each.dims, each.shape, each.flat, first))
            sums.append(each.sums)
        self._cuboids = tuple(cuboids)
        self._firsts = [each.first for each in cuboids]
        self.sums: Floats = np.concatenate(sums, axis=1)
        self.widths = np.repeat([len(each.dims) for each in cuboids], [each.shape[1] for each in sums])

    def element(self, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The dimensions that an element fixes, and their codes."""
        cuboid = self._cuboids[bisect_right(self._firsts, number) - 1]
        return cuboid.dims, cuboid.code(number)

    def members(self, dims: tuple[int, ...], code: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which leaves belong to an element."""
        inside = np.ones(len(self._codes), dtype=bool)
        for dim, value in zip(dims, code, strict=True):
            inside &= self._codes[:, dim] == value
        return inside

    def finer(self, dims: tuple[int, ...], code: tuple[int, ...]) -> Iterator[Codes]:
        """The elements that an element is split into by each dimension that it does not fix."""
        for each in self._cuboids:
            if len(each.dims) == len(dims) + 1 and set(dims) < set(each.dims):
                yield each.within(dims, code)

    def remove(self, leaves: NDArray[np.bool_]) -> Codes:
        """Take leaves out of every sum; gives the elements that changed."""
        gone = np.flatnonzero(leaves & self.left)
        self.left[gone] = False
        elements = np.concatenate([each.elements(self._codes[gone]) for each in self._cuboids])
        among = np.zeros(self.sums.shape[1], dtype=np.int64)
        among[elements] = 1
        touched = np.flatnonzero(among)
        among[touched] = np.arange(len(touched))
        elements = among[elements]
        for sums, channel in zip(self.sums, self._channels[:, gone], strict=True):
            sums[touched] -= np.bincount(elements, weights=np.tile(channel, len(self._cuboids)))
        return touched

    def _dense(self) -> Iterator[_RolledUp]:
        flat = np.ravel_multi_index(tuple(self._codes.T), self._shape)
        size = int(np.prod(self._shape))
        full: Floats = np.zeros((len(self._channels), size))
        full[:, flat] = self._channels
        every = tuple(range(len(self._shape)))
        level: dict[tuple[int, ...], Floats] = {every: full.reshape(len(full), *self._shape)}
        for width in range(len(every), 0, -1):
            if width < len(every):
                level = {dims: self._rolled_up(dims, level) for dims in combinations(every, width)}
            if width <= self._depth:
                for dims, sums in level.items():
                    yield _RolledUp(dims, sums.shape[1:], None, sums.reshape(len(full), -1))

    @staticmethod
    def _rolled_up(dims: tuple[int, ...], level: dict[tuple[int, ...], Floats]) -> Floats:
        parent = min((each for each in level if set(dims) <= set(each)), key=lambda each: level[each].size)
        (axis,) = (i for i, dim in enumerate(parent) if dim not in dims)
        return _summed(level[parent], axis + 1)

    def _sparse(self) -> Iterator[_RolledUp]:
        level: dict[tuple[int, ...], _RolledUp] = {}
        for width in range(self._depth, 0, -1):
            below: dict[tuple[int, ...], _RolledUp] = {}
            for dims in combinations(range(len(self._shape)), width):
                parents = [each for each in level.values() if set(dims) <= set(each.dims)]
                if parents:
                    parent = min(parents, key=lambda each: each.sums.shape[1])
                    columns = np.unravel_index(parent.flat, parent.shape)  # type: ignore[arg-type]
                    codes = [columns[parent.dims.index(dim)] for dim in dims]
                    below[dims] = self._grouped(dims, codes, parent.sums)
                else:
                    below[dims] = self._grouped(dims, [self._codes[:, dim] for dim in dims], self._channels)
                yield below[dims]
            level = below

    def _grouped(self, dims: tuple[int, ...], codes: list[Codes], channels: Floats) -> _RolledUp:
        shape = tuple(self._shape[dim] for dim in dims)
        flat, group = np.unique(np.ravel_multi_index(tuple(codes), shape), return_inverse=True)
        sums = np.stack([np.bincount(group, weights=each, minlength=len(flat)) for each in channels])
        return _RolledUp(dims, shape, np.asarray(flat, dtype=np.int64), np.asarray(sums, dtype=np.float64))
