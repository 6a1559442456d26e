"""The command that lets a held batch through: an ordinary transaction beside the running stream.

Its id is made from the batch it releases, and every append carries it: sent twice, or killed half way and sent again,
the batch is in silver and gold once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import LongType, StringType, StructField, StructType, TimestampType

from pipelines.contract import Contract
from pipelines.errors import StateError, UsageError
from pipelines.gold.partial_sums import partial_sums
from pipelines.platform.kafka import OffsetRange
from pipelines.platform.settings import Settings
from pipelines.platform.tables import Tables, TableSpec
from pipelines.refine import tables as columns
from pipelines.refine.decisions import Decision, DecisionLog

COMMAND_LOG = StructType(
    [
        StructField("command_id", StringType()),
        StructField("command", StringType()),
        StructField("target_query_id", StringType()),
        StructField("target_batch_id", LongType()),
        StructField("actor", StringType()),
        StructField("reason", StringType()),
        StructField("at", TimestampType()),
        StructField("rows", LongType()),
        StructField("outcome", StringType()),
    ]
)


@dataclass(frozen=True)
class Released:
    """What a release did: its command id, and how many rows went to silver."""

    command_id: str
    rows: int


def release(
    spark: SparkSession, settings: Settings, contract: Contract, batch_id: int, *, actor: str, reason: str
) -> Released:
    """Append a held batch to silver and gold, and write down who did it and why.

    Raises:
        UsageError: no such batch is held, a reason is missing, or the batch was released before.
    """
    if not reason.strip():
        raise UsageError("a release needs a reason", hint='add --reason "why these rows are right"')
    refined = columns.tables(spark, settings, contract)
    commands = Tables(settings, [TableSpec(contract.product, "command_log", COMMAND_LOG)])
    commands.ensure()
    query_id, offsets = _held_batch(refined.read(spark, "batches"), contract.product, batch_id)
    command_id = f"command:release:{query_id}:{batch_id}"
    done = commands.read(spark, "command_log").where(F.col("command_id") == command_id).first()
    if done is not None:
        raise UsageError(
            f"batch {batch_id} of {contract.product} was released by {done['actor']} at {done['at']}: {done['reason']}",
            hint=f"pulseiq quality held list {contract.product}",
        )
    held = refined.read(spark, "held")
    held = held.where((F.col("query_id") == query_id) & (F.col("batch_id") == batch_id))
    held = held.withColumn("query_id", F.lit(command_id)).persist()
    try:
        rows = held.count()
        if not rows:
            raise StateError(f"batch {batch_id} is marked as held but has no rows", hint="pulseiq ledger")
        # The word comes before the deed: a rebuild after a crash in between does what was asked.
        DecisionLog(settings, contract).append(
            Decision("release", query_id, batch_id, "promote", offsets, actor=actor, reason=reason)
        )
        silver = held.select(refined.columns("silver"))
        gold = partial_sums(silver, contract, by=("batch_id", "query_id"))
        refined.append_all({"silver": silver, "gold": gold}, command_id, 0)
        entry = {
            "command_id": command_id,
            "command": "release",
            "target_query_id": query_id,
            "target_batch_id": batch_id,
            "actor": actor,
            "reason": reason,
            "at": datetime.now(UTC),
            "rows": rows,
            "outcome": "done",
        }
        commands.append_local("command_log", [entry], command_id, 0)
    finally:
        held.unpersist()
    return Released(command_id, rows)


def _held_batch(batches: DataFrame, product: str, batch_id: int) -> tuple[str, tuple[OffsetRange, ...]]:
    found = (
        batches.where((F.col("batch_id") == batch_id) & (F.col("held") > 0)).orderBy(F.col("batch_time").desc()).first()
    )
    if found is None:
        raise UsageError(f"product {product} holds no batch {batch_id}", hint=f"pulseiq quality held list {product}")
    return found["query_id"], tuple(OffsetRange(**each.asDict()) for each in found["offsets"])
