"""What is sent, to where, and when; Kafka itself is in the integration tests."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pytest

from pipelines.errors import UsageError
from pipelines.simulate import labels, run
from pipelines.simulate.malformed import Limits
from pipelines.simulate.sinks import CountSink, FileSink
from pipelines.simulate.world import World

from .conftest import END, SHOP

HOUR = timedelta(hours=1)


class Recorder(CountSink):
    """Keeps what it was given and when."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.backfill: list[bool] = []
        self.sent: list[int] = []
        self.at: list[float] = []

    def send(self, batch, backfill) -> None:
        self.values += batch.values
        self.backfill += backfill.tolist()
        self.sent += batch.send_times.tolist()
        self.at += [time.time() * 1000] * len(batch)


def test_everything_of_the_slice_is_sent_and_counted(make_world):
    sink, progress = Recorder(), []
    counts = run.send(make_world("conversion-drop"), sink, END - 3 * HOUR, END, progress.append)
    assert counts["events"] == len(sink.values) == counts["backfill"] + sink.backfill.count(False)
    drawn: Counter[str] = Counter()
    for batch in make_world("conversion-drop").events(END - 3 * HOUR, END):
        drawn.update(batch.counts)
    assert {name: counts[name] for name in drawn} == dict(drawn)
    assert [p.events for p in progress] == sorted(p.events for p in progress)
    assert progress[-1].done == pytest.approx(1, abs=0.01)


def test_only_what_is_long_past_announces_itself_as_history():
    now = datetime.now(UTC)
    limits = Limits(allowed_lateness=timedelta(minutes=10))
    world = World(SHOP, 3, start=now - HOUR, end=now, events_per_day=2_000_000, limits=limits)
    sink = Recorder()
    run.send(world, sink, now - HOUR, now)
    age = now.timestamp() * 1000 - np.array(sink.sent)
    marked = np.array(sink.backfill)
    assert marked[age > 600_000].all()
    assert not marked[age < 240_000].any()


def test_a_slice_without_length_is_refused(make_world):
    with pytest.raises(UsageError, match="nothing to send"):
        run.send(make_world(), CountSink(), END, END)


def test_a_file_has_a_line_for_each_event(make_world, tmp_path: Path):
    path = tmp_path / "deep" / "events.ndjson"
    counts = run.send(make_world(), FileSink(path), END - HOUR, END)
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == counts["events"]
    whole = [line for line in lines if line.startswith(b"{") and line.endswith(b"}")]
    assert len(whole) > 0.995 * len(lines)
    assert "event_id" in orjson.loads(whole[0])


def test_a_file_that_cannot_be_written_is_refused(make_world, tmp_path: Path):
    with pytest.raises(UsageError, match="cannot be written"):
        run.send(make_world(), FileSink(tmp_path), END - HOUR, END)


def test_live_sends_each_event_when_its_time_has_come_and_none_is_left_out():
    start = datetime.now(UTC) - timedelta(seconds=1)
    end = start + timedelta(seconds=3)
    world = World(SHOP, 5, start=start, end=end, events_per_day=2_000 * 86_400, seasonal=False)
    sink = Recorder()
    counts = run.live(world, sink, start, end)
    assert sink.values == [value for batch in world.events(start, end) for value in batch.values]
    assert counts["events"] == len(sink.values) == pytest.approx(6_000, rel=0.06)
    delay = np.array(sink.at) - np.array(sink.sent)
    assert delay.min() >= 0
    assert np.median(delay[np.array(sink.sent) > (start.timestamp() + 1.5) * 1000]) < 400


def test_live_ends_when_it_is_told_to():
    start = datetime.now(UTC)
    world = World(SHOP, 5, start=start, events_per_day=1_000 * 86_400, seasonal=False)
    counts = run.live(world, Recorder(), start, None, stopped=lambda: datetime.now(UTC) > start + timedelta(seconds=1))
    assert 300 < counts["events"] < 2_500
    assert datetime.now(UTC) < start + timedelta(seconds=4)


def test_labels_file_has_a_line_for_each_incident_and_none_for_none(make_world, tmp_path: Path):
    path = tmp_path / "labels" / "shop.ndjson"
    labels.write(make_world("bad-release").labels(), path)
    (record,) = (orjson.loads(line) for line in path.read_bytes().splitlines())
    assert record["cause"] == {"app_version": "5.3.0"}
    assert record["verdict"] == "bad data"
    labels.write(make_world("none").labels(), path)
    assert path.read_bytes() == b""
