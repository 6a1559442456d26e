"""Kafka records as Spark frames: a product's topics as a stream, and an offset range as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pyspark.sql import DataFrame, SparkSession

from pipelines.contract import Contract
from pipelines.platform import kafka
from pipelines.platform.kafka import OffsetRange
from pipelines.platform.settings import Settings


def stream_records(spark: SparkSession, settings: Settings, contract: Contract, max_rows: int) -> DataFrame:
    """Both topics of a product as a stream, oldest record first, `max_rows` a batch at the most.

    Columns: key, value (binary), topic, partition, offset, timestamp (the broker's append time), headers.
    """
    return (
        spark.readStream.format("kafka")
        .options(**kafka.spark_options(settings))
        .option("subscribe", f"{contract.topic},{contract.redrive_topic}")
        .option("startingOffsets", "earliest")
        .option("includeHeaders", "true")
        .option("failOnDataLoss", "true")
        .option("maxOffsetsPerTrigger", max_rows)
        .load()
    )


def read_range(spark: SparkSession, settings: Settings, ranges: Iterable[OffsetRange]) -> DataFrame:
    """The records of some ranges, with the columns of a stream. Topics without a range are not read."""
    starting: dict[str, dict[str, int]] = {}
    ending: dict[str, dict[str, int]] = {}
    for each in ranges:
        for bounds, offset in ((starting, each.from_offset), (ending, each.until_offset)):
            # Every partition of a topic must be named.
            bounds.setdefault(each.topic, dict.fromkeys(_partitions(settings, each.topic), 0))
            bounds[each.topic][str(each.partition)] = offset
    return (
        spark.read.format("kafka")
        .options(**kafka.spark_options(settings))
        .option("subscribe", ",".join(starting))
        .option("startingOffsets", json.dumps(starting))
        .option("endingOffsets", json.dumps(ending))
        .option("includeHeaders", "true")
        .load()
    )


def _partitions(settings: Settings, topic: str) -> list[str]:
    return [str(partition) for partition in kafka.end_offsets(settings, topic)]
