"""Columns of the tables that refine writes, made from the contract."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from pipelines.contract import Contract
from pipelines.contract.spark_schema import silver_schema
from pipelines.gold.partial_sums import partial_sums
from pipelines.gold.unchanged import refuse_changed
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.tables import Tables, TableSpec


def _fields(**columns: object) -> list[StructField]:
    return [StructField(name, kind) for name, kind in columns.items()]  # type: ignore[arg-type]


# Where a record stands in Kafka: the identity of an event in the ledger.
POSITION = _fields(kafka_topic=StringType(), kafka_partition=IntegerType(), kafka_offset=LongType())
# The quarantined record whose place a re-driven one takes, `topic/partition/offset`; null for all others.
REDRIVEN = _fields(redriven_from=StringType())
BATCH = _fields(batch_id=LongType(), query_id=StringType())
_ARRIVAL = _fields(late=BooleanType(), arrived_at=TimestampType())
_BYTES = _fields(kafka_key=BinaryType(), kafka_value=BinaryType())

QUARANTINE = StructType(
    [
        *POSITION,
        *_fields(
            event_id=StringType(),
            event_type=StringType(),
            event_time=TimestampType(),
            reason=StringType(),
            detail=StringType(),
            arrived_at=TimestampType(),
        ),
        *BATCH,
        *_BYTES,
        *REDRIVEN,
    ]
)
DUPLICATES = StructType([*POSITION, *_fields(event_id=StringType(), arrived_at=TimestampType()), *BATCH, *REDRIVEN])
QUALITY_RESULTS = StructType(
    [
        *BATCH,
        *_fields(
            batch_time=TimestampType(),
            check=StringType(),
            severity=StringType(),
            success=BooleanType(),
            errored=BooleanType(),
            observed=StringType(),
            expected=StringType(),
            rows=LongType(),
            why=StringType(),
            owner=StringType(),
        ),
    ]
)
_OFFSETS = ArrayType(
    StructType(_fields(topic=StringType(), partition=IntegerType(), from_offset=LongType(), until_offset=LongType()))
)
_FACTS = ArrayType(
    StructType(_fields(window_start=TimestampType(), **{"class": StringType()}, reason=StringType(), n=LongType()))
)
BATCHES = StructType(
    [
        *BATCH,
        *_fields(
            batch_time=TimestampType(),
            offsets=_OFFSETS,
            rows_in=LongType(),
            silver=LongType(),
            quarantine=LongType(),
            duplicates=LongType(),
            held=LongType(),
            late=LongType(),
            verdict=StringType(),
            seconds=DoubleType(),
            facts=_FACTS,
        ),
    ]
)


def silver(contract: Contract) -> StructType:
    """Columns of silver: the event, then when and where it arrived, then the batch that brought it."""
    return StructType([*silver_schema(contract).fields, *_ARRIVAL, *POSITION, *BATCH, *REDRIVEN])


def held(contract: Contract) -> StructType:
    """Columns of held: silver's, and the original bytes."""
    return StructType([*silver(contract).fields, *_BYTES])


def _nullable(kind: DataType) -> Any:
    """The same type with every part of it nullable."""
    if isinstance(kind, StructType):
        return StructType([StructField(field.name, _nullable(field.dataType)) for field in kind])
    if isinstance(kind, MapType):
        return MapType(_nullable(kind.keyType), _nullable(kind.valueType))
    return kind


def specs(spark: SparkSession, contract: Contract) -> tuple[TableSpec, ...]:
    """Every table of refine as it must be."""
    # A metric's struct is null where a leaf has no such event, and Delta would refuse it for a part declared not null.
    sums = _nullable(partial_sums(spark.createDataFrame([], silver(contract)), contract).schema)
    position = ("kafka_topic", "kafka_partition", "kafka_offset", "batch_id", "query_id")
    event = (*position, "event_time", "arrived_at")
    leaf = ("window_start", "batch_id", "query_id")
    product = contract.product
    return (
        TableSpec(product, "silver", silver(contract), statistics=event),
        TableSpec(product, "held", held(contract), statistics=event),
        TableSpec(product, "quarantine", QUARANTINE, statistics=(*event, "reason")),
        TableSpec(product, "duplicates", DUPLICATES, statistics=position),
        TableSpec(product, "gold", StructType([*sums.fields, *BATCH]), statistics=leaf),
        TableSpec(product, "quality_results", QUALITY_RESULTS),
        TableSpec(product, "batches", BATCHES, statistics=("query_id", "batch_id", "batch_time")),
    )


def tables(spark: SparkSession, settings: Settings, contract: Contract) -> Tables:
    """Every table of refine, to be read and appended to; StateError where the contract changed under its sums."""
    refuse_changed(Lake(settings), contract)
    return Tables(settings, specs(spark, contract))
