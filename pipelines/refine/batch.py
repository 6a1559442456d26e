"""One micro-batch of refine: count it, let the gate judge it, append each part once.

Order of what becomes durable: the verdict (a record of the decisions topic), then silver, held and gold together, then
quarantine, duplicates and quality results together, last the row of `batches`. A driver killed anywhere in between
does the batch again: the verdict is read back, what is already appended is skipped, what is missing is added.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.gold.partial_sums import partial_sums
from pipelines.platform import kafka, tables
from pipelines.platform.epoch import Epoch
from pipelines.platform.kafka_records import read_range
from pipelines.platform.logs import log_event
from pipelines.platform.settings import Settings
from pipelines.refine import tables as columns
from pipelines.refine.count import Counted, count, dropped_by_operator, facts_of_duplicates
from pipelines.refine.decisions import Decision, DecisionLog, OffsetRange, Recorded, overlap
from quality.gate import Gate
from quality.verdict import Verdict

QUERY = "refine"

# The gate sees at most this many rows of a batch, chosen by a hash of the event's id, the same ones on every run.
GATE_ROWS = 200_000

_POSITION = [field.name for field in columns.POSITION]
_BYTES = ("kafka_key", "kafka_value")


class RefineBatch:
    """The function that refine's query calls for every micro-batch."""

    def __init__(self, spark: SparkSession, settings: Settings, contract: Contract) -> None:
        # The session that knows the query; a batch comes with a clone that does not.
        self._spark = spark
        self._settings = settings
        self._contract = contract
        self._tables = columns.tables(spark, settings, contract)
        self._tables.ensure()
        self._tables.refuse_foreign_checkpoint(QUERY, self._checkpoint_id())
        self._gate = Gate(contract)
        self._log = DecisionLog(settings, contract)
        self._epoch = Epoch(settings)
        self._query_id = ""
        self._recorded = Recorded()
        self._verdicts: dict[int, str] = {}
        self._ever_held = False
        self._latest_batch_time: datetime | None = None

    def __call__(self, batch: DataFrame, batch_id: int) -> None:
        """Process one micro-batch; raises StateError before the first append when its counts contradict each other."""
        started = time.monotonic()
        spark = batch.sparkSession
        self._begin()
        # Stamped here and nowhere later: a number in a query becomes part of its source, which would be new every time.
        stamp = {"batch_id": F.lit(batch_id).cast("bigint"), "query_id": F.lit(self._query_id)}
        batch = batch.withColumns(stamp).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            counted = count(batch, self._contract)
            if counted.rows_in:
                self._verify(counted, batch_id)
                self._process(spark, batch, batch_id, counted, started)
        finally:
            batch.unpersist()

    def _begin(self) -> None:
        self._epoch.check()
        if self._query_id:
            return
        query_id = self._checkpoint_id()
        if query_id is None:
            raise StateError("refine: the checkpoint vanished", hint="pulseiq status")
        self._tables.claim(query_id)
        decisions = self._log.read()
        self._recorded = Recorded.of(decisions, without=query_id)
        own = [each for each in decisions if each.query_id == query_id and each.kind == "batch"]
        self._verdicts = {each.batch_id: each.verdict for each in own}
        self._ever_held = bool(self._recorded.held) or any(each.verdict == "hold" for each in own)
        self._query_id = query_id

    def _checkpoint_id(self) -> str | None:
        return tables.checkpoint_query_id(self._settings, self._contract.product, QUERY)

    def _verify(self, counted: Counted, batch_id: int) -> None:
        """The counters that Spark keeps must agree with what was counted from the rows."""
        horizon = self._contract.dedup_horizon
        if self._latest_batch_time and counted.batch_time < self._latest_batch_time - horizon / 2:
            raise StateError(
                f"refine: batch {batch_id} is stamped {counted.batch_time}, more than half the de-duplication horizon "
                f"before the one at {self._latest_batch_time}: this machine's clock was set back",
                hint="set the clock right and start again",
            )
        self._latest_batch_time = max(counted.batch_time, self._latest_batch_time or counted.batch_time)
        duplicates, behind = dropped_by_operator(self._spark, self._query_id)
        if behind or duplicates != counted.duplicates:
            raise StateError(
                f"refine: batch {batch_id}: {counted.duplicates} duplicates by counting rows, {duplicates} by Spark's "
                f"operator, {behind} rows dropped behind the watermark; nothing was written",
                hint="start again; if it repeats, rebuild with `pulseiq replay`",
            )

    def _process(self, spark: SparkSession, batch: DataFrame, batch_id: int, counted: Counted, started: float) -> None:
        rows = batch.where(~F.col("is_position"))
        accepted = rows.where("reject_reason IS NULL")
        again = batch_id in self._verdicts

        fresh, replayed = self._fresh_rows(accepted, counted)
        verdict = self._judge(fresh, counted, replayed)
        outcome = self._verdicts.get(batch_id, verdict.outcome)
        if not again:
            self._log.append(Decision("batch", self._query_id, batch_id, outcome, counted.offsets))
            self._verdicts[batch_id] = outcome
        self._ever_held = self._ever_held or outcome == "hold"

        decided = accepted.withColumn("decided", self._row_outcome(outcome, replayed))
        parts = {name: decided.where(F.col("decided") == name) for name in ("silver", "held", "rejected")}
        for name in ("held", "rejected"):
            parts[name] = self._with_bytes(spark, parts[name].drop(*_BYTES), counted.offsets)
        sizes = dict.fromkeys(parts, 0)
        if replayed:
            sizes.update({row["decided"]: row["count"] for row in decided.groupBy("decided").count().collect()})
        else:
            sizes["held" if outcome == "hold" else "silver"] = counted.accepted
        silver = parts["silver"].select(self._tables.columns("silver"))
        held = parts["held"].select(self._tables.columns("held"))
        if again:
            silver = self._already_appended(spark, "silver", batch_id, silver)
            held = self._already_appended(spark, "held", batch_id, held)
        gold = partial_sums(silver, self._contract, by=("batch_id", "query_id"))
        self._append(
            batch_id,
            {
                "silver": silver if sizes["silver"] else None,
                "gold": gold if sizes["silver"] else None,
                "held": held if sizes["held"] else None,
            },
        )

        bad = rows.where("reject_reason IS NOT NULL").unionByName(
            parts["rejected"]
            .drop("decided")
            .withColumns(
                {
                    "reject_reason": F.lit("rejected"),
                    "reject_detail": F.lit("a person rejected the held batch it was in"),
                }
            )
        )
        quarantine_size = counted.quarantined + sizes["rejected"]
        dropped, duplicates, twins = None, None, None
        twins_size = 0
        if counted.duplicates:
            kept = silver.select(_POSITION).union(held.select(_POSITION)).union(bad.select(_POSITION))
            dropped = batch.where("is_position").join(kept, _POSITION, "left_anti").persist()
            if self._ever_held:
                twins = self._quarantined_twins(spark, self._twins_of_held(spark, dropped, held), counted.offsets)
                twins = twins.persist()
                twins_size = twins.count()
                dropped = dropped.join(twins.select(_POSITION), _POSITION, "left_anti")
            duplicates = dropped.select(self._tables.columns("duplicates"))
        quarantine = bad.withColumnsRenamed({"reject_reason": "reason", "reject_detail": "detail"}).select(
            self._tables.columns("quarantine")
        )
        if twins is not None and twins_size:
            quarantine = quarantine.unionByName(twins.select(self._tables.columns("quarantine")))
        results = [self._result_row(each, batch_id, counted.batch_time) for each in verdict.rows()]
        self._append(
            batch_id,
            {
                "quarantine": quarantine if quarantine_size + twins_size else None,
            },
        )
        if duplicates is not None and counted.duplicates - twins_size:
            # A batch's worth of positions fits the driver, whatever is in the events.
            self._tables.append_arrow("duplicates", duplicates.toArrow(), self._query_id, batch_id)
        if results:
            self._tables.append_local("quality_results", results, self._query_id, batch_id)

        facts = counted.facts(held=sizes["held"], accepted=sizes["silver"])
        if dropped is not None:
            facts += facts_of_duplicates(dropped, self._contract)
        seconds = round(time.monotonic() - started, 3)
        row = {
            "query_id": self._query_id,
            "batch_id": batch_id,
            "batch_time": counted.batch_time,
            "offsets": [vars(each) for each in counted.offsets],
            "rows_in": counted.rows_in,
            "silver": sizes["silver"],
            "quarantine": quarantine_size + twins_size,
            "duplicates": counted.duplicates - twins_size,
            "held": sizes["held"],
            "late": counted.late,
            "verdict": outcome,
            "seconds": seconds,
            "facts": facts,
        }
        self._epoch.check()
        self._tables.append_local("batches", [row], self._query_id, batch_id)
        self._report(row, seconds)

    def _fresh_rows(self, accepted: DataFrame, counted: Counted) -> tuple[DataFrame, bool]:
        """Accepted rows without a recorded verdict, and whether any offset of the batch has one."""
        covered = overlap(counted.offsets, self._recorded.covered)
        return (accepted.where(~_within(covered)), True) if covered else (accepted, False)

    def _judge(self, fresh: DataFrame, counted: Counted, replayed: bool) -> Verdict:
        """The gate's verdict on the rows that nobody has judged yet."""
        total = fresh.count() if replayed else counted.accepted
        if not total:
            return Verdict("promote", ())
        sample = fresh
        if total > GATE_ROWS:
            sample = fresh.where(F.expr(f"pmod(xxhash64(event_id), {total}) < {GATE_ROWS}"))
        events = sample.select(list(self._gate.columns)).toPandas()
        return self._gate.check(events, rows_total=total, batch_time=counted.batch_time)

    def _row_outcome(self, outcome: str, replayed: bool) -> Column:
        """Where an accepted row goes: `silver`, `held` or `rejected`."""
        judged = F.lit("held" if outcome == "hold" else "silver")
        if not replayed:
            return judged
        return (
            F.when(_within(self._recorded.rejected), "rejected")
            .when(_within(self._recorded.held), "held")
            .when(_within(self._recorded.covered), "silver")
            .otherwise(judged)
        )

    def _already_appended(self, spark: SparkSession, name: str, batch_id: int, rows: DataFrame) -> DataFrame:
        """The rows that this batch appended before a crash, which stand; the given ones when it appended none.

        Which of two twins survives can differ between two runs; the table's word counts.
        """
        stored = self._tables.read(spark, name)
        stored = stored.where((F.col("query_id") == self._query_id) & (F.col("batch_id") == batch_id))
        return rows if stored.isEmpty() else stored.select(rows.columns)

    def _twins_of_held(self, spark: SparkSession, dropped: DataFrame, held: DataFrame) -> DataFrame:
        """Dropped records whose twin is held: if the batch is rejected they are all that is left of the event."""
        stored = self._tables.read(spark, "held").select("event_id")
        return dropped.join(stored.union(held.select("event_id")).distinct(), "event_id", "left_semi")

    def _quarantined_twins(self, spark: SparkSession, twins: DataFrame, offsets: tuple[OffsetRange, ...]) -> DataFrame:
        bare = twins.select(*_POSITION, "event_id", "arrived_at", "batch_id", "query_id")
        return self._with_bytes(spark, bare, offsets).withColumns(
            {
                "event_type": F.lit(None).cast("string"),
                "event_time": F.lit(None).cast("timestamp"),
                "reason": F.lit("twin_held"),
                "detail": F.lit("a record with the same event_id is in a held batch"),
            }
        )

    def _with_bytes(self, spark: SparkSession, rows: DataFrame, offsets: tuple[OffsetRange, ...]) -> DataFrame:
        """Rows of the batch with their records' key and value, read from Kafka once more."""
        starting: dict[str, dict[str, int]] = {}
        ending: dict[str, dict[str, int]] = {}
        for each in offsets:
            starting.setdefault(each.topic, {})[str(each.partition)] = each.from_offset
            ending.setdefault(each.topic, {})[str(each.partition)] = each.until_offset
        records = read_range(spark, self._settings, starting, ending).select(
            F.col("topic").alias("kafka_topic"),
            F.col("partition").alias("kafka_partition"),
            F.col("offset").alias("kafka_offset"),
            F.col("key").alias("kafka_key"),
            F.col("value").alias("kafka_value"),
        )
        return rows.join(records, _POSITION)

    def _append(self, batch_id: int, parts: Mapping[str, DataFrame | None]) -> None:
        present = {name: rows for name, rows in parts.items() if rows is not None}
        self._tables.append_all(present, self._query_id, batch_id)

    def _result_row(self, result: Mapping[str, object], batch_id: int, batch_time: datetime) -> dict[str, object]:
        return {"query_id": self._query_id, "batch_id": batch_id, "batch_time": batch_time, **result}

    def _report(self, row: Mapping[str, object], seconds: float) -> None:
        ends = {
            (topic, partition): end
            for topic in (self._contract.topic, self._contract.redrive_topic)
            for partition, end in kafka.end_offsets(self._settings, topic).items()
        }
        offsets: list[dict[str, Any]] = row["offsets"]  # type: ignore[assignment]
        lag = sum(max(0, ends.get((o["topic"], o["partition"]), 0) - o["until_offset"]) for o in offsets)
        keys = ("batch_id", "rows_in", "silver", "quarantine", "duplicates", "held", "late", "verdict")
        log_event(
            "batch",
            query=QUERY,
            product=self._contract.product,
            **{key: row[key] for key in keys},
            lag=lag,
            seconds=seconds,
            rows_per_second=round(float(row["rows_in"]) / max(seconds, 1e-3)),  # type: ignore[arg-type]
        )


def _within(ranges: tuple[OffsetRange, ...]) -> Column:
    """Condition: the row's position is in one of the ranges."""
    conditions = [
        (F.col("kafka_topic") == each.topic)
        & (F.col("kafka_partition") == each.partition)
        & (F.col("kafka_offset") >= each.from_offset)
        & (F.col("kafka_offset") < each.until_offset)
        for each in ranges
    ]
    return reduce(operator.or_, conditions, F.lit(False))
