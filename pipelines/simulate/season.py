"""Traffic by hour and weekday, and event times drawn from it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.simulate.spec import Seasonality

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05 was a Monday


class Season:
    """A smooth multiplier of the mean traffic; its mean over a week is 1."""

    def __init__(self, seasonality: Seasonality | None) -> None:
        """None gives a constant 1."""
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
        self._scale = 1.0 / float(self.at(_MONDAY_MS + np.arange(0, 7 * DAY_MS, HOUR_MS // 12)).mean())

    def at(self, ms: Ints | Floats) -> Floats:
        """Multiplier at times in epoch milliseconds."""
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
