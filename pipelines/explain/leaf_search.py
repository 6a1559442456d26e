"""The search for elements among leaves in arrays: the cube's sums, and the gains of `gains` beside them.

Decides nothing: which elements are causes is for `scan` to say.
"""

from __future__ import annotations

import numpy as np

from pipelines.explain.cuboids import Codes, Cube, Floats
from pipelines.explain.gains import Kind, channels, gain, noise, shifts, variance
from pipelines.explain.search import LEAST_SHIFT, REPORTED_SHIFT, ROUNDS, Explained, Found, Split, in_order, top


class LeafSearch:
    """A `Search` of leaves in arrays; see `scan.scan` for their shapes."""

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

    def reversed(self) -> LeafSearch:
        return self._among(self._cube.left, -self._direction)

    def without(self, other: LeafSearch) -> LeafSearch:
        keep = np.ones(len(self._cube.left), dtype=bool)
        keep[np.flatnonzero(self._cube.left)[~other._cube.left]] = False
        return self._among(keep, self._direction)

    def _among(self, keep: np.ndarray, direction: int) -> LeafSearch:
        codes, shape, depth, actual, expected, kind = self._given
        return LeafSearch(codes[keep], shape, depth, actual[keep], expected[keep], kind, direction)

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
