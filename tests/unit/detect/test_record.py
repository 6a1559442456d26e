"""The record detector: what leaves its own past goes off, with reasons; the past never changes what was said of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.detect import record, returns, trailing
from pipelines.detect.returns import ReturnLaw
from pipelines.detect.signals import RULES, Material, excursions
from pipelines.errors import StateError, UsageError

PER_DAY = 144


def frame(value: np.ndarray, step: str = "10min") -> pd.DataFrame:
    return pd.DataFrame({"timestamp": pd.date_range("2026-11-01", periods=len(value), freq=step), "value": value})


def daily(days: int, seed: int = 3) -> np.ndarray:
    """A day's wave with noise."""
    at = np.arange(days * PER_DAY)
    return 100 + 30 * np.sin(2 * np.pi * at / PER_DAY) + np.random.default_rng(seed).normal(0, 2, len(at))


def test_a_spike_goes_off_at_once_and_says_why():
    value = daily(21)
    value[2_500] = 412
    scored = record.score(frame(value))
    assert scored["alert"][2_500]
    row = scored.loc[2_500]
    assert "level now" in row["rule"] + row["reason"]
    assert "the range above the highest" in row["reason"]
    assert "your limit is 29 days." in row["reason"]
    assert row["return_period_days"] == pytest.approx(row["return_period"] / PER_DAY)


def test_an_alert_speaks_for_ninety_points_unless_it_triples():
    joined = np.zeros(400)
    joined[[10, 50, 60, 101, 300]] = [5_000, 14_000, 15_001, 6_000, 4_300]
    assert record.alerts(joined, 4_200).tolist() == [10, 60, 300]


def test_a_level_held_is_evidence_through_the_whole_incident():
    value = daily(21)
    value[2_500:2_700] += 45
    evidence = record.score(frame(value))["evidence"]
    assert evidence[2_596:2_700].min() > 3 * evidence[1_500:2_500].quantile(0.99)


def test_quiet_noise_keeps_to_the_limit():
    alerts = sum(record.score(frame(daily(40, seed)))["alert"][-30 * PER_DAY :].sum() for seed in range(4))
    # 120 days at 29 days of limit, for eleven rules that are not of one mind.
    assert alerts <= 12


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), points=st.integers(60, 3_000), scale=st.sampled_from([1e-9, 1.0, 1e9]))
def test_later_points_never_change_what_was_said_of_earlier_ones(seed: int, points: int, scale: float):
    rng = np.random.default_rng(seed)
    value = (daily(21, seed) + np.where(rng.random(21 * PER_DAY) < 0.01, 200, 0)) * scale
    whole = record.score(frame(value))
    part = record.score(frame(value[:points]))
    pd.testing.assert_frame_equal(part, whole.head(points), check_exact=True)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_of_the_value_does_not_matter(seed: int, factor: float):
    value = daily(14, seed)
    pd.testing.assert_series_equal(
        record.score(frame(value))["return_period"], record.score(frame(value * factor))["return_period"], rtol=1e-6
    )


def test_a_flat_series_is_calm_and_any_move_out_of_it_is_not():
    value = np.full(1_000, 7.0)
    assert not record.score(frame(value))["alert"].any()
    value[900] = 7.1
    scored = record.score(frame(value))
    assert scored["alert"][900]
    assert "without width" in scored["reason"][900]


def test_a_ratio_is_judged_like_a_value_and_nothing_by_nothing_keeps_the_last():
    value = daily(10)
    denominator = np.full(len(value), 50.0)
    ratio = frame(value * denominator).rename(columns={"value": "numerator"}).assign(denominator=denominator)
    ratio.loc[700, ["numerator", "denominator"]] = 0.0
    scored = record.score(ratio)
    assert scored["value"][700] == scored["value"][699]
    assert scored["value"].drop(700).to_numpy() == pytest.approx(np.delete(value, 700))


