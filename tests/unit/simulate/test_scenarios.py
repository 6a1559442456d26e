"""Each scenario changes its segment in its time, and nothing else in the world."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pandas as pd
import pytest

from pipelines.errors import ContractError, UsageError
from pipelines.simulate import scenario as scenarios
from pipelines.simulate.world import World

from .conftest import END, SHOP

MINUTES = timedelta(minutes=1)
START = END - 60 * MINUTES
RATE = 700_000


def inside(frame: pd.DataFrame, **segment: str) -> pd.Series:
    mask = (frame.event_time >= START) & (frame.event_time < END)
    for name, value in segment.items():
        mask &= frame[name] == value
    return mask


@pytest.fixture(scope="module")
def both(make_world, frame):
    """Events of the last 80 minutes with a scenario and without."""
    whole = make_world().faults.model_copy(update={"malformed": 0.0})
    quiet = frame(make_world(events_per_day=RATE, faults=whole), END - 80 * MINUTES, END)

    def draw(name: str, **options) -> tuple[pd.DataFrame, pd.DataFrame]:
        world = make_world(name, events_per_day=RATE, faults=whole, **options)
        return frame(world, END - 80 * MINUTES, END), quiet

    return draw


def assert_untouched(changed: pd.DataFrame, quiet: pd.DataFrame, **segment: str) -> None:
    """Outside segment and time both worlds have the same events to the last field."""
    left = changed[~inside(changed, **segment)].set_index("event_id").sort_index()
    right = quiet[~inside(quiet, **segment)].set_index("event_id").sort_index()
    assert len(right) > 20_000
    pd.testing.assert_frame_equal(left, right, check_dtype=False)


def test_traffic_spike_multiplies_actions_of_its_segment(both):
    changed, quiet = both("traffic-spike")
    segment = {"event_type": "user_action", "region": "us-east", "device": "web"}
    more, usual = changed[inside(changed, **segment)], quiet[inside(quiet, **segment)]
    assert len(more) / len(usual) == pytest.approx(4.0, rel=0.08)
    assert more.user_id.nunique() / usual.user_id.nunique() > 2.5
    assert_untouched(changed, quiet, **segment)


def test_conversion_drop_stops_completions_of_its_segment(both):
    changed, quiet = both("conversion-drop")
    segment = {"event_type": "transaction", "region": "eu-west", "device": "ios"}
    low, usual = changed[inside(changed, **segment)], quiet[inside(quiet, **segment)]
    assert (usual.status == "completed").mean() == pytest.approx(0.62, abs=0.08)
    assert (low.status == "completed").mean() == pytest.approx(0.62 * 0.12, abs=0.05)
    assert len(low) == len(usual)
    assert_untouched(changed, quiet, **segment)


def test_latency_regression_slows_one_version(both):
    changed, quiet = both("latency-regression")
    segment = {"event_type": "user_action", "app_version": "5.1.0"}
    slow, usual = changed[inside(changed, **segment)], quiet[inside(quiet, **segment)]
    p95 = [x.latency_ms.quantile(0.95) for x in (slow, usual)]
    assert p95[0] / p95[1] == pytest.approx(3.0, rel=0.03)
    assert_untouched(changed, quiet, **segment)


def test_latency_regression_reaches_the_old_unit_too(both):
    changed, quiet = both("latency-regression", overrides=["where.app_version=5.0.2"])
    segment = {"event_type": "user_action", "app_version": "5.0.2"}
    medians = [x[inside(x, **segment)].duration_s.median() for x in (changed, quiet)]
    assert medians[0] / medians[1] == pytest.approx(3.0, rel=0.03)


def test_regional_outage_leaves_little_and_that_little_fails(both):
    changed, quiet = both("regional-outage")
    for event_type in ("user_action", "transaction"):
        segment = {"event_type": event_type, "region": "us-west"}
        left, usual = inside(changed, **segment).sum(), inside(quiet, **segment).sum()
        assert left / usual == pytest.approx(0.06, abs=0.04)
    failed = changed[inside(changed, event_type="user_action", region="us-west")].error.astype(bool)
    assert failed.mean() > 0.2
    queue = {"event_type": "system_metric", "region": "us-west", "name": "queue_depth"}
    waiting = [x[inside(x, **queue)].value.median() for x in (changed, quiet)]
    assert waiting[0] / waiting[1] == pytest.approx(8.0, rel=0.1)
    busy = queue | {"name": "cpu_utilization"}
    assert sorted(changed[inside(changed, **busy)].event_id) == sorted(quiet[inside(quiet, **busy)].event_id)
    assert_untouched(changed, quiet, region="us-west")


def test_bad_release_reaches_part_of_the_members_and_reports_euros(both):
    changed, quiet = both("bad-release")
    new = changed[changed.app_version == "5.3.0"]
    assert new.event_time.min() >= START
    assert set(new.event_type) == {"user_action", "transaction"}
    actions, payments = (changed[inside(changed, event_type=t)] for t in ("user_action", "transaction"))
    assert (actions.app_version == "5.3.0").mean() == pytest.approx(0.45, abs=0.03)
    assert (payments.app_version == "5.3.0").mean() == pytest.approx(0.45, abs=0.04)
    updated = actions[actions.app_version == "5.3.0"]
    assert updated.session_id.isna().mean() == pytest.approx(0.06, abs=0.01)
    amounts = payments[payments.app_version == "5.3.0"].amount_minor
    assert 35 < amounts.median() < 60
    assert amounts.min() >= 1
    # A member has the new version all the time, or never.
    assert not set(updated.user_id) & set(actions[actions.app_version != "5.3.0"].user_id.dropna())
    assert len(changed) == len(quiet)
    untouched = changed[changed.app_version != "5.3.0"].set_index("event_id").sort_index()
    pd.testing.assert_frame_equal(
        untouched, quiet[quiet.event_id.isin(untouched.index)].set_index("event_id").sort_index(), check_dtype=False
    )


BAD_DATA = {"bad-release", "schema-break", "duplicate-storm", "late-burst", "silent-partition"}
STARTS = {"late-burst": "13:45", "slow-leak": "13:10"}
ENDS = {"late-burst": "14:45"}
EVERYWHERE = {"level-shift", "silent-partition"}


@pytest.mark.parametrize("name", sorted(set(scenarios.names(SHOP)) - {"none"}))
def test_label_says_when_where_and_what(make_world, name):
    (label,) = make_world(name, seed=11).labels()
    record = orjson.loads(label.to_json())
    assert record["start"] == f"2026-11-18T{STARTS.get(name, '14:00')}:00.000Z"
    assert record["end"] == f"2026-11-18T{ENDS.get(name, '15:00')}:00.000Z"
    assert record["scenario"] == name
    assert record["seed"] == 11
    assert record["verdict"] == ("bad data" if name in BAD_DATA else "changed behaviour")
    assert bool(record["cause"]) == (name not in EVERYWHERE)
    assert record["metric"] in {"traffic", "conversion_rate", "error_rate", "latency_p95", "revenue"}


def test_none_has_no_label(make_world):
    assert make_world("none").labels() == ()


def test_another_segment_moves_effect_and_label(both, make_world):
    overrides = ["where.region=us-west", "where.device=android"]
    changed, quiet = both("conversion-drop", overrides=overrides)
    segment = {"event_type": "transaction", "region": "us-west", "device": "android"}
    assert (changed[inside(changed, **segment)].status == "completed").mean() < 0.15
    assert_untouched(changed, quiet, **segment)
    (label,) = make_world("conversion-drop", overrides=overrides).labels()
    assert label.cause == {"region": "us-west", "device": "android"}


def test_an_empty_override_removes_a_dimension_from_the_segment(make_world):
    (label,) = make_world("conversion-drop", overrides=["where.device="]).labels()
    assert label.cause == {"region": "eu-west"}


def test_times_can_be_moved(make_world):
    (label,) = make_world("conversion-drop", overrides=["start=-3h", "end=2026-11-18T13:00:00Z"]).labels()
    assert (label.start, label.end) == (END - 180 * MINUTES, END - 120 * MINUTES)
    (label,) = make_world("conversion-drop", overrides=["start=0.5", "end=+6d"]).labels()
    assert (label.start, label.end) == (END - timedelta(days=3.5), END - timedelta(days=1))


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["where.region=atlantis"], "region has no value 'atlantis'"),
        (["where.colour=red"], "'colour' is no dimension"),
        (["effects.0.event=purchase"], "no event type 'purchase'"),
        (["effects.0.probability.field=mood"], "no field 'mood'"),
        (["effects.0.probability.value=great"], "status has no value 'great'"),
        (["effects.7.rate=3"], "no such path"),
        (["3.where.region=us-east"], "no such incident"),
        (["start=-10m", "end=-20m"], "start is not before its end"),
        (["start=yesterday"], "not a time"),
        (["where"], "not of the form"),
    ],
)
def test_a_wrong_override_is_refused_with_its_reason(make_world, overrides, says):
    with pytest.raises(UsageError, match=says):
        make_world("conversion-drop", overrides=overrides)


def test_an_effect_of_two_kinds_is_refused(make_world):
    with pytest.raises(ContractError, match="exactly one of"):
        make_world("conversion-drop", overrides=["effects.0.rate=2"])


def test_an_unknown_scenario_is_refused_with_the_known_ones(make_world):
    with pytest.raises(UsageError, match="conversion-drop"):
        make_world("meteor")


def test_times_before_the_end_need_an_end():
    with pytest.raises(UsageError, match="no end"):
        World(SHOP, 1, "conversion-drop", start=datetime(2026, 1, 1).astimezone(), end=None)


def test_another_product_needs_no_code(tmp_path: Path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "simulator.yaml").write_text(
        """
