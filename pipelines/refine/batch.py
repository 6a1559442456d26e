"""One micro-batch of refine: count it, let the gate judge it, append each part once.

Order of what becomes durable: the verdict (a record of the decisions topic), the tables that say which of two twins
was kept, those that list the other, last the row of `batches`. A driver killed anywhere in between does the batch
again: the verdict is read back, what is already appended is skipped, what is missing is added.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial, reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.gold import in_memory
from pipelines.gold.partial_sums import partial_sums
from pipelines.platform import kafka, tables
from pipelines.platform.epoch import Epoch
from pipelines.platform.kafka import OffsetRange
from pipelines.platform.logs import log_event
from pipelines.platform.settings import Settings
from pipelines.refine import collected, dropped, operators
from pipelines.refine import tables as columns
from pipelines.refine.count import Counted, count, count_collected, facts_of_duplicates
from pipelines.refine.decisions import Decision, DecisionLog, Recorded, overlap
from pipelines.refine.facts import POSITION
from pipelines.refine.held import REJECTED, REJECTED_DETAIL
from pipelines.refine.operators import Operators
from pipelines.refine.positions import within
from pipelines.refine.twins import TWIN_HELD, Twins
from quality.gate import Gate
from quality.verdict import Verdict

QUERY = "refine"

# The gate sees at most this many rows of a batch, chosen by a hash of the event's id, the same ones on every run.
GATE_ROWS = 50_000

# What the driver may hold of a batch's parts to append them itself: all rows of a batch of the usual size.
_SMALL_ROWS = 250_000
_SMALL_BYTES = 32 * 1024 * 1024

_ACCEPTED = "(reject_reason IS NULL)"
_PLACES = ("silver", "held", "rejected")
_CONTRADICTION = "start again; if it repeats, rebuild with `pulseiq replay`"

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
        self._tables.refuse_foreign_checkpoint(QUERY)
        self._gate = Gate(contract)
        self._log = DecisionLog(settings, contract)
        self._epoch = Epoch(settings)
        self._twins = Twins(settings, contract, self._tables)
        self._query_id = ""
        self._recorded = Recorded()
        self._verdicts: dict[int, str] = {}
        self._ever_held = False
        self._latest_batch_time: datetime | None = None
        self._gate_seconds = 0.0

    def __call__(self, batch: DataFrame, batch_id: int) -> None:
        """Process one micro-batch; raises StateError before the first append when its counts contradict each other."""
        started = time.monotonic()
        self._begin()
        width = operators.of_batch(self._spark, self._query_id).width
        if not width:
            batch.count()  # Spark only moves its watermark on, and needs the state of that, too.
            return
        # Stamped here and nowhere later: a number in a query becomes part of its source, which would be new every time.
        batch = batch.withColumns(self._stamp(batch_id)).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            # Most batches are small: one look at them serves all that follows.
            rows = collected.collect(batch, self._contract) if width <= _SMALL_ROWS else None
            counted = count(batch, self._contract) if rows is None else count_collected(rows, self._contract)
            read = operators.of_batch(self._spark, self._query_id)
            self._verify(counted, read, batch_id)
            if read.rows_read:  # Offsets need not hold records: the end of a transaction is one, too.
                self._process(batch, rows, batch_id, counted, read, started)
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
        self._ever_held = bool(self._recorded.held or self._recorded.decided)
        self._ever_held |= any(each.verdict == "hold" for each in own)
        self._query_id = query_id

    def _stamp(self, batch_id: int) -> dict[str, Column]:
        return {"batch_id": F.lit(batch_id).cast("bigint"), "query_id": F.lit(self._query_id)}

    def _checkpoint_id(self) -> str | None:
        return tables.checkpoint_query_id(self._settings, self._contract.product, QUERY)

    def _verify(self, counted: Counted, read: Operators, batch_id: int) -> None:
        """The counters that Spark keeps must agree with what was counted from the rows."""
        horizon = self._contract.dedup_horizon
        if self._latest_batch_time and read.batch_time < self._latest_batch_time - horizon / 2:
            raise StateError(
                f"refine: batch {batch_id} is stamped {read.batch_time}, more than half the de-duplication horizon "
                f"before the one at {self._latest_batch_time}: this machine's clock was set back",
                hint="set the clock right and start again",
            )
        self._latest_batch_time = max(read.batch_time, self._latest_batch_time or read.batch_time)
        if read.behind_watermark or read.rows_read != counted.rows + read.duplicates:
            raise StateError(
                f"refine: batch {batch_id}: {read.rows_read} records read, {counted.rows} rows counted and "
                f"{read.duplicates} duplicates dropped, {read.behind_watermark} rows behind the watermark; "
                "nothing was written",
                hint=_CONTRADICTION,
            )

    def _process(
        self,
        batch: DataFrame,
        rows: pa.Table | None,
        batch_id: int,
        counted: Counted,
        read: Operators,
        started: float,
    ) -> None:
        fresh, replayed = self._fresh_rows(batch.where(_ACCEPTED), read.offsets)
        again = batch_id in self._verdicts
        small = rows is not None and counted.refused_bytes <= _SMALL_BYTES
        if again or replayed:
            rows = None  # Somebody has judged some of them before.
        accepted = None if rows is None else collected.accepted(rows)
        judge = partial(self._judge, fresh, accepted, counted, read.batch_time, replayed)
        if again:
            verdict, outcome = judge(), self._verdicts[batch_id]
        else:
            kept = batch.select(POSITION).toArrow if rows is None else partial(rows.select, POSITION)
            verdict, found = tables.in_parallel([judge, partial(self._twins.dropped, batch.sparkSession, kept, read)])
            outcome = verdict.outcome
            self._log.append(Decision("batch", self._query_id, batch_id, outcome, read.offsets))
            self._verdicts[batch_id] = outcome
        self._ever_held = self._ever_held or outcome == "hold"

        parts, sizes = self._divide(batch, counted, outcome, read.offsets, replayed)
        if again:
            # Which of two twins was kept follows from what was appended, and that from the recorded verdict.
            parts = {name: self._already_appended(name, batch_id, each) for name, each in parts.items()}
            kept = reduce(DataFrame.union, [each.select(POSITION) for each in parts.values()]).toArrow
            found = self._twins.dropped(batch.sparkSession, kept, read)
        twins = None
        if self._ever_held:
            twins, found = self._twins.of_held(found, parts, read.offsets, self._recorded.decided)
        if twins is not None:
            twins = twins.withColumns(self._stamp(batch_id))
            parts["quarantine"] = parts["quarantine"].unionByName(twins.select(parts["quarantine"].columns))
            sizes["quarantine"] += read.duplicates - len(found)
        stamp = {"query_id": self._query_id, "batch_id": batch_id, "batch_time": read.batch_time}
        results = [{**stamp, **each} for each in verdict.rows()]
        # A survivor that was rejected is in quarantine and nowhere else.
        listing = () if twins is None or sizes["rejected"] else ("quarantine",)
        wanted = {name: part for name, part in parts.items() if sizes[name]}
        self._append(batch_id, wanted, accepted, listing, results, small=small)
        if len(found):
            self._append_duplicates(batch_id, found)

        row = stamp | {
            "offsets": [vars(each) for each in read.offsets],
            "rows_in": read.rows_read,
            **{name: sizes[name] for name in parts},
            "duplicates": len(found),
            "late": counted.late,
            "verdict": outcome,
            "seconds": round(time.monotonic() - started, 3),
            "facts": counted.facts(held=sizes["held"], accepted=sizes["silver"])
            + facts_of_duplicates(found, self._contract.window),
        }
        self._epoch.check()
        self._tables.append_local("batches", [row], self._query_id, batch_id)
        self._report(row)

    def _append(
        self,
        batch_id: int,
        parts: Mapping[str, DataFrame],
        accepted: pa.Table | None,
        listing: Collection[str],
        results: Sequence[Mapping[str, Any]],
        *,
        small: bool,
    ) -> None:
        """Append parts by table, with gold and the gate's results; those in `listing` after all others.

        What says which of two twins was kept comes first, what lists the other after it: a crash between the two must
        not make a second run list what was kept.
        """
        append = partial(self._tables.append, app_id=self._query_id, version=batch_id)
        first: list[Callable[[], Any]] = []
        after: list[Callable[[], Any]] = []
        for name, rows in parts.items():
            # A held batch comes with its bytes, which nobody has counted.
            call = partial(append, name, rows, small=small and name != "held")
            if name == "silver" and small:
                call = partial(self._append_accepted, rows, accepted, batch_id)
            (after if name in listing else first).append(call)
        if "silver" in parts and not small:
            gold = partial_sums(parts["silver"], self._contract, by=("batch_id", "query_id"))
            first.append(partial(append, "gold", gold))
        if results:
            first.append(partial(self._tables.append_local, "quality_results", results, self._query_id, batch_id))
        tables.in_parallel(first)
        tables.in_parallel(after)

    def _append_accepted(self, silver: DataFrame, rows: pa.Table | None, batch_id: int) -> None:
        """Append accepted rows that the driver may hold, and their sums; `rows` has them where it does already."""
        if rows is None:
            rows = in_memory.inputs(silver.to(self._tables.specs["silver"].schema), self._contract).toArrow()
        append = partial(self._tables.append_arrow, app_id=self._query_id, version=batch_id)

        def append_sums() -> None:
            append("gold", in_memory.sums(rows, self._contract, by=("batch_id", "query_id")))

        tables.in_parallel([partial(append, "silver", rows.select(silver.columns)), append_sums])

    def _divide(
        self, batch: DataFrame, counted: Counted, outcome: str, offsets: tuple[OffsetRange, ...], replayed: bool
    ) -> tuple[dict[str, DataFrame], dict[str, int]]:
        """Rows by table, `silver`, `held` or `quarantine`, with its columns; and how many.

        Among the sizes is `rejected` too: rows of quarantine that every rule accepted.
        """
        decided = batch.where(_ACCEPTED).withColumn("decided", self._row_outcome(outcome, replayed))
        places = {name: decided.where(F.col("decided") == name).drop("decided") for name in _PLACES}
        for name in ("held", "rejected"):
            places[name] = dropped.with_bytes(places[name].drop(*_BYTES), self._settings, offsets)
        sizes = dict.fromkeys(_PLACES, 0)
        if replayed:
            sizes.update({row["decided"]: row["count"] for row in decided.groupBy("decided").count().collect()})
        else:
            sizes["held" if outcome == "hold" else "silver"] = counted.accepted
        sizes["quarantine"] = counted.quarantined + sizes["rejected"]

        parts = {name: places[name].select(self._tables.columns(name)) for name in ("silver", "held")}
        names = {"reject_reason": "reason", "reject_detail": "detail"}
        columns_of = self._tables.columns("quarantine")
        parts["quarantine"] = batch.where(f"NOT {_ACCEPTED}").withColumnsRenamed(names).select(columns_of)
        if sizes["rejected"]:
            reason = {"reason": F.lit(REJECTED), "detail": F.lit(REJECTED_DETAIL)}
            rejected = places["rejected"].withColumns(reason).select(columns_of)
            parts["quarantine"] = parts["quarantine"].unionByName(rejected)
        return parts, sizes

    def _append_duplicates(self, batch_id: int, found: pa.Table) -> None:
        """Append positions and ids of dropped records; a batch's worth of them fits the driver."""
        stamped = found.append_column("batch_id", pa.array([batch_id] * len(found), pa.int64()))
        stamped = stamped.append_column("query_id", pa.array([self._query_id] * len(found), pa.string()))
        rows = stamped.select(self._tables.columns("duplicates"))
        self._tables.append_arrow("duplicates", rows, self._query_id, batch_id)

    def _fresh_rows(self, accepted: DataFrame, offsets: tuple[OffsetRange, ...]) -> tuple[DataFrame, bool]:
        """Accepted rows without a recorded verdict, and whether any offset of the batch has one."""
        covered = overlap(offsets, self._recorded.covered)
        return (accepted.where(~within(covered)), True) if covered else (accepted, False)

    def _judge(
        self,
        fresh: DataFrame,
        accepted: pa.Table | None,
        counted: Counted,
        batch_time: datetime,
        replayed: bool,
    ) -> Verdict:
        """The gate's verdict on the rows that nobody has judged yet; `accepted` has them where the driver does."""
        total = fresh.count() if replayed else counted.accepted
        if not total:
            return Verdict("promote", ())
        started = time.monotonic()
        if accepted is not None:
            events = collected.sample(accepted, GATE_ROWS, self._gate.columns)
        else:
            sample = fresh.where(f"pmod(xxhash64(event_id), {total}) < {GATE_ROWS}")
            events = sample.select(list(self._gate.columns)).toPandas()
        verdict = self._gate.check(events, rows_total=total, batch_time=batch_time)
        self._gate_seconds = time.monotonic() - started
        return verdict

    def _row_outcome(self, outcome: str, replayed: bool) -> Column:
        """Where an accepted row goes: `silver`, `held` or `rejected`."""
        judged = F.lit("held" if outcome == "hold" else "silver")
        if not replayed:
            return judged
        return (
            F.when(within(self._recorded.rejected), "rejected")
            .when(within(self._recorded.held), "held")
            .when(within(self._recorded.covered), "silver")
            .otherwise(judged)
        )

    def _already_appended(self, name: str, batch_id: int, rows: DataFrame) -> DataFrame:
        """The rows that this batch appended before a crash, which stand; the given ones when it appended none.

        Which of two twins survives can differ between two runs; the table's word counts.
        """
        stored = self._tables.read(rows.sparkSession, name)
        stored = stored.where((F.col("query_id") == self._query_id) & (F.col("batch_id") == batch_id))
        if name == "quarantine":
            stored = stored.where(F.col("reason") != TWIN_HELD)
        return rows if stored.isEmpty() else stored.select(rows.columns)

    def _report(self, row: Mapping[str, Any]) -> None:
        ends = {
            (topic, partition): end
            for topic in (self._contract.topic, self._contract.redrive_topic)
            for partition, end in kafka.end_offsets(self._settings, topic).items()
        }
        lag = sum(max(0, ends.get((o["topic"], o["partition"]), 0) - o["until_offset"]) for o in row["offsets"])
        keys = ("batch_id", "rows_in", "silver", "quarantine", "duplicates", "held", "late", "verdict", "seconds")
        log_event(
            "batch",
            query=QUERY,
            product=self._contract.product,
            **{key: row[key] for key in keys},
            gate_seconds=round(self._gate_seconds, 3),
            lag=lag,
            rows_per_second=round(row["rows_in"] / max(row["seconds"], 1e-3)),
        )