def test_one_limit_in_days_and_in_points_is_the_same():
    value = daily(30)
    value[3_000:3_050] += 60
    same = record.LIMIT / PER_DAY
    pd.testing.assert_frame_equal(record.score(frame(value), same), record.score(frame(value)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="value"), "x.csv: no column value; the columns are: timestamp"),
        (lambda f: f.head(20), "x.csv: 20 rows are too short a history, expected at least 51"),
        (lambda f: f.head(0), "x.csv: 0 rows are too short"),
        (lambda f: f.iloc[[0, 2, 1, *range(3, 100)]], "x.csv: line 4: timestamp '.*' is earlier than the line before"),
        (lambda f: f.iloc[[0, 1, 1, *range(2, 100)]], "x.csv: line 4: timestamp '.*' is the time of the line before"),
        (lambda f: f.assign(value=f["value"].where(f.index != 7)), "x.csv: line 9: value 'nan' is no finite number"),
        (lambda f: f.assign(value=["oops", *f["value"][1:]]), "x.csv: line 2: value 'oops' is no finite number"),
        (lambda f: f.assign(timestamp=["soon", *f["timestamp"][1:]]), "x.csv: line 2: timestamp 'soon' is no time"),
        (
            lambda f: f.assign(numerator=1.0, denominator=0.0),
            "x.csv: line 2: denominator is 0 in the first row",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_with_its_line(change, message):
    with pytest.raises(UsageError, match=message) as refused:
        record.score(change(frame(daily(3))), where="x.csv")
    assert refused.value.hint


@pytest.mark.parametrize("days", [0.0, -3.0, 1.0, float("nan"), 1e9])
def test_a_limit_that_no_history_could_tell_is_refused(days: float):
    with pytest.raises(UsageError, match=r"once in (700|1e\+06) points"):
        record.score(frame(daily(3)), days)


def test_every_rule_has_a_law_and_a_seldomer_excursion_is_a_stronger_one():
    assert len(record.LAWS) == len(RULES)
    share = np.array([0.0, 1e-6, 1e-3, 0.1, 1.0, 1e9])
    for law in record.LAWS:
        period = law.period(share)
        assert period[0] == 0
        assert (np.diff(period) >= 0).all()
        assert period[-1] == pytest.approx(returns.LONGEST)


def test_a_law_is_found_again_in_what_follows_it():
    points = 400_000
    truth = ReturnLaw(1_200.0, 0.05, 1.2)
    observed = points / np.arange(1, 400)
    share = truth.b * ((observed / truth.a) ** (1 / truth.c) - 1)
    found = returns.fit([share[:250], share[250:]], points)
    assert (found.a, found.b, found.c) == pytest.approx((truth.a, truth.b, truth.c), rel=1e-3)


def test_a_law_out_of_too_little_history_is_refused():
    with pytest.raises(StateError, match="points of history"):
        returns.fit([np.array([0.1, 0.2])], 2_000)
    with pytest.raises(StateError):
        returns.fit([], 0)


def test_one_excursion_counts_where_it_is_above_all_of_its_last_hundred():
    share = np.zeros(400)
    share[[10, 11, 12, 90, 300]] = [0.1, 0.3, 0.2, 0.25, 0.2]
    assert returns.peaks(share).tolist() == [0.1, 0.3, 0.2]
    assert returns.peaks(share, first=100).tolist() == [0.2]


def test_trailing_windows_are_those_of_a_loop():
    rng = np.random.default_rng(5)
    value = rng.normal(size=300)
    value[rng.random(300) < 0.1] = np.nan
    for function, plain in (
        (trailing.mean, np.nanmean),
        (trailing.median, np.nanmedian),
        (trailing.lowest, np.nanmin),
        (trailing.highest, np.nanmax),
    ):
        expected = [plain(value[max(0, at - 6) : at + 1]) for at in range(10, 300)]
        assert function(value, 7)[10:] == pytest.approx(np.array(expected), nan_ok=True)
    rows = rng.normal(size=(14, 50))
    rows[rng.random((14, 50)) < 0.3] = np.nan
    assert trailing.median_of(rows) == pytest.approx(np.nanmedian(rows, axis=0))


def test_a_rule_with_a_longer_history_than_its_range_waits_for_it():
    minutes = np.random.default_rng(1).normal(size=11_600)
    by_rule = dict(zip((rule.name for rule in RULES), excursions(Material.of(minutes, 1_440)), strict=True))
    known = ~np.isnan(by_rule["no similar day"].low)
    assert not known[: 8 * 1_440].any()
    assert known[8 * 1_440 + 1 :].all()
