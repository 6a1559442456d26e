"""Records that de-duplication dropped: the offsets that were read and did not survive, read from Kafka once more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.platform.kafka import OffsetRange
from pipelines.platform.kafka_records import read_range
from pipelines.platform.settings import Settings
from pipelines.refine import reading, redriven
from pipelines.refine.facts import POSITION
from pipelines.refine.rules import event_id_of, is_backfill

_PARTITION = POSITION[:2]

NONE = pa.schema(
    [
        ("kafka_topic", pa.string()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
        ("event_id", pa.string()),
        ("event_time", pa.timestamp("us", tz="UTC")),
        ("arrived_at", pa.timestamp("us", tz="UTC")),
        ("backfill", pa.bool_()),
        ("redriven_from", pa.string()),
    ]
).empty_table()


def missing(kept: pa.Table, offsets: Iterable[OffsetRange]) -> pa.Table:
    """Positions within `offsets` that are not in `kept`.

    Args:
        kept: columns `kafka_topic`, `kafka_partition`, `kafka_offset`.
        offsets: what was read. Offsets that hold no record, such as the end of a transaction, are among the result.

    Returns:
        The same three columns.
    """
    positions = kept.to_pandas()
    by_partition = {key: rows.to_numpy() for key, rows in positions.groupby(_PARTITION, observed=True)["kafka_offset"]}
    found = []
    for each in offsets:
        survived = by_partition.get((each.topic, each.partition), np.empty(0, dtype=np.int64))
        gone = np.setdiff1d(np.arange(each.from_offset, each.until_offset), survived, assume_unique=True)
        found.append(
            pa.table(
                {
                    "kafka_topic": pa.array([each.topic] * len(gone), pa.string()),
                    "kafka_partition": pa.array([each.partition] * len(gone), pa.int32()),
                    "kafka_offset": pa.array(gone, pa.int64()),
                }
            )
        )
    # In one piece: of a table whose first pieces are empty, Spark takes no row at all.
    return pa.concat_tables(found).combine_chunks() if found else kept.slice(0, 0)


def read_again(spark: SparkSession, settings: Settings, contract: Contract, positions: pa.Table) -> pa.Table:
    """The records at the given positions, without their bytes; none where an offset holds no record.

    Returns:
        Columns `kafka_topic`, `kafka_partition`, `kafka_offset`, `event_id`, `event_time`, `arrived_at`, `backfill`
        and `redriven_from`.
    """
    rows = positions.to_pandas().groupby(_PARTITION, observed=True)["kafka_offset"].agg(["min", "max"])
    spans = [
        OffsetRange(topic, int(partition), int(low), int(high) + 1)
        for (topic, partition), low, high in rows.itertuples(name=None)
    ]
    wanted = spark.createDataFrame(positions).toDF("topic", "partition", "offset")
    # Joined before anything is parsed: all but a few of the records are of no interest.
    records = read_range(spark, settings, spans).join(F.broadcast(wanted), ["topic", "partition", "offset"])
    return (
        reading.with_event_time(records, contract)
        .select(
            *_renamed(POSITION),
            event_id_of(records, contract).alias("event_id"),
            "event_time",
            F.col("timestamp").alias("arrived_at"),
            is_backfill(records).alias("backfill"),
            redriven.taken_from(records, contract).alias("redriven_from"),
        )
        .toArrow()
    )


def with_bytes(rows: DataFrame, settings: Settings, offsets: Iterable[OffsetRange]) -> DataFrame:
    """Rows with columns `kafka_topic`, `kafka_partition`, `kafka_offset`, and their records' key and value."""
    records = read_range(rows.sparkSession, settings, offsets)
    return rows.join(records.select(*_renamed([*POSITION, "kafka_key", "kafka_value"])), POSITION)


def _renamed(names: Sequence[str]) -> list[Column]:
    return [F.col(name.removeprefix("kafka_")).alias(name) for name in names]
