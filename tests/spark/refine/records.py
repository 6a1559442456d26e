"""Records as Kafka's source gives them, for tests of what is done with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession

ARRIVED = datetime(2026, 11, 18, 15, tzinfo=UTC)
_COLUMNS = (
    "key binary, value binary, topic string, partition int, offset long, timestamp timestamp, "
    "headers array<struct<key:string,value:binary>>, arrived_at timestamp"
)


@dataclass(frozen=True)
class Record:
    """One record; `headers` as in Kafka, name -> value."""

    value: bytes | None
    key: bytes | None = None
    arrived_at: datetime = ARRIVED
    headers: Mapping[str, bytes] = field(default_factory=dict)


def frame(spark: SparkSession, records: Iterable[Record], topic: str, first_offset: int = 0) -> DataFrame:
    """Records of partition 3 of a topic, at offsets from the first one on."""
    rows = [
        (each.key, each.value, topic, 3, offset, each.arrived_at, list(each.headers.items()) or None, each.arrived_at)
        for offset, each in enumerate(records, start=first_offset)
    ]
    return spark.createDataFrame(rows, _COLUMNS)
