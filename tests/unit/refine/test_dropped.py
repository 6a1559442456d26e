"""Which records de-duplication dropped, and when they arrived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from pipelines.platform.kafka import OffsetRange
from pipelines.refine.count import facts_of_duplicates
from pipelines.refine.dropped import missing

ARRIVAL = datetime(2026, 11, 20, 12, 1, tzinfo=UTC)


def positions(*rows: tuple[str, int, int]) -> pa.Table:
    topics, partitions, offsets = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "kafka_topic": pa.array(topics, pa.string()),
            "kafka_partition": pa.array(partitions, pa.int32()),
            "kafka_offset": pa.array(offsets, pa.int64()),
        }
    )


def found(kept: pa.Table, *ranges: OffsetRange) -> list[tuple[str, int, int]]:
    return [tuple(row.values()) for row in missing(kept, ranges).to_pylist()]


def test_missing_is_what_was_read_and_not_kept():
    kept = positions(("a", 0, 11), ("a", 0, 10), ("a", 1, 12), ("b", 0, 13))
    ranges = OffsetRange("a", 0, 10, 14), OffsetRange("a", 1, 12, 13), OffsetRange("b", 0, 12, 14)
    assert found(kept, *ranges) == [("a", 0, 12), ("a", 0, 13), ("b", 0, 12)]


def test_a_batch_of_which_nothing_is_kept_is_missing_whole():
    assert found(positions(), OffsetRange("a", 2, 5, 7)) == [("a", 2, 5), ("a", 2, 6)]


def test_duplicates_belong_to_the_window_of_their_arrival_and_those_of_history_to_that_of_their_events():
    arrivals = [ARRIVAL, ARRIVAL + timedelta(minutes=58), ARRIVAL + timedelta(hours=1), ARRIVAL, ARRIVAL]
    backfill = [False, False, False, True, True]
    events = [ARRIVAL - timedelta(days=2)] * 4 + [None]
    columns = {"event_time": pa.array(events, pa.timestamp("us", tz="UTC")), "arrived_at": pa.array(arrivals)}
    facts = facts_of_duplicates(pa.table({**columns, "backfill": backfill}), timedelta(hours=1))
    start = ARRIVAL.replace(minute=0)
    assert [(each["window_start"], each["class"], each["n"]) for each in facts] == [
        (start - timedelta(days=2), "duplicates", 1),
        (start, "duplicates", 2),
        (start + timedelta(hours=1), "duplicates", 1),
    ]
