"""The refine query: Kafka records -> classified, de-duplicated rows."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery

from pipelines.contract import Contract
from pipelines.platform.kafka_records import stream_records
from pipelines.platform.settings import Settings
from pipelines.platform.tables import reporting
from pipelines.refine.batch import QUERY, RefineBatch
from pipelines.refine.rules import classify


def transform(records: DataFrame, contract: Contract) -> DataFrame:
    """Classify, then drop twins; the one transformation of refine, whatever the source is.

    A record arrives when the broker appends it (`timestamp`), so a replay classifies as the first run did. Twins are
    dropped on the batch's own time, which only grows: a watermark on event time drops rows behind it without a word.
    Null ids compare equal, and a rejected event must not swallow a good one: both count under their own position.

    Returns:
        `classify`'s columns plus `batch_time`. Only rejected rows keep their bytes.
    """
    classified = classify(records.withColumn("arrived_at", F.col("timestamp")), contract)
    position = F.concat_ws("/", F.lit("#"), "kafka_topic", "kafka_partition", "kafka_offset")
    # What a person rejected and corrects has its id among those seen: of its corrections one is kept.
    identity = F.concat(F.when(F.col("known_id"), "#redriven/").otherwise(""), "event_id")
    # An accepted event's bytes are in bronze and in Kafka; without them half as much is shuffled and kept in memory.
    refused = F.col("reject_reason").isNotNull()
    bare = classified.withColumns({name: F.when(refused, F.col(name)) for name in ("kafka_key", "kafka_value")})
    return (
        _settled(bare)
        .withColumn("batch_time", F.current_timestamp())
        .withColumn("twin_key", F.when(refused | F.col("event_id").isNull(), position).otherwise(identity))
        .withWatermark("batch_time", f"{int(contract.dedup_horizon.total_seconds())} seconds")
        .dropDuplicatesWithinWatermark(["twin_key"])
        .drop("twin_key", "known_id")
    )


def _settled(rows: DataFrame) -> DataFrame:
    """The same rows, counted, and with that in a stage of code of their own.

    The time of a batch is written into the source of the stage that it is computed in. Without a border between the two
    the row rules would be compiled anew for every batch, and none would ever run warm.
    """
    return rows.observe("classified", F.count(F.lit(1)).alias("rows"))


def start(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    *,
    once: bool,
    max_rows: int,
    trigger_seconds: float,
    on_failure: Callable[[BaseException], object],
) -> StreamingQuery:
    """Start the query; `once` reads what is there and stops. What kills a batch is told to `on_failure`."""
    records = stream_records(spark, settings, contract, max_rows)
    process = RefineBatch(spark, settings, contract)
    writer = (
        transform(records, contract)
        .writeStream.queryName(f"{QUERY}-{contract.product}")
        .option("checkpointLocation", settings.checkpoint_uri(contract.product, QUERY))
        .outputMode("append")
        .foreachBatch(reporting(process, on_failure))
    )
    trigger = writer.trigger(availableNow=True) if once else writer.trigger(processingTime=f"{trigger_seconds} seconds")
    return trigger.start()
