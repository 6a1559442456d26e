"""Random numbers that depend on what they are for alone: the same event has the same ones in whichever slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]


def mix(*parts: Hashes | npt.NDArray[np.int64] | int) -> Hashes:
    """A 64-bit hash (the finaliser of splitmix64, once per part)."""
    state: Hashes = np.zeros(1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for part in parts:
            value = np.asarray(part).astype(np.uint64)
            state = (state ^ value) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def uniform(hashes: Hashes) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) from hashes."""
    return np.asarray((hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53)
