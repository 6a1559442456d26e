"""Facts of a batch: what is counted in which window."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.platform.kafka import OffsetRange
from pipelines.refine.count import Counted, count, count_collected, inputs
from pipelines.refine.dropped import missing

EVENT = datetime(2026, 11, 1, 10, 2, tzinfo=UTC)
ARRIVAL = datetime(2026, 11, 20, 12, 1, tzinfo=UTC)
SCHEMA = (
    "reject_reason string, late boolean, backfill boolean, event_time timestamp, arrived_at timestamp, "
    "kafka_value binary, kafka_topic string, kafka_partition int"
)


@pytest.fixture(scope="module")
def batch(spark: SparkSession) -> DataFrame:
    rows = [
        (None, False, True, EVENT),
        (None, True, False, EVENT),
        ("not_json", None, True, None),
        ("not_json", None, False, None),
        ("future_event_time", None, False, datetime(2036, 1, 1, tzinfo=UTC)),
    ]
    # The last one was sent again, by the topic for that.
    places = [*[("shop.events", 0)] * 2, *[("shop.events", 3)] * 2, ("shop.events.redrive", 0)]
    return spark.createDataFrame(
        [(*row, ARRIVAL, b"12345" if row[0] else None, *place) for row, place in zip(rows, places, strict=True)], SCHEMA
    )


def windows(facts: list[dict[str, object]]) -> set[tuple[datetime, object, object, object]]:
    return {
        (each["window_start"].astimezone(UTC), each["class"], each["reason"], each["n"])  # type: ignore[attr-defined]
        for each in facts
    }


def in_the_drivers_hands(batch: DataFrame, contract: Contract) -> Counted:
    return count_collected(batch.withColumns(inputs(contract)).toArrow(), contract)


@pytest.mark.parametrize("way", [count, in_the_drivers_hands])
def test_every_row_counts_and_history_without_a_time_belongs_to_no_window(
    batch: DataFrame, way: Callable[[DataFrame, Contract], Counted]
) -> None:
    counted = way(batch, contracts.load("shop"))
    assert (counted.rows, counted.accepted, counted.quarantined, counted.late) == (5, 2, 3, 1)
    assert counted.refused_bytes == 15
    event, arrival = EVENT.replace(minute=0), ARRIVAL.replace(minute=0)
    assert windows(counted.facts(accepted=2, held=0)) == {
        (event, "silver", "", 2),
        (event, "late", "", 1),
        (arrival, "quarantine", "not_json", 1),
        (arrival, "quarantine", "future_event_time", 1),
        (event, "partition", "shop.events-0", 2),
        (arrival, "partition", "shop.events-3", 1),
    }


def test_missing_positions_reach_spark_whole_when_only_the_last_partition_has_any(spark: SparkSession) -> None:
    kept = spark.createDataFrame(
        [("t", 0, 0), ("t", 1, 0)], "kafka_topic string, kafka_partition int, kafka_offset bigint"
    )
    gone = missing(kept.toArrow(), [OffsetRange("t", 0, 0, 1), OffsetRange("t", 1, 0, 1), OffsetRange("t", 2, 0, 2)])
    assert [tuple(row) for row in spark.createDataFrame(gone).collect()] == [("t", 2, 0), ("t", 2, 1)]