product: library
events_per_day: 100000
seasonality:
  daily: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
  weekly: [1, 1, 1, 1, 1, 1, 1]
dimensions:
  branch: {shares: {north: 3, south: 1}}
events:
  loan:
    share: 1
    key: card
    fields:
      card: {kind: id, prefix: c-}
      days: {kind: normal, mean: 20, sd: 5, min: 1, max: 60}
      renewed: {kind: bernoulli, p: 0.2, factors: {branch: {south: 2}}}
      source: {kind: constant, value: desk}
    out_of_range: {days: -1}
"""
    )
    (tmp_path / "scenarios" / "closed.yaml").write_text(
        """
name: closed
title: A branch is closed
incidents:
  - kind: closed
    title: Nobody comes
    start: -1h
    end: -0m
    where: {branch: south}
    effects: [{rate: 0}]
    metric: loans
    direction: down
    verdict: changed behaviour
"""
    )
    world = World(tmp_path, 1, "closed", start=END - timedelta(days=1), end=END)
    records = [
        orjson.loads(value)
        for batch in world.events(END - timedelta(hours=2), END)
        for value in batch.values
        if value and value.startswith(b'{"event_id"') and value.endswith(b"}") and b"loan" in value
    ]
    south = [r for r in records if r.get("branch") == "south"]
    assert len(records) > 5000
    assert all(r["event_time"] < "2026-11-18T14:00:00" for r in south if r["event_time"] < "2027")
    assert 0.2 < len(south) / len([r for r in records if r["event_time"] < "2026-11-18T14:00:00"]) < 0.3
