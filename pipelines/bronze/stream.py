"""The bronze query: every record of the product's topics as it came, bytes and position, appended once.

Bronze judges nothing. It is what a replay reads when Kafka no longer has the records.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DateType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.platform.epoch import Epoch
from pipelines.platform.kafka_records import stream_records
from pipelines.platform.logs import log_event
from pipelines.platform.settings import Settings
from pipelines.platform.tables import Tables, TableSpec, checkpoint_query_id, reporting

QUERY = "bronze"

SCHEMA = StructType(
    [
        StructField("key", BinaryType()),
        StructField("value", BinaryType()),
        StructField("topic", StringType()),
        StructField("partition", IntegerType()),
        StructField("offset", LongType()),
        StructField("timestamp", TimestampType()),
        StructField(
            "headers",
            ArrayType(StructType([StructField("key", StringType()), StructField("value", BinaryType())])),
        ),
        StructField("bronzed_at", TimestampType()),
        StructField("bronze_date", DateType()),
    ]
)


def spec(contract: Contract) -> TableSpec:
    """The table as it must be."""
    return TableSpec(
        contract.product,
        "bronze",
        SCHEMA,
        partition_by=("bronze_date",),
        statistics=("topic", "partition", "offset", "timestamp"),
    )


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
    tables = Tables(settings, [spec(contract)])
    tables.ensure()
    tables.refuse_foreign_checkpoint(QUERY)
    epoch = Epoch(settings)
    claimed: list[str] = []

    def append(batch: DataFrame, batch_id: int) -> None:
        started = time.monotonic()
        epoch.check()
        if not claimed:
            query_id = checkpoint_query_id(settings, contract.product, QUERY)
            if query_id is None:
                raise StateError("bronze: the checkpoint vanished", hint="pulseiq status")
            tables.claim(query_id)
            claimed.append(query_id)
            if tables.has("bronze", query_id, batch_id):
                # A driver died between table and checkpoint. Delta would skip the append, and nothing would be counted.
                log_event("batch", query=QUERY, product=contract.product, batch_id=batch_id, already_appended=True)
                return
        rows = Observation()
        observed = batch.observe(rows, F.count(F.lit(1)).alias("rows_in"))
        tables.append("bronze", observed, claimed[0], batch_id)
        log_event(
            "batch",
            query=QUERY,
            product=contract.product,
            batch_id=batch_id,
            rows_in=rows.get["rows_in"],
            seconds=round(time.monotonic() - started, 3),
        )

    records = (
        stream_records(spark, settings, contract, max_rows)
        .withColumn("bronzed_at", F.current_timestamp())
        .withColumn("bronze_date", F.to_date("bronzed_at"))
        .select(SCHEMA.names)
    )
    writer = (
        records.writeStream.queryName(f"{QUERY}-{contract.product}")
        .option("checkpointLocation", settings.checkpoint_uri(contract.product, QUERY))
        .foreachBatch(reporting(append, on_failure))
    )
    trigger = writer.trigger(availableNow=True) if once else writer.trigger(processingTime=f"{trigger_seconds} seconds")
    return trigger.start()
