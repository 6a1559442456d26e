"""Every kind of incident of the library does what its file says, at every strength, and leaves the rest alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.errors import UsageError
from pipelines.simulate import scenario as scenarios
from pipelines.simulate.partition import murmur2, partitions_of
from pipelines.simulate.spec import Unrest

from .conftest import END, SHOP

MINUTES = timedelta(minutes=1)
LIBRARY = sorted(set(scenarios.names(SHOP)) - {"none"})
FIELDS = ("user_id", "host", "action", "status", "error", "latency_ms", "amount_minor")

Drawn = Callable[..., pd.DataFrame]


def epoch_ms(before_end: int) -> int:
    return int((END - before_end * MINUTES).timestamp() * 1000)


@pytest.fixture(scope="module")
def drawn(make_world) -> Drawn:
    """What is sent in the last 80 minutes, as columns; drawn once for each scenario."""
    kept: dict[tuple[str, ...], pd.DataFrame] = {}

    def draw(scenario: str = "none", *overrides: str) -> pd.DataFrame:
        key = (scenario, *overrides)
        if key not in kept:
            world = make_world(scenario, events_per_day=300_000, overrides=overrides)
            parts = [pd.DataFrame(part) for part in world.columns(END - 80 * MINUTES, END, FIELDS)]
            kept[key] = pd.concat([part for part in parts if len(part)], ignore_index=True)
        return kept[key]

    return draw


def during(events: pd.DataFrame, minutes: int = 60, **segment: str) -> pd.DataFrame:
    """Events that happened in the last minutes, of a segment, each once."""
    mask = (events["event_ms"] >= epoch_ms(minutes)) & ~events["second"]
    for name, value in segment.items():
        mask &= events[name] == value
    return events[mask]


def ratio(drawn: Drawn, scenario: str, **segment: str) -> float:
    """Events of a segment during the incident, beside those of a quiet world."""
    return len(during(drawn(scenario), **segment)) / len(during(drawn(), **segment))


def test_a_drop_thins_its_segment_and_no_other(drawn):
    inside = {"event_type": "user_action", "region": "eu-central", "device": "android"}
    assert ratio(drawn, "traffic-drop", **inside) == pytest.approx(0.25, abs=0.05)
    assert ratio(drawn, "traffic-drop", **inside | {"device": "ios"}) == 1
    assert ratio(drawn, "traffic-drop", **inside | {"event_type": "transaction"}) == 1


def test_a_level_shift_raises_everything(drawn):
    for region in ("eu-west", "ap-south"):
        assert ratio(drawn, "level-shift", event_type="user_action", region=region) == pytest.approx(1.5, abs=0.12)


def test_a_slow_leak_grows_from_nothing(drawn):
    inside = {"event_type": "user_action", "app_version": "5.1.0"}
    leak, quiet = during(drawn("slow-leak"), **inside), during(drawn(), **inside)
    factor = leak["latency_ms"].to_numpy() / quiet["latency_ms"].to_numpy()
    share = (quiet["event_ms"].to_numpy() - epoch_ms(110)) / (110 * 60_000)
    assert np.median(np.abs(factor - (1 + 1.5 * share))) < 0.01


def test_a_broken_release_fails_on_its_device(drawn):
    inside = {"event_type": "user_action", "app_version": "5.2.0", "device": "android"}
    events = during(drawn("broken-release"), event_type="user_action")
    ours = (events["app_version"] == "5.2.0") & (events["device"] == "android")
    assert during(events, **inside)["error"].mean() == pytest.approx(20 * 0.0115 * 1.15, rel=0.2)
    assert events[~ours]["error"].mean() < 0.03


def test_a_funnel_breaks_after_the_cart(drawn):
    assert ratio(drawn, "funnel-break", event_type="transaction", device="web") == pytest.approx(0.15, abs=0.06)
    assert ratio(drawn, "funnel-break", event_type="user_action", device="web") == 1
    begun = [during(drawn(s), device="web", action="begin_checkout") for s in ("funnel-break", "none")]
    assert len(begun[0]) / len(begun[1]) == pytest.approx(0.15, abs=0.08)


def test_robots_search_and_buy_nothing(drawn):
    inside = {"region": "us-east", "feature": "search", "device": "web"}
    assert ratio(drawn, "bot-traffic", event_type="user_action", **inside) > 8
    assert ratio(drawn, "bot-traffic", event_type="transaction") == 1


def test_a_mix_shift_changes_shares_and_neither_volume_nor_rates(drawn):
    assert ratio(drawn, "mix-shift", event_type="user_action") == 1
    assert ratio(drawn, "mix-shift", event_type="user_action", device="web") == pytest.approx(0.604 / 0.28, rel=0.1)
    shifted, quiet = (during(drawn(s), event_type="transaction") for s in ("mix-shift", "none"))
    assert (shifted["status"] == "completed").mean() == pytest.approx((quiet["status"] == "completed").mean(), abs=0.05)


def test_a_latency_tail_leaves_the_middle(drawn):
    inside = {"event_type": "user_action", "region": "eu-west"}
    slow, quiet = (during(drawn(s), **inside)["latency_ms"] for s in ("latency-tail", "none"))
    assert slow.median() / quiet.median() < 1.2
    assert slow.quantile(0.95) / quiet.quantile(0.95) > 1.8


def test_revenue_falls_with_as_many_payments(drawn):
    assert ratio(drawn, "revenue-fall", event_type="transaction") == 1
    inside = {"event_type": "transaction", "region": "us-east"}
    less, usual = (during(drawn(s), **inside)["amount_minor"] for s in ("revenue-fall", "none"))
    assert less.sum() / usual.sum() == pytest.approx(0.3, abs=0.01)


def test_a_schema_break_spoils_part_of_one_version(drawn, make_world):
    events = during(drawn("schema-break"))
    events = events[events["event_type"] != "system_metric"]
    assert events[events["app_version"] == "5.1.0"]["broken"].mean() == pytest.approx(0.5, abs=0.05)
    assert events[events["app_version"] != "5.1.0"]["broken"].mean() < 0.01
    (batch,) = make_world("schema-break", events_per_day=300_000).events(END - 2 * MINUTES, END)
    assert batch.counts["malformed.missing_field"] > 0.9 * batch.counts["malformed"] > 0


def test_a_duplicate_storm_sends_twice(drawn):
    events = drawn("duplicate-storm")
    late = events[events["event_ms"] >= epoch_ms(60)]
    inside = late["region"] == "eu-west"
    assert late[inside]["second"].sum() / (~late[inside]["second"]).sum() == pytest.approx(0.6, abs=0.05)
    assert late[~inside]["second"].mean() < 0.02


def test_a_late_burst_loses_nothing_and_slices_still_fit(make_world):
    start, end = END - 90 * MINUTES, END + 30 * MINUTES
    once = make_world().faults.model_copy(update={"duplicates": 0.0})
    worlds = [make_world(s, events_per_day=300_000, faults=once) for s in ("late-burst", "none")]
    held, quiet = (
        [pair for batch in world.events(start, end) for pair in zip(batch.send_times, batch.values, strict=True)]
        for world in worlds
    )
    assert {value for _, value in held} == {value for _, value in quiet}
    sent = {value: time for time, value in quiet}
    delays = pd.Series([time - sent[value] for time, value in held])
    assert set(delays) == {0, 14 * 60_000}
    pieces = [
        value
        for cut in range(0, 120, 7)
        for batch in worlds[0].events(start + cut * MINUTES, min(start + (cut + 7) * MINUTES, end))
        for value in batch.values
    ]
    assert pieces == [value for _, value in held]


def test_late_events_of_a_burst_are_called_late(drawn):
    events = drawn("late-burst")
    burst = events[(events["event_ms"] >= epoch_ms(75)) & (events["event_ms"] < epoch_ms(30)) & ~events["second"]]
    burst = burst[(burst["device"] == "ios") & (burst["event_type"] != "system_metric")]
    assert burst["late"].mean() == pytest.approx(0.7, abs=0.05)


def test_a_silent_partition_is_the_one_that_kafka_would_choose(make_world):
    values = [
        orjson.loads(value)
        for batch in make_world("silent-partition", events_per_day=300_000).events(END - 20 * MINUTES, END)
        for value in batch.values
        if value and value.endswith(b"}") and b"user_id" in value
    ]
    keys = pa.array([str(value.get("user_id")) for value in values if "user_id" in value])
    found = np.bincount(partitions_of(keys, 4), minlength=4)
    assert found[2] <= 2
    assert found[[0, 1, 3]].min() > 500


@pytest.mark.parametrize(
    ("key", "expected"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536), (b"abc", 479470107)],
)
def test_the_hash_is_kafkas(key, expected):
    assert murmur2(key) == expected % 2**32


@pytest.mark.parametrize("name", LIBRARY)
def test_every_scenario_has_three_strengths_with_labels(make_world, name):
    effects = {}
    for strength in ("weak", "medium", "strong"):
        world = make_world(name, overrides=[f"strength={strength}"])
        (label,) = world.labels()
        assert label.verdict in {"changed behaviour", "bad data"}
        assert label.metric
        effects[strength] = str(world.scenario.incidents)
    assert len(set(effects.values())) == 3


def test_an_unknown_strength_is_refused(make_world):
    with pytest.raises(UsageError, match="no strength 'mild'"):
        make_world("traffic-drop", overrides=["strength=mild"])


def test_a_strength_comes_before_other_overrides(make_world):
    world = make_world("traffic-drop", overrides=["effects.0.rate=0.1", "strength=weak"])
    assert world.scenario.incidents[0].effects[0].rate == 0.1


def test_overlapping_incidents_are_both_there(drawn, make_world):
    names = "conversion-drop+latency-regression"
    first, second = make_world(names).labels()
    assert (first.metric, second.metric) == ("conversion_rate", "latency_p95")
    assert first.scenario == names
    assert {first.verdict, second.verdict} == {"changed behaviour"}
    events = during(drawn(names), event_type="user_action", app_version="5.1.0")
    quiet = during(drawn(), event_type="user_action", app_version="5.1.0")
    assert events["latency_ms"].median() / quiet["latency_ms"].median() == pytest.approx(3, rel=0.02)


def test_bad_data_beside_changed_behaviour_is_both(make_world):
    assert {label.verdict for label in make_world("traffic-drop+schema-break").labels()} == {"both"}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["effects.0.silence.partition=4"], "no partition 4 of 4"),
        (["effects.0.silence=", "effects.0.malformed.share=0.5", "effects.0.malformed.reason=mood"], "'mood'"),
    ],
)
def test_a_disturbance_that_cannot_be_is_refused(make_world, overrides, says):
    with pytest.raises(UsageError, match=says):
        make_world("silent-partition", overrides=overrides)


def test_unrest_moves_traffic_alike_for_the_same_seed(make_world):
    def counts(spread: float) -> np.ndarray:
        world = make_world(events_per_day=40_000, unrest=Unrest(spread=spread), seed=11)
        times = np.concatenate([batch.send_times for batch in world.events(END - 48 * 60 * MINUTES, END)])
        return np.bincount((times - times.min()) // 900_000, minlength=192)[:192]

    calm, restless = counts(0.0), counts(0.3)
    assert (restless == counts(0.3)).all()
    assert np.log(restless / calm).std() == pytest.approx(0.3, abs=0.12)
    assert restless.sum() / calm.sum() == pytest.approx(1.0, abs=0.25)
