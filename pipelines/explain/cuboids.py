"""Sums of leaf columns over every element: each combination of values of each small set of dimensions.

Each cuboid (a set of dimensions) is rolled up from the smallest one that contains it, so the cost is dominated by the
leaves themselves. A dense array where the product of the dimension sizes is not much above the number of leaves, unique
codes otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Cuboid:
    """Sums of all elements over one set of dimensions: `sums` is (channels, elements), `codes` (elements, dims)."""

    dims: tuple[int, ...]
    sums: Floats
    codes: Codes


class Cube:
    """Leaves of one incident, by dimension codes.

    Args:
        codes: (leaves, dimensions), each column counted from 0.
        shape: how many values each dimension has.
        depth: how many dimensions an element may fix.
    """

    def __init__(self, codes: Codes, shape: tuple[int, ...], depth: int) -> None:
        self._codes = codes
        self._shape = shape
        self._depth = min(depth, len(shape))
        self._dense = int(np.prod(shape, dtype=np.float64)) <= 4 * len(codes) + 20_000
        self._flat = np.ravel_multi_index(tuple(codes.T), shape) if self._dense and len(shape) else None

    def cuboids(self, channels: Floats) -> Iterator[Cuboid]:
        """Every cuboid from `depth` dimensions down to one, of leaf columns given as (channels, leaves)."""
        yield from self._dense_cuboids(channels) if self._dense else self._sparse_cuboids(channels)

    def members(self, dims: tuple[int, ...], code: Codes) -> NDArray[np.bool_]:
        """Which leaves belong to an element."""
        return np.asarray((self._codes[:, list(dims)] == code).all(axis=1))

    def _dense_cuboids(self, channels: Floats) -> Iterator[Cuboid]:
        assert self._flat is not None
        size = int(np.prod(self._shape))
        full: Floats = np.stack([np.bincount(self._flat, weights=each, minlength=size) for each in channels])
        every = tuple(range(len(self._shape)))
        level: dict[tuple[int, ...], Floats] = {every: full.reshape(len(channels), *self._shape)}
        for width in range(len(every), 0, -1):
            if width < len(every):
                level = {dims: self._rolled_up(dims, level) for dims in combinations(every, width)}
            if width <= self._depth:
                for dims, sums in level.items():
                    grid = np.indices(sums.shape[1:]).reshape(width, -1).T.astype(np.int64)
                    yield Cuboid(dims, sums.reshape(len(channels), -1), grid)

    @staticmethod
    def _rolled_up(dims: tuple[int, ...], level: dict[tuple[int, ...], Floats]) -> Floats:
        parent = min((each for each in level if set(dims) <= set(each)), key=lambda each: level[each].size)
        (axis,) = (i for i, dim in enumerate(parent) if dim not in dims)
        return np.asarray(level[parent].sum(axis=axis + 1))

    def _sparse_cuboids(self, channels: Floats) -> Iterator[Cuboid]:
        level: dict[tuple[int, ...], Cuboid] = {}
        for width in range(self._depth, 0, -1):
            below: dict[tuple[int, ...], Cuboid] = {}
            for dims in combinations(range(len(self._shape)), width):
                parents = [each for each in level if set(dims) <= set(each)]
                if parents:
                    parent = level[min(parents, key=lambda each: level[each].sums.shape[1])]
                    columns = [parent.dims.index(dim) for dim in dims]
                    below[dims] = self._grouped(dims, parent.codes[:, columns], parent.sums)
                else:
                    below[dims] = self._grouped(dims, self._codes[:, list(dims)], channels)
                yield below[dims]
            level = below

    def _grouped(self, dims: tuple[int, ...], codes: Codes, channels: Floats) -> Cuboid:
        shape = tuple(self._shape[dim] for dim in dims)
        flat, group = np.unique(np.ravel_multi_index(tuple(codes.T), shape), return_inverse=True)
        sums = np.stack([np.bincount(group, weights=each, minlength=len(flat)) for each in channels])
        elements: Codes = np.stack(np.unravel_index(flat, shape), axis=1).astype(np.int64)
        return Cuboid(dims, np.asarray(sums, dtype=np.float64), elements)
