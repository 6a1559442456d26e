"""What is usual, learnt from days that differ by nothing but chance, and from a day that differs by more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from pipelines.detect import profile
from pipelines.detect.families import Family
from pipelines.detect.profile import Calendar

MINUTES = 300
SLOTS = 288


def calendar(days: int) -> Calendar:
    first = np.datetime64("2026-11-02T00:00:00", "s")
    return Calendar.of(first + np.arange(days * SLOTS) * np.timedelta64(MINUTES, "s"), MINUTES)


@pytest.mark.parametrize("days", [7, 14, 21])
@pytest.mark.parametrize(("family", "rate"), [("share", 0.012), ("share", 0.3), ("count", 0.04), ("count", 5.0)])
def test_rare_events_are_expected_as_often_as_they_come(days: int, family: Family, rate: float) -> None:
    """Most hours of a thin segment have no error at all: that is no reason to expect none."""
    rng = np.random.default_rng(days)
    series = 20
    w = rng.poisson(3.0, (series, days * SLOTS)).astype(float) if family == "share" else np.ones((series, days * SLOTS))
    y = (rng.binomial(w.astype(int), rate) if family == "share" else rng.poisson(rate, w.shape)).astype(float)
    at = calendar(days)
    eta = profile.fit(family, y, w, at)[:, at.of_week()]
    expected = w * special.expit(eta) if family == "share" else np.exp(eta)
    assert expected.sum() == pytest.approx(w.sum() * rate, rel=0.06)
    # No hour of the day is expected to be without any.
    by_hour = expected.reshape(series, days, 24, -1).sum(axis=(0, 1, 3)) / w.reshape(series, days, 24, -1).sum(
        axis=(0, 1, 3)
    )
    assert by_hour.min() > 0.5 * rate


def test_an_hour_of_flood_is_not_what_is_usual() -> None:
    rng = np.random.default_rng(1)
    at = calendar(28)
    y = rng.poisson(20.0, (1, 28 * SLOTS)).astype(float)
    y[0, 5 * SLOTS + 120 : 5 * SLOTS + 132] *= 10
    expected = np.exp(profile.fit("count", y, np.ones_like(y), at))[0]
    weekday = int(at.weekday[5 * SLOTS])
    assert expected[weekday * SLOTS + 120 : weekday * SLOTS + 132].max() < 26
