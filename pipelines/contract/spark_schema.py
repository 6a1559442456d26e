"""The contract as Spark types."""

from __future__ import annotations

from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from pipelines.contract.model import Contract, Type

SPARK_TYPES: dict[Type, DataType] = {
    "string": StringType(),
    "integer": LongType(),
    "number": DoubleType(),
    "boolean": BooleanType(),
}


def silver_schema(contract: Contract) -> StructType:
    """An accepted event: the envelope, the dimensions, then every type's payload columns (null where it has none)."""
    return StructType(
        [
            StructField("event_id", StringType()),
            StructField("event_type", StringType()),
            StructField("schema_version", IntegerType()),
            StructField("event_time", TimestampType()),
            *[StructField(name, StringType()) for name in contract.dimensions],
            *[StructField(name, SPARK_TYPES[kind]) for name, kind in contract.columns.items()],
        ]
    )
