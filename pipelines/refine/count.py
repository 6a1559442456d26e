"""Counts of one micro-batch, taken from its rows before anything is written.

One pass over the persisted batch gives the offsets it spans, the size of every class and the facts per window that the
verdict is later judged by.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.gold.partial_sums import window_start
from pipelines.refine.decisions import OffsetRange

Fact = dict[str, Any]


@dataclass(frozen=True)
class Counted:
    """Sizes of a batch: `rows_in = accepted + quarantined + duplicates`; `late` is a part of `accepted`."""

    batch_time: datetime
    offsets: tuple[OffsetRange, ...]
    rows_in: int
    accepted: int
    quarantined: int
    late: int
    groups: tuple[Row, ...]

    @property
    def duplicates(self) -> int:
        """Records that were read and did not survive de-duplication."""
        return self.rows_in - self.accepted - self.quarantined

    def facts(self, *, accepted: int, held: int) -> list[Fact]:
        """Counts per event-time window and class; accepted rows count as held when the batch holds them all."""
        accepted_as = "held" if held and not accepted else "silver"
        totals: dict[tuple[datetime, str, str], int] = {}
        for row in self.groups:
            if row["is_position"] or row["window_start"] is None:
                continue
            name = "quarantine" if row["reject_reason"] is not None else accepted_as
            keys = [(row["window_start"], name, row["reject_reason"] or "")]
            if row["reject_reason"] is None and row["late"]:
                keys.append((row["window_start"], "late", ""))
            for key in keys:
                totals[key] = totals.get(key, 0) + row["n"]
        return [
            {"window_start": window, "class": name, "reason": reason, "n": n}
            for (window, name, reason), n in sorted(totals.items())
        ]


def count(batch: DataFrame, contract: Contract) -> Counted:
    """Count a persisted batch of `transform` rows in one Spark job, which also fills its cache."""
    # An event time that a rule refused says nothing about when the event was. Its arrival does, unless it is history.
    plausible = F.col("event_time").isNotNull() & (
        F.col("reject_reason").isNull() | ~F.col("reject_reason").isin("future_event_time", "before_product")
    )
    timed = batch.withColumn(
        "fact_time", F.when(plausible, F.col("event_time")).when(~F.col("backfill"), F.col("arrived_at"))
    )
    groups = (
        timed.withColumn("window_start", F.when(~F.col("is_position"), window_start("fact_time", contract)))
        .groupBy("is_position", "reject_reason", "late", "window_start", "kafka_topic", "kafka_partition")
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.min("kafka_offset").alias("low"),
            F.max("kafka_offset").alias("high"),
            F.max("batch_time").alias("batch_time"),
        )
        .collect()
    )
    positions = [row for row in groups if row["is_position"]]
    rows = [row for row in groups if not row["is_position"]]
    offsets = tuple(
        OffsetRange(row["kafka_topic"], row["kafka_partition"], row["low"], row["high"] + 1)
        for row in sorted(positions, key=lambda r: (r["kafka_topic"], r["kafka_partition"]))
    )
    return Counted(
        batch_time=max((row["batch_time"] for row in groups), default=datetime.min),
        offsets=offsets,
        rows_in=sum(row["n"] for row in positions),
        accepted=sum(row["n"] for row in rows if row["reject_reason"] is None),
        quarantined=sum(row["n"] for row in rows if row["reject_reason"] is not None),
        late=sum(row["n"] for row in rows if row["reject_reason"] is None and row["late"]),
        groups=tuple(groups),
    )


def facts_of_duplicates(dropped: DataFrame, contract: Contract) -> list[Fact]:
    """Duplicates per window of their arrival: a dropped record's own event time was never parsed. History has none."""
    counts = (
        dropped.where("NOT backfill")
        .groupBy(window_start("arrived_at", contract).alias("window_start"))
        .count()
        .collect()
    )
    return [
        {"window_start": row["window_start"], "class": "duplicates", "reason": "", "n": row["count"]} for row in counts
    ]


def dropped_by_operator(spark: SparkSession, query_id: str) -> tuple[int, int]:
    """What Spark's own operator counted in the batch under way: duplicates dropped, rows dropped by the watermark."""
    query = spark._jsparkSession.sessionState().streamingQueryManager().get(query_id)
    plan = query.streamingQuery().lastExecution().executedPlan()
    pending, duplicates, behind, found = [plan], 0, 0, False
    while pending:
        node = pending.pop()
        if node.nodeName().startswith("StreamingDeduplicate"):
            metrics = node.metrics()
            duplicates += metrics.apply("numDroppedDuplicateRows").value()
            behind += metrics.apply("numRowsDroppedByWatermark").value()
            found = True
        children = node.children()
        pending.extend(children.apply(i) for i in range(children.size()))
    if not found:
        raise StateError("refine: the running plan has no de-duplication step", hint="report this, nothing was written")
    return duplicates, behind
