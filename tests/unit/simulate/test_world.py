"""A world is decided by its seed and scenario alone, however it is cut."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.simulate.world import World

from .conftest import END, SHOP

HOURS = timedelta(hours=1)


def lines(world, start, end):
    return [pair for batch in world.events(start, end) for pair in zip(batch.keys, batch.values, strict=True)]


def test_same_seed_gives_the_same_bytes_and_another_seed_other_bytes(make_world):
    first = lines(make_world(), END - HOURS, END)
    assert first == lines(make_world(), END - HOURS, END)
    assert not {value for _, value in first if value} & {
        value for _, value in lines(make_world(seed=8), END - HOURS, END) if value and value.startswith(b"{")
    }


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 3 * 3600 * 1000), max_size=4))
@pytest.mark.parametrize("scenario", ["none", "traffic-spike"])
def test_slices_fit_together_without_gap_or_overlap(scenario, cuts):
    world = World(SHOP, 7, scenario, start=END - 24 * HOURS, end=END, events_per_day=20_000)
    start = END - 3 * HOURS - timedelta(minutes=17, milliseconds=1)
    edges = [start, *sorted(start + timedelta(milliseconds=cut) for cut in cuts), END]
    pieces = [line for a, b in pairwise(edges) for line in lines(world, a, b)]
    assert pieces == lines(world, start, END)


def test_events_are_in_the_order_of_sending_and_within_the_slice(make_world):
    start = END - 5 * HOURS
    sent = np.concatenate([batch.send_times for batch in make_world().events(start, END)])
    assert (np.diff(sent) >= 0).all()
    assert sent[0] >= start.timestamp() * 1000
    assert sent[-1] < END.timestamp() * 1000


def test_only_duplicates_share_an_event_id(make_world):
    world = make_world(events_per_day=400_000)
    seen: dict[str, bytes] = {}
    repeated = duplicates = 0
    for batch in world.events(END - 6 * HOURS, END):
        duplicates += batch.counts["duplicates"]
        for value in batch.values:
            if value and value.startswith(b'{"event_id":"') and value.endswith(b"}"):
                event_id = value[13:49].decode()
                if event_id in seen:
                    assert seen[event_id] == value
                    repeated += 1
                seen[event_id] = value
    assert repeated == duplicates > 100


@pytest.mark.parametrize("rate", [200, 20_000, 200_000, 5_000_000, 432_000_000])
def test_blocks_stay_small_at_every_rate(make_world, rate):
    world = make_world(events_per_day=rate)
    batch = next(world.events(END - HOURS, END))
    assert len(batch) < 60_000
    assert 3_600_000 % world.block_ms == 0


def test_another_rate_of_faults_leaves_all_other_events_as_they_are(make_world):
    world = make_world()
    clean = make_world(faults=world.faults.model_copy(update={"duplicates": 0.0, "malformed": 0.0}))
    kept = {value for _, value in lines(clean, END - HOURS, END)}
    usual = {value for _, value in lines(world, END - HOURS, END)}
    assert len(kept - usual) < 0.01 * len(kept)
    assert all(orjson.loads(value) for value in kept)


def test_keys_are_the_field_that_the_product_names(make_world):
    for batch in make_world(faults=make_world().faults.model_copy(update={"malformed": 0.0})).events(END - HOURS, END):
        for key, value in zip(batch.keys, batch.values, strict=True):
            record = orjson.loads(value)
            assert key.decode() == (record.get("user_id") or record["host"])
