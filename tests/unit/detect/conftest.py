"""A small product without any lake: counts and ratios with a daily season, made window by window from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from pipelines import contract as contracts
from pipelines.contract import Contract, Sensitivity
from pipelines.detect import baseline
from pipelines.detect.evaluate import evaluate
from pipelines.detect.grid import series_name

START = pd.Timestamp("2026-11-02")
STEP = pd.Timedelta(minutes=30)
PER_DAY = 48
DAYS = 8
HISTORY = DAYS * PER_DAY
SEGMENTS: dict[str, float] = {"ios": 0.5, "web": 0.3, "tv": 0.2}


@dataclass(frozen=True)
class Made:
    """A product's series: `counts` and `rates` are multiplied in the windows of `faults` (series name -> windows)."""

    contract: Contract
    seed: int = 1
    scale: float = 400.0

    def frame(
        self, first: int, last: int, faults: Mapping[str, tuple[slice, float]] | None = None, segments: int = 3
    ) -> pd.DataFrame:
        """The series frame of windows [first, last)."""
        at = np.arange(first, last)
        season = 1 + 0.4 * np.sin(2 * np.pi * at / PER_DAY)
        parts = []
        for number, (metric, (device, share)) in enumerate(
            (metric, segment) for metric in self.contract.metrics for segment in list(SEGMENTS.items())[:segments]
        ):
            # Each series has noise of its own, window by window, whatever else is in the frame.
            rng = np.random.default_rng([self.seed, number])
            noise = rng.random((2, HISTORY + 4 * PER_DAY))[:, first:last]
            name = series_name(metric.name, {"device": device})
            factor = np.ones(len(at))
            for series, (windows, times) in (faults or {}).items():
                if series == name:
                    factor[(at >= windows.start) & (at < windows.stop)] = times
            parts.append(self._series(metric.kind, name, device, share, season, factor, noise, at))
        rows = pd.concat(parts, ignore_index=True)
        return pd.concat([self._whole(rows), rows], ignore_index=True)

    def _series(self, kind, name, device, share, season, factor, noise, at) -> pd.DataFrame:
        from scipy import stats

        count = kind == "count"
        n = stats.poisson.ppf(noise[0], self.scale * share * season * (factor if count else 1.0))
        hits = n if count else stats.binom.ppf(noise[1], n, 0.4 * factor)
        return pd.DataFrame(
            {
                "metric": name.split("{")[0],
                "series": name,
                "dims": [{"device": device}] * len(at),
                "window_start": START + at * STEP,
                "value": n if count else hits / n,
                "n": n,
                "numerator": np.nan if count else hits,
                "denominator": np.nan if count else n,
                "usual": np.nan,
            }
        )

    @staticmethod
    def _whole(rows: pd.DataFrame) -> pd.DataFrame:
        sums = rows.groupby(["metric", "window_start"], as_index=False)[["n", "numerator", "denominator"]].sum(
            min_count=1
        )
        sums["value"] = sums["n"].where(sums["numerator"].isna(), sums["numerator"] / sums["denominator"])
        return sums.assign(series=sums["metric"], dims=[{}] * len(sums), usual=np.nan)[list(rows.columns)]

    def until(self, window: int = HISTORY) -> datetime:
        """When a window starts."""
        return (START + window * STEP).to_pydatetime().replace(tzinfo=UTC)

    def learnt(self, **made: object) -> pd.DataFrame:
        """The baseline of the history."""
        return baseline.fit(self.frame(0, HISTORY, **made), self.contract, self.until())

    def evidence(self, windows: int = PER_DAY, learnt: pd.DataFrame | None = None, **made: object) -> pd.DataFrame:
        """Evidence of the windows after the history."""
        known = self.learnt() if learnt is None else learnt
        return evaluate(self.frame(HISTORY, HISTORY + windows, **made), known, self.contract)


@pytest.fixture(scope="session")
def product():
    """Makes the product with a sensitivity."""
    shop = contracts.load("shop")
    metrics = tuple(each for each in shop.metrics if each.name in ("traffic", "conversion_rate"))

    def make(seed: int = 1, scale: float = 400.0, **sensitivity: object) -> Made:
        told = Sensitivity(false_alerts_per_week=0.5, min_effect=0.1, min_count=20, **sensitivity)
        update = {"metrics": metrics, "sensitivity": told, "window": STEP.to_pytimedelta()}
        return Made(shop.model_copy(update=update), seed, scale)

    return make
