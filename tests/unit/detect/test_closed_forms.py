"""Each part of the detector beside a formula that a person can look up or work out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipelines import contract as contracts
from pipelines.detect import calibration, families, level, profile, statistics
from pipelines.detect.alerts import QUIET_WINDOWS, active
from pipelines.detect.grid import series_name, to_grid, window_range
from pipelines.detect.profile import Calendar

SHOP = contracts.load("shop")


def one(*values: float) -> np.ndarray:
    return np.array([values], dtype=float)


# families


@given(st.integers(0, 300), st.floats(0.5, 200), st.floats(0.01, 2))
def test_a_count_is_as_surprising_as_the_negative_binomial_says(y: int, m: float, d: float) -> None:
    law = stats.nbinom(1 / d, 1 / (1 + d * m))
    up, down = families.surprise("count", one(y), one(m), one(1), one(d))
    assert np.exp(-up[0, 0]) == pytest.approx(law.sf(y - 1) - law.pmf(y) / 2, rel=1e-6, abs=1e-290)
    assert np.exp(-down[0, 0]) == pytest.approx(law.cdf(y) - law.pmf(y) / 2, rel=1e-4, abs=1e-290)


@given(st.integers(0, 60), st.floats(0.5, 50))
def test_a_count_without_dispersion_is_poisson(y: int, m: float) -> None:
    up, _ = families.surprise("count", one(y), one(m), one(1), one(0))
    law = stats.poisson(m)
    assert np.exp(-up[0, 0]) == pytest.approx(law.sf(y - 1) - law.pmf(y) / 2, rel=1e-6, abs=1e-290)


@given(st.integers(1, 200), st.floats(0.02, 0.98), st.data())
def test_a_share_without_dispersion_is_binomial(n: int, p: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    up, _ = families.surprise("share", one(k), one(n * p), one(n), one(0))
    law = stats.binom(n, p)
    assert np.exp(-up[0, 0]) == pytest.approx(law.sf(k - 1) - law.pmf(k) / 2, rel=1e-5, abs=1e-290)


def test_an_amount_is_gamma_and_a_level_is_normal() -> None:
    up, down = families.surprise("amount", one(150), one(100), one(40), one(2))
    law = stats.gamma(20, scale=100 / 20)
    assert (np.exp(-up[0, 0]), np.exp(-down[0, 0])) == pytest.approx((law.sf(150), law.cdf(150)))
    up, down = families.surprise("level", one(130), one(100), one(25), one(4))
    assert (np.exp(-up[0, 0]), np.exp(-down[0, 0])) == pytest.approx((stats.norm.sf(3), stats.norm.cdf(3)))


@pytest.mark.parametrize(("family", "d"), [("count", 0.05), ("share", 0.02), ("level", 3.0), ("amount", 2.0)])
def test_the_dispersion_that_made_a_history_is_found_in_it(family: families.Family, d: float) -> None:
    rng, size = np.random.default_rng(3), (1, 20_000)
    n = np.full(size, 50.0)
    if family == "count":
        m = np.full(size, 80.0)
        y = rng.negative_binomial(1 / d, 1 / (1 + d * m)).astype(float)
    elif family == "share":
        # Of a beta-binomial with a + b = 1 / d - 1, the variance is N p q (1 + d (N - 1)).
        m, total = n * 0.4, 1 / d - 1
        y = rng.binomial(50, rng.beta(0.4 * total, 0.6 * total, size)).astype(float)
    elif family == "level":
        m = n * 7
        y = m + rng.normal(size=size) * np.sqrt(n * d)
    else:
        m = np.full(size, 1000.0)
        y = rng.gamma(n / d, m * d / n)
    assert families.dispersion(family, y, m, n)[0, 0] == pytest.approx(d, rel=0.1)


# statistics


def test_pooled_sums_expect_the_level_before_the_first_window() -> None:
    y, eta, before = one(1, 2, 3, 4), np.log(one(10, 10, 10, 10)), np.log(one(1, 2, 3, 4))
    sums = statistics.pooled("count", y, np.ones_like(y), eta, before, 2)
    assert sums.y.tolist() == [[1, 3, 5, 7]]
    np.testing.assert_allclose(sums.m, [[10, 20, 40, 60]])
    assert sums.count.tolist() == [[1, 2, 2, 2]]


def test_the_cusum_is_pages() -> None:
    up, down = statistics.cusum(one(1.0, 2.0, -1.0, 0.0, 9.0))
    assert up.tolist() == [[0.5, 2.0, 0.5, 0.0, 3.5]]
    assert down.tolist() == [[0.0, 0.0, 0.5, 0.0, 0.0]]


def test_silence_is_as_surprising_as_no_event_of_a_negative_binomial() -> None:
    nats, awaited = statistics.missing(one(0, 0, 5, 0), one(3, 4, 4, 2), one(0.5))
    none = [stats.nbinom(2, 1 / (1 + 0.5 * m)).logpmf(0) for m in (3, 4, 2)]
    np.testing.assert_allclose(nats, one(-none[0], -none[0] - none[1], 0, -none[2]))
    assert awaited.tolist() == [[3, 7, 0, 2]]


def test_the_normal_score_of_a_normal_deviate_is_itself() -> None:
    z = one(-6, -1, 0, 0.5, 3)
    up, down = families.surprise("level", z, np.zeros_like(z), np.ones_like(z), one(1))
    np.testing.assert_allclose(statistics.normal_score(up, down), z, atol=1e-6)


# calibration


def test_p_values_of_the_model_itself_are_uniform() -> None:
    rng = np.random.default_rng(1)
    tail = calibration.fit(rng.exponential(size=(3, 4000)), np.ones((3, 4000), dtype=bool))
    p = tail.p_value(rng.exponential(size=(3, 200_000)))
    for level_ in (0.5, 0.1, 0.02, 0.002):
        assert (p <= level_).mean() == pytest.approx(level_, rel=0.35)


def test_without_history_a_tail_is_exponential_and_wide() -> None:
    tail = calibration.fit(np.zeros((1, 10)), np.ones((1, 10), dtype=bool))
    assert tail.p_value(one(0.7))[0, 0] == pytest.approx(np.exp(-0.7), rel=0.05)
    threshold = -np.log(0.02)
    assert tail.p_value(one(threshold + 3))[0, 0] == pytest.approx(0.02 * np.exp(-2))


@given(st.lists(st.floats(0, 50), min_size=2, max_size=20))
def test_what_is_stranger_is_never_more_likely(values: list[float]) -> None:
    rng = np.random.default_rng(2)
    tail = calibration.fit(rng.exponential(size=(1, 500)), np.ones((1, 500), dtype=bool))
    p = tail.p_value(np.sort(one(*values)))
    assert (np.diff(p) <= 1e-12).all()


@pytest.mark.parametrize("shape", [0.0, 0.15, 0.3])
def test_the_shape_of_a_generalised_pareto_law_is_found(shape: float) -> None:
    excess = stats.genpareto(shape).rvs(20_000, random_state=4)
    assert calibration.shape_of(excess) == pytest.approx(shape, abs=0.03)


def test_of_windows_that_follow_each_other_only_the_peak_counts() -> None:
    values = np.array([0, 5, 7, 0, 0, 6, 0, 0, 0, 0, 9, 0], dtype=float)
    assert calibration.peaks(values, 4).tolist() == [7, 9]


# level


def test_with_even_windows_the_level_is_an_ewma() -> None:
    """Kalman filter of a constant noise: in the steady state each window has the same weight."""
    y = one(*([0.0] * 400 + [1.0, 1.0, 1.0]))
    zero, n = np.zeros_like(y), np.ones_like(y)
    found = level.follow("level", y, n, zero, one(1.0), np.array([0.01]), 1.0 - 1e-12, variance=np.array([0.1]))
    # The steady variance v before a window solves v = v / (v + 1) + q.
    v = (0.01 + np.sqrt(0.01**2 + 4 * 0.01)) / 2
    gain = v / (v + 1)
    np.testing.assert_allclose(found.predicted[0, -2:], [gain, gain + gain * (1 - gain)], rtol=1e-6)


def test_a_frozen_window_teaches_nothing_and_one_is_cut_at_three_sigma() -> None:
    y, zero, n = one(0, 100, 0), np.zeros((1, 3)), np.ones((1, 3))
    drift, start = np.array([0.0]), {"state": np.zeros(1), "variance": np.array([1.0])}
    frozen = np.array([[False, True, False]])
    still = level.follow("level", y, n, zero, one(1.0), drift, 1.0, frozen=frozen, **start)
    assert still.predicted.tolist() == [[0, 0, 0]]
    cut = level.follow("level", one(100, 0), n[:, :2], zero[:, :2], one(1.0), drift, 1.0, **start)
    assert cut.predicted[0, 1] == pytest.approx(0.5 * 3 * np.sqrt(2))


# profile and grid


def test_a_daily_pattern_is_learnt_and_a_flat_one_stays_flat() -> None:
    windows = window_range(np.datetime64("2026-11-02"), np.datetime64("2026-11-16"), 3600)
    calendar = Calendar.of(windows, 3600)
    season = np.log(500) + 0.5 * np.sin(2 * np.pi * calendar.slot / 24)
    rng = np.random.default_rng(8)
    y = np.stack([rng.poisson(np.exp(season)), rng.poisson(500, len(windows))]).astype(float)
    table = profile.fit("count", y, np.ones_like(y), calendar)[:, calendar.of_week()]
    assert np.abs(table[0] - season).mean() < 0.02
    assert np.abs(table[1] - np.log(500)).mean() < 0.01


def test_the_calendar_knows_the_day_of_the_week() -> None:
    windows = window_range(np.datetime64("2026-11-02T22:00"), np.datetime64("2026-11-03T02:00"), 3600)
    calendar = Calendar.of(windows, 3600)
    # 2026-11-02 is a Monday.
    assert calendar.weekday.tolist() == [0, 0, 1, 1]
    assert calendar.slot.tolist() == [22, 23, 0, 1]
    assert calendar.of_week().tolist() == [22, 23, 24, 25]


def test_windows_lie_wholly_within_their_range() -> None:
    found = window_range(np.datetime64("2026-11-02T00:00"), np.datetime64("2026-11-02T00:14"), 300)
    assert [str(each)[-8:] for each in found] == ["00:00:00", "00:05:00"]
    assert not len(window_range(np.datetime64("2026-11-02"), np.datetime64("2026-11-01"), 300))


def test_a_grid_puts_values_in_their_place_and_fills_what_was_empty() -> None:
    traffic = next(each for each in SHOP.metrics if each.name == "traffic")
    windows = window_range(np.datetime64("2026-11-02T00:00"), np.datetime64("2026-11-02T00:15"), 300)
    name = series_name("traffic", {"device": "ios"})
    frame = pd.DataFrame(
        {
            "metric": "traffic", "series": [name, name, "traffic"], "dims": [{"device": "ios"}] * 2 + [{}],
            "window_start": pd.to_datetime(["2026-11-02 00:10", "2026-11-02 00:20", "2026-11-02 00:05"]),
            "value": [3.0, 9.0, 4.0], "n": [3.0, 9.0, 4.0], "numerator": np.nan, "denominator": np.nan,
        }
    )  # fmt: skip
    grid = to_grid(frame, traffic, windows)
    assert grid.names == ("traffic", name)
    assert grid.value.tolist() == [[0, 4, 0], [0, 0, 3]]
    assert grid.whole == 0


# alerts


def test_an_alert_opens_at_once_and_closes_after_quiet_windows() -> None:
    fired = np.array([0, 1, 0, 0, 0, 0, 0, 0], dtype=bool)
    notable = np.array([0, 1, 0, 1, 0, 0, 0, 1], dtype=bool)
    found = active(fired, notable)
    assert QUIET_WINDOWS == 3
    assert found.astype(int).tolist() == [0, 1, 1, 1, 1, 1, 0, 0]
