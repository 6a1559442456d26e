"""All combinations of dimension values of one event type ("leaves"), their shares, and what depends on them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from pipelines.simulate.season import Floats, Ints
from pipelines.simulate.spec import Factors, Shares

Mask = npt.NDArray[np.bool_]


class Leaves:
    """A leaf is an integer; every property of leaves is an array indexed by it."""

    def __init__(self, shares: Mapping[str, Shares], invented: Mapping[str, Iterable[str]] | None = None) -> None:
        """`shares` per dimension sum to 1; a leaf's share is their product.

        `invented` values come last and have share 0: events only get there by `moved`.
        """
        self.known: dict[str, tuple[str, ...]] = {name: tuple(found) for name, found in shares.items()}
        self.values: dict[str, tuple[str, ...]] = {
            name: tuple(dict.fromkeys((*known, *(invented or {}).get(name, ())))) for name, known in self.known.items()
        }
        sizes = [len(found) for found in self.values.values()]
        grid = np.indices(sizes).reshape(len(sizes), -1)
        self.codes: dict[str, Ints] = {name: grid[i].astype(np.int64) for i, name in enumerate(self.values)}
        self._stride = {name: int(np.prod(sizes[i + 1 :])) for i, name in enumerate(self.values)}
        self.size = int(np.prod(sizes))
        probabilities = np.ones(self.size)
        for name, found in shares.items():
            probabilities *= np.array([found.get(value, 0.0) for value in self.values[name]])[self.codes[name]]
        self.probabilities = probabilities
        self._cumulative = np.cumsum(probabilities) / probabilities.sum()

    def draw(self, rng: np.random.Generator, n: int) -> Ints:
        """Leaves of n events."""
        return np.asarray(np.searchsorted(self._cumulative, rng.random(n), side="right"), dtype=np.int64)

    def factor(self, factors: Factors) -> Floats:
        """Product of the factors that apply, per leaf."""
        product = np.ones(self.size)
        for name, by_value in factors.items():
            product *= np.array([by_value.get(value, 1.0) for value in self.values[name]])[self.codes[name]]
        return product

    def mask(self, where: Mapping[str, str]) -> Mask:
        """Which leaves lie in the segment; keys that are no dimension are left to the caller."""
        inside = np.ones(self.size, dtype=bool)
        for name, value in where.items():
            if name in self.values:
                wanted = self.values[name].index(value) if value in self.values[name] else -1
                inside &= self.codes[name] == wanted
        return inside

    def moved(self, leaf: Ints, name: str, value: str) -> Ints:
        """The leaves with another value in one dimension."""
        return leaf + (self.values[name].index(value) - self.codes[name][leaf]) * self._stride[name]

    def segment(self, names: tuple[str, ...]) -> tuple[Ints, Floats]:
        """Code of each leaf's combination of some dimensions' known values, and the share of each combination.

        Invented values do not renumber the others, so a scenario leaves the members of the world in their places.
        """
        code = np.zeros(self.size, dtype=np.int64)
        for name in names:
            known = len(self.known[name])
            code = code * known + np.minimum(self.codes[name], known - 1)
        return code, np.bincount(code, weights=self.probabilities).astype(np.float64)

    def json(self) -> list[str]:
        """`,"name":"value"` for every dimension, per leaf."""
        texts = []
        for leaf in range(self.size):
            words = [(name, values[self.codes[name][leaf]]) for name, values in self.values.items()]
            texts.append("".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in words))
        return texts
