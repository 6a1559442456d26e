"""Kafka records as Spark frames: a product's topics as a stream, and an offset range as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from pipelines.contract import Contract
from pipelines.platform import kafka
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


def read_range(
    spark: SparkSession,
    settings: Settings,
    starting: Mapping[str, Mapping[str, int]],
    ending: Mapping[str, Mapping[str, int]],
) -> DataFrame:
    """The records with `starting <= offset < ending`, both as topic -> partition -> offset; columns as in a stream."""
    every = {topic: {**dict.fromkeys(_partitions(settings, topic), 0), **ranges} for topic, ranges in starting.items()}
    until = {topic: {**dict.fromkeys(_partitions(settings, topic), 0), **ranges} for topic, ranges in ending.items()}
    return (
        spark.read.format("kafka")
        .options(**kafka.spark_options(settings))
        .option("subscribe", ",".join(every))
        .option("startingOffsets", json.dumps(every))
        .option("endingOffsets", json.dumps(until))
        .load()
    )


def _partitions(settings: Settings, topic: str) -> list[str]:
    return [str(partition) for partition in kafka.end_offsets(settings, topic)]
