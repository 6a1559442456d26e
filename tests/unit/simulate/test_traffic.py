"""Fault-free traffic is what the description of the product says, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipelines.simulate import spec

from .conftest import END, SHOP

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def day(make_world, frame) -> pd.DataFrame:
    whole = make_world().faults.model_copy(update={"malformed": 0.0})
    return frame(make_world(faults=whole, events_per_day=120_000), END - DAY, END)


@pytest.fixture(scope="module")
def week(make_world) -> tuple[np.ndarray, int]:
    """Events per hour of a whole week, and how many there are."""
    world = make_world(events_per_day=70_000)
    times = np.concatenate([batch.send_times for batch in world.events(END - 7 * DAY, END)])
    first = int((END - 7 * DAY).timestamp() * 1000)
    return np.bincount((times - first) // 3_600_000, minlength=168), len(times)


def test_a_week_has_the_stated_number_of_events(week):
    assert week[1] == pytest.approx(7 * 70_000 * 1.004, rel=0.005)


def test_traffic_follows_the_hour_of_the_day_and_the_day_of_the_week(week):
    hours = week[0].reshape(7, 24)
    assert 2.6 < hours.max(axis=1).mean() / hours.min(axis=1).mean() < 3.4
    by_day = pd.Series(hours.sum(axis=1), index=[(END - (7 - i) * DAY).weekday() for i in range(7)])
    assert by_day[[4, 5]].min() > by_day[[0, 1, 2]].max()


def test_counts_are_poisson_around_the_season(make_world):
    world = make_world(events_per_day=100_000, faults=make_world().faults.model_copy(update={"duplicates": 0.0}))
    seasons = []
    for seed in range(12):
        other = make_world(seed=seed, events_per_day=100_000, faults=world.faults)
        times = np.concatenate([b.send_times for b in other.events(END - DAY / 4, END)])
        seasons.append(np.bincount((times - int((END - DAY / 4).timestamp() * 1000)) // 300_000, minlength=72))
    counts = np.array(seasons)
    dispersion = ((counts - counts.mean(axis=0)) ** 2).sum() / counts.mean(axis=0).sum() / (11 / 12) / 12
    freedom = 11 * 72
    low, high = stats.chi2.ppf([0.0005, 0.9995], freedom) / freedom
    assert low < dispersion < high


def test_dimension_values_have_their_shares_and_are_independent(day):
    simulator = spec.load(SHOP)
    actions = day[day.event_type == "user_action"]
    for name in simulator.dimensions:
        for value, share in simulator.dimension_values("user_action")[name].items():
            assert (actions[name] == value).mean() == pytest.approx(share, abs=4.5 * (share / len(actions)) ** 0.5)
    table = pd.crosstab(actions.region, actions.device)
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_event_types_have_their_shares(day):
    shares = day.event_type.value_counts(normalize=True)
    assert shares["user_action"] == pytest.approx(0.83, abs=0.005)
    assert shares["transaction"] == pytest.approx(0.12, abs=0.005)
    assert shares["system_metric"] == pytest.approx(0.05, abs=0.005)


def test_ratios_have_their_base_rates(day):
    payments = day[day.event_type == "transaction"]
    completed = payments.status == "completed"
    assert completed.mean() == pytest.approx(0.62, abs=0.02)
    assert completed[payments.region == "eu-central"].mean() > completed[payments.region == "ap-south"].mean() + 0.02
    actions = day[day.event_type == "user_action"]
    assert 0.010 < actions.error.astype(bool).mean() < 0.014


def test_amounts_and_latencies_are_lognormal(day):
    amounts = day.amount_minor.dropna()
    assert 4200 < amounts.median() < 5000
    assert amounts.between(500, 30_000).all()
    latency = np.log(day.latency_ms.dropna())
    assert abs(stats.skew(latency)) < 0.2
    assert 120 < np.exp(latency.median()) < 220


def test_old_versions_write_the_old_schema(day):
    actions = day[day.event_type == "user_action"]
    old = actions.app_version == "5.0.2"
    assert (actions.schema_version[old] == 1).all()
    assert (actions.schema_version[~old] == 2).all()
    assert actions.latency_ms[old].isna().all()
    assert actions.duration_s[~old].isna().all()
    assert actions.duration_s[old].median() == pytest.approx(0.16, abs=0.03)


def test_members_act_in_sessions_and_keep_their_segment(day):
    actions = day[day.event_type == "user_action"]
    sessions = actions.groupby("session_id").agg(
        user=("user_id", "nunique"),
        region=("region", "nunique"),
        n=("event_id", "size"),
        first=("event_time", "min"),
        last=("event_time", "max"),
    )
    assert (sessions.user == 1).all()
    assert (sessions.region == 1).all()
    assert 3.5 < sessions.n.mean() < 8
    length = (sessions["last"] - sessions["first"]).dt.total_seconds()
    assert length.max() <= 20 * 60
    assert actions.groupby("user_id").region.nunique().max() == 1
    assert actions.groupby("user_id").session_id.nunique().median() >= 1
