"""Traffic by hour and weekday, its unrest, and event times drawn from both."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from pipelines.simulate.hashes import mix, uniform
from pipelines.simulate.spec import Seasonality, Unrest

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_SLOT_MS = 5 * 60_000
_LARGEST_LEAP = 8.0
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05 was a Monday


class Season:
    """A smooth multiplier of the mean traffic; its mean over a week is 1."""

    def __init__(self, seasonality: Seasonality | None, unrest: Unrest | None = None, seed: int = 0) -> None:
        """None gives a constant 1; unrest is the same for the same seed."""
        self._unrest, self._seed = unrest or Unrest(), seed
        self._flat = seasonality is None
        if seasonality is None:
            return
        daily = np.array(seasonality.daily)
        weekly = np.array(seasonality.weekly)
        # Hours stand at their middle, weekdays at noon; both wrap around.
        self._hours = np.arange(-1, 25) + 0.5
        self._daily = np.concatenate([daily[-1:], daily, daily[:1]])
        self._days = np.arange(-1, 8) + 0.5
        self._weekly = np.concatenate([weekly[-1:], weekly, weekly[:1]])
        self._scale = 1.0
        self._scale = 1.0 / float(self._expected(_MONDAY_MS + np.arange(0, 7 * DAY_MS, HOUR_MS // 12)).mean())

    def at(self, ms: Ints | Floats) -> Floats:
        """Multiplier at times in epoch milliseconds."""
        expected = self._expected(ms)
        return expected * self._wandering(ms) if self._unrest.spread and len(expected) else expected

    def _wandering(self, ms: Ints | Floats) -> Floats:
        """The unrest's factor, constant within five minutes; every slot's leap is a hash of seed and slot."""
        slot = (np.asarray(ms, dtype=np.float64) // _SLOT_MS).astype(np.int64)
        keep = float(np.exp(-_SLOT_MS / (self._unrest.memory_minutes * 60_000)))
        weights = keep ** np.arange(int(np.ceil(-7 / np.log(keep))))
        first = int(slot.min()) - len(weights) + 1
        leaps = special.stdtrit(
            4, np.maximum(uniform(mix(self._seed, 37, np.arange(first, int(slot.max()) + 1))), 1e-9)
        )
        leaps = np.clip(leaps, -_LARGEST_LEAP, _LARGEST_LEAP) * np.sqrt((1 - keep**2) / 2)
        return np.asarray(np.exp(self._unrest.spread * np.convolve(leaps, weights, "valid")[slot - slot.min()]))

    def _expected(self, ms: Ints | Floats) -> Floats:
        if self._flat:
            return np.ones(len(ms))
        since_monday = (np.asarray(ms, dtype=np.float64) - _MONDAY_MS) % (7 * DAY_MS)
        hour = (since_monday % DAY_MS) / HOUR_MS
        daily = np.interp(hour, self._hours, self._daily)
        weekly = np.interp(since_monday / DAY_MS, self._days, self._weekly)
        return np.asarray(daily * weekly * self._scale)

    def draw(self, rng: np.random.Generator, start: int, end: int, per_ms: float) -> Floats:
        """Times of a Poisson process of rate `per_ms` times the multiplier in [start, end), unsorted, epoch ms."""
        grid = np.linspace(start, end, 25)
        middle = self.at((grid[1:] + grid[:-1]) / 2)
        cumulative = np.concatenate([[0.0], np.cumsum(middle * (grid[1] - grid[0]))])
        n = int(rng.poisson(per_ms * cumulative[-1]))
        return np.asarray(np.interp(rng.random(n) * cumulative[-1], cumulative, grid))
