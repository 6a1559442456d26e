"""Row rules: Kafka records -> events with a reason where one is refused. Compiled from the contract to Spark SQL.

Only narrow transformations and no Python per row, so the same frame works on a stream and on a table. Every record
comes out again; a refused one keeps its bytes. Steps: bytes -> text -> values -> judgement -> silver's columns.
Reasons: null_value, empty_value, too_large, invalid_utf8, too_deep, truncated_json, not_json, wrong_type,
missing_field, unknown_event_type, unknown_version, future_event_time, before_product, out_of_range, wrong_key.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract, Field
from pipelines.contract.spark_schema import silver_schema
from pipelines.refine import doubt, reading, redriven
from pipelines.refine.judging import Judge, is_version, over_version
from pipelines.refine.reading import Reader

BACKFILL_HEADER = "pulseiq-backfill"


def classify(records: DataFrame, contract: Contract) -> DataFrame:
    """Parse and judge records.

    Args:
        records: Kafka's columns (`key`, `value`, `topic`, `partition`, `offset`, `timestamp`, and `headers`) and
            `arrived_at`.
        contract: the product.

    Returns:
        The event's columns (`silver_schema`), `late`, `backfill`, `known_id`, `arrived_at`, `kafka_topic`,
        `kafka_partition`, `kafka_offset`, `redriven_from`, `kafka_key`, `kafka_value`, `reject_reason` and
        `reject_detail` (null for an accepted event).
    """
    reader = Reader(contract)
    received = records.select(
        F.col("topic").alias("kafka_topic"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("key").alias("kafka_key"),
        F.col("value").alias("kafka_value"),
        "arrived_at",
        is_backfill(records).alias("k_backfill"),
        redriven.taken_from(records, contract).alias("redriven_from"),
        redriven.is_known(records, contract).alias("known_id"),
        redriven.first_position(records, contract).alias("k_position"),
        reader.text().alias("k_text"),
    )
    parsed = received.withColumn("k_event", reader.parsed("k_text"))
    read = parsed.select("*", *reader.values("k_event")).drop("k_event")
    # Used by many rules: computed once here, where no branch of a condition can compute them again.
    known = read.withColumns(
        {
            "k_id": reader.event_id(),
            "k_time": F.expr(reader.time()),
            "k_version": F.expr(reader.version()),
            "k_doubtful": F.expr(doubt.is_doubtful(reader)),
            "k_other_names": F.expr(doubt.has_other_names()),
        }
    )
    exact = known.withColumn("k_variant", F.expr(doubt.variant()))
    doubted = exact.withColumn("k_doubt", F.expr(doubt.verdict(reader)))
    judged = doubted.withColumn("k_reject", F.expr(Judge(reader).sql()))
    return judged.select(
        *_silver_columns(reader),
        _late(contract).alias("late"),
        F.col("k_backfill").alias("backfill"),
        "known_id",
        "arrived_at",
        "kafka_topic",
        "kafka_partition",
        "kafka_offset",
        "redriven_from",
        "kafka_key",
        "kafka_value",
        F.substring_index("k_reject", "|", 1).alias("reject_reason"),
        F.expr("substring(k_reject, instr(k_reject, '|') + 1)").alias("reject_detail"),
    )


def event_id_of(records: DataFrame, contract: Contract) -> Column:
    """The event_id that `classify` gives an accepted record, straight from `value`, without parsing the whole event."""
    return reading.event_id(contract, redriven.first_position(records, contract))


def _silver_columns(reader: Reader) -> list[Column]:
    """The event's columns in silver's order and types."""
    contract = reader.contract
    sql: dict[str, str] = {
        "event_id": "k_id",
        "event_type": reader.as_text(contract.envelope.event_type),
        "schema_version": "k_version",
        "event_time": "k_time",
        **{name: reader.as_text(source) for name, source in contract.dimension_sources.items()},
    }
    for event in contract.events.values():
        for field in event.newest.fields:
            sql.setdefault(field.column, _value(reader, field))
    return [F.expr(sql[field.name]).cast(field.dataType).alias(field.name) for field in silver_schema(contract).fields]


def _value(reader: Reader, field: Field) -> str:
    """SQL of a payload column: what the event has at its path, or what an older version's upgrade makes of it."""
    own = reader.columns[field.path]
    upgrades = [
        f"WHEN {is_version(reader, event, version)} THEN {over_version(reader, version, version.upgrade[field.column])}"
        for event in reader.contract.events.values()
        for version in event.versions
        if field.column in version.upgrade
    ]
    return f"CASE {' '.join(upgrades)} ELSE {own} END" if upgrades else own


def _late(contract: Contract) -> Column:
    """Whether the event arrived later than the contract allows; bulk history and logs of the past are never late."""
    if contract.clock == "event":
        return F.lit(False)
    allowed = int(contract.allowed_lateness.total_seconds() * 1_000_000)
    return F.expr(f"NOT k_backfill AND coalesce(unix_micros(arrived_at) - unix_micros(k_time) > {allowed}, false)")


def is_backfill(records: DataFrame) -> Column:
    """Whether a record says that it is history sent in bulk: its arrival then says nothing about its time."""
    if "headers" not in records.columns:
        return F.lit(False)
    return F.coalesce(F.exists("headers", lambda header: header["key"] == BACKFILL_HEADER), F.lit(False))
