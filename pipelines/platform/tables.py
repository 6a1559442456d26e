"""Delta tables as Spark writes them: creation, idempotent appends, and the tie between a table and its query.

Delta skips, without a word, an append whose version is not above the last one of its application id, and batch ids
start at 0 again with a new checkpoint. So every append carries the id of the streaming query that makes it, each table
keeps that id, and a query with another id is refused before it reads a single record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from pipelines.errors import StateError

QUERY_ID_PROPERTY = "pulseiq.query_id"

# Deletion vectors and column mapping would lock out readers without a JVM; a checkpoint of the log every 50 commits
# keeps a micro-batch from paying for one every ten.
_PROPERTIES = {
    "delta.enableDeletionVectors": "false",
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": "interval 30 days",
}


@dataclass(frozen=True)
class TableSpec:
    """One table of the lake: where it is, its columns, and the columns its file statistics are kept for."""

    uri: str
    schema: StructType
    partition_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()


def ensure(spark: SparkSession, spec: TableSpec) -> None:
    """Create the table if it is missing; an existing one gains the columns it lacks and loses none."""
    if not DeltaTable.isDeltaTable(spark, spec.uri):
        builder = DeltaTable.createIfNotExists(spark).location(spec.uri).addColumns(spec.schema)
        for name, value in _PROPERTIES.items():
            builder = builder.property(name, value)
        if spec.statistics:
            builder = builder.property("delta.dataSkippingStatsColumns", ",".join(spec.statistics))
        if spec.partition_by:
            builder = builder.partitionedBy(*spec.partition_by)
        builder.execute()
        return
    present = {field.name for field in spark.read.format("delta").load(spec.uri).schema}
    missing = StructType([field for field in spec.schema if field.name not in present])
    if missing.fields:
        spark.createDataFrame([], missing).write.format("delta").mode("append").option("mergeSchema", "true").save(
            spec.uri
        )


def append(rows: DataFrame, uri: str, app_id: str, version: int) -> None:
    """Append once: a second append with the same application id and version changes nothing."""
    (
        rows.write.format("delta")
        .mode("append")
        .option("txnAppId", app_id)
        .option("txnVersion", version)
        .save(uri)
    )


def query_id_of(spark: SparkSession, uri: str) -> str | None:
    """Id of the streaming query that a table belongs to; None when the table is new or does not exist."""
    if not DeltaTable.isDeltaTable(spark, uri):
        return None
    detail = DeltaTable.forPath(spark, uri).detail().select("properties").first()
    return detail["properties"].get(QUERY_ID_PROPERTY) if detail else None


def claim(spark: SparkSession, uris: Sequence[str], query_id: str) -> None:
    """Write the query's id into each table that has none yet."""
    for uri in uris:
        if query_id_of(spark, uri) is None:
            spark.sql(f"ALTER TABLE delta.`{uri}` SET TBLPROPERTIES ('{QUERY_ID_PROPERTY}' = '{query_id}')")


def checkpoint_query_id(spark: SparkSession, checkpoint: str) -> str | None:
    """Id of the query that a checkpoint belongs to; None when there is no checkpoint."""
    jvm = spark._jvm
    assert jvm is not None
    path = jvm.org.apache.hadoop.fs.Path(f"{checkpoint}/metadata")
    filesystem = path.getFileSystem(spark._jsc.hadoopConfiguration())
    if not filesystem.exists(path):
        return None
    lines = spark.read.text(f"{checkpoint}/metadata").collect()
    return str(json.loads("".join(line["value"] for line in lines))["id"])


def refuse_foreign_checkpoint(spark: SparkSession, query: str, checkpoint: str, uris: Sequence[str]) -> None:
    """Raise StateError when a table was written by a query other than the checkpoint's.

    Such a start would read the topic from its beginning and have its first batches skipped, or write everything twice.
    """
    found = checkpoint_query_id(spark, checkpoint)
    for uri in uris:
        owner = query_id_of(spark, uri)
        if owner is not None and owner != found:
            state = "is missing" if found is None else f"belongs to query {found}"
            raise StateError(
                f"{query}: table {uri} was written by query {owner}, but the checkpoint {checkpoint} {state}",
                hint="restore that checkpoint, or rebuild the lake from Kafka with `pulseiq replay PRODUCT`",
            )


def reporting(
    process: Callable[[DataFrame, int], None], on_failure: Callable[[BaseException], object]
) -> Callable[[DataFrame, int], None]:
    """`process` for foreachBatch, its exception handed on before Spark turns it into text."""

    def call(batch: DataFrame, batch_id: int) -> None:
        try:
            process(batch, batch_id)
        except BaseException as error:
            on_failure(error)
            raise

    return call
