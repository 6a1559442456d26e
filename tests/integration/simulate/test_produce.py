"""A slice of the world in a real topic: every event, its key, its partition, its header."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.platform import kafka
from pipelines.platform.settings import Settings
from pipelines.simulate import run
from pipelines.simulate.world import World

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)


@pytest.fixture
def shop(services: Settings) -> Any:
    """The shop under another name, so that topics belong to this test alone."""
    name = f"shop_{uuid.uuid4().hex[:8]}"
    contract = contracts.load("shop").model_copy(update={"product": name, "topic": f"{name}.events"})
    yield contract
    kafka.delete_topics(services, contract)


def consumed(settings: Settings, topic: str) -> list[Any]:
    """All messages of a topic."""
    ends = kafka.end_offsets(settings, topic)
    consumer = kafka.consumer(settings, f"test-{uuid.uuid4().hex}")
    consumer.subscribe([topic])
    found: list[Any] = []
    deadline = time.monotonic() + 60
    while len(found) < sum(ends.values()) and time.monotonic() < deadline:
        found += [message for message in consumer.consume(5_000, 1.0) if message.error() is None]
    consumer.close()
    return found


def world(contract: Contract, end: datetime) -> World:
    # Enough events, and broken ones of each kind, in the quietest hours of the night too.
    faults = {"malformed": 0.03}
    start = end - 24 * HOUR
    return run.world_of(contract, 3, "conversion-drop", start=start, end=end, events=500_000, faults=faults)


def test_every_event_arrives_once_with_its_key_and_keys_stay_on_their_partition(services, shop):
    end = datetime.now(UTC)
    counts = run.produce(services, shop, world(shop, end), end - 2 * HOUR, end)
    messages = consumed(services, shop.topic)
    drawn = [
        pair
        for batch in world(shop, end).events(end - 2 * HOUR, end)
        for pair in zip(batch.keys, batch.values, strict=True)
    ]
    assert Counter((message.key(), message.value()) for message in messages) == Counter(drawn)
    assert counts["events"] == len(messages) > 15_000
    partitions = defaultdict(set)
    for message in messages:
        partitions[message.key()].add(message.partition())
    assert max(len(found) for found in partitions.values()) == 1
    assert len(set().union(*partitions.values())) == 4
    assert any(message.value() is None for message in messages)


def test_history_carries_the_header_and_the_last_minutes_do_not(services, shop):
    end = datetime.now(UTC)
    counts = run.produce(services, shop, world(shop, end), end - HOUR, end)
    headers = Counter(str(message.headers()) for message in consumed(services, shop.topic))
    assert headers == {
        "[('pulseiq-backfill', b'1')]": counts["backfill"],
        "None": counts["events"] - counts["backfill"],
    }
    assert 0.85 < counts["backfill"] / counts["events"] < 0.97


def test_history_and_recent_part_from_the_command_line_are_one_world(services, shop, tmp_path):
    folder = tmp_path / shop.product
    shutil.copytree(shop.folder, folder)
    product = (folder / "product.yaml").read_text()
    product = product.replace("product: shop", f"product: {shop.product}").replace("shop.events", shop.topic)
    (folder / "product.yaml").write_text(product)
    options = ["--scenario", "regional-outage", "--days", "1", "--until", "2026-11-18T15:00:00Z", "--events", "50000"]
    for part in (["--to", "-2h"], ["--from", "-2h"]):
        command = [sys.executable, "-m", "pipelines.cli.main", "simulate", str(folder), *options, *part]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    start, end = datetime(2026, 11, 17, 15, tzinfo=UTC), datetime(2026, 11, 18, 15, tzinfo=UTC)
    whole = run.world_of(shop, 7, "regional-outage", start=start, end=end, events=50_000)
    drawn = Counter(value for batch in whole.events(start, end) for value in batch.values)
    assert Counter(message.value() for message in consumed(services, shop.topic)) == drawn
    label = json.loads((services.home / "labels" / f"{shop.product}-regional-outage-7.ndjson").read_text())
    assert label["product"] == shop.product
    assert label["cause"] == {"region": "us-west"}


def test_sending_costs_little_enough_for_a_hundred_thousand_events_a_second(services, shop):
    """In processor time, which a busy machine does not change much: half of one core of two is the broker's."""
    end = datetime.now(UTC)
    start = time.process_time()
    counts = run.produce(services, shop, world(shop, end), end - 24 * HOUR, end)
    assert counts["events"] / (time.process_time() - start) > 70_000
