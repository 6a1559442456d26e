"""The audit: every suite over whole batches of refine, at pinned versions of the tables, by Spark.

Reads `batches` first: what it lists is complete in every other table, so nothing that is being written is judged.
**Output**: a row per expectation in `audit_results`; nothing is held and nothing is changed.
**Impact of failure**: no new results; the next audit since the last takes these batches too.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.errors import StateError, UsageError
from pipelines.jobs.audit_state import AUDIT_RESULTS, TABLE, last_run, utc
from pipelines.platform.kafka import OffsetRange
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.tables import Tables, TableSpec
from pipelines.refine.decisions import merge
from quality import audit as quality_audit
from quality.audit import Outcome
from quality.expectation import SUITES, Audited, Span
from quality.suites import gold as gold_suite

# In this order: what `batches` and `command_log` list is complete in the tables that are looked up after them.
_TABLES = ("batches", "command_log", "silver", "quarantine", "duplicates", "held", "gold", "bronze")
_CLASSES = ("silver", "quarantine", "duplicates", "held")
_DECISIONS = ("release", "reject")
_SHARE_AT_THE_EDGES = 0.01


@dataclass(frozen=True)
class Asked:
    """Event times [start, end) to audit, or what has come since the last audit."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def since_last(self) -> bool:
        """Whether the range is that since the last audit."""
        return self.start is None


@dataclass(frozen=True)
class Report:
    """What one audit found: its range of event times, how many batches it looked at, and every outcome."""

    run_id: str
    run_at: datetime
    from_time: datetime | None
    to_time: datetime | None
    batches: int
    versions: Mapping[str, tuple[int, int]]
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Expectations that the data do not meet, critical ones first."""
        return tuple(sorted((o for o in self.outcomes if o.failed), key=lambda o: o.expectation.severity))

    @property
    def broken(self) -> tuple[Outcome, ...]:
        """Expectations that could not be judged."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)


def run(spark: SparkSession, settings: Settings, contract: Contract, asked: Asked) -> Report:
    """Audit a product and append what was found.

    Raises:
        UsageError: the range is empty or upside down.
        StateError: refine has not written anything yet.
    """
    return _Run(spark, settings, contract, asked).report()


class _Run:
    """One audit."""

    def __init__(self, spark: SparkSession, settings: Settings, contract: Contract, asked: Asked) -> None:
        self._spark, self._settings, self._contract = spark, settings, contract
        self._asked = aligned(asked, contract.window)
        self._lake = Lake(settings)
        self._last = last_run(self._lake, contract)
        self._run_at = datetime.now(UTC)

    def report(self) -> Report:
        suites = quality_audit.suites(self._contract)
        versions = self._versions()
        batches = self._batches(versions)
        run_id = uuid.uuid4().hex[:12]
        if not batches:
            return Report(run_id, self._run_at, None, None, 0, versions, ())
        silver = self._of(self._rows("silver", versions), self._keys(batches, self._commands(versions, batches)))
        silver = self._in_range(silver, "event_time").persist()
        try:
            audited, bounds = self._audited(silver, batches, versions)
            outcomes = [
                outcome for expectations in suites.values() for outcome in quality_audit.judge(expectations, audited)
            ]
        finally:
            silver.unpersist()
        report = Report(run_id, self._run_at, *bounds, len(batches), versions, tuple(outcomes))
        self._append(report)
        return report

    def _versions(self) -> dict[str, tuple[int, int]]:
        """Table -> the version that the last audit has looked up to (0 when none has), and the one now."""
        found: dict[str, tuple[int, int]] = {}
        before = self._last.versions if self._last is not None else {}
        for name in _TABLES:
            table = self._lake.table(self._contract.product, name)
            if table is not None:
                found[name] = (before.get(name, 0), table.version())
        if missing := {"batches", "silver", "gold"} - set(found):
            product = self._contract.product
            raise StateError(f"{product} has no table {min(missing)} yet", hint=f"pulseiq run live {product}")
        return found

    def _batches(self, versions: Mapping[str, tuple[int, int]]) -> list[dict[str, Any]]:
        """The batches to audit, with their offsets."""
        before, now = versions["batches"]
        columns = ["query_id", "batch_id", "offsets", "facts"]
        rows = self._lake.read(self._contract.product, "batches", columns, version=now).to_pylist()
        if self._asked.since_last:
            seen = _keys_of(self._lake.read(self._contract.product, "batches", columns[:2], version=before).to_pylist())
            return [row for row in rows if self._last is None or (row["query_id"], row["batch_id"]) not in seen]
        start, end = self._asked.start, self._asked.end
        assert start is not None
        assert end is not None
        return [row for row in rows if any(start <= utc(fact["window_start"]) < end for fact in row["facts"] or ())]

    def _commands(self, versions: Mapping[str, tuple[int, int]], batches: Iterable[Mapping[str, Any]]) -> set[Any]:
        """Keys of the rows that releases and rejections wrote: those of audited batches, or since the last audit."""
        if "command_log" not in versions:
            return set()
        before, now = versions["command_log"]
        names = ["command_id", "command", "target_query_id", "target_batch_id", "outcome"]

        def at(version: int) -> list[dict[str, Any]]:
            rows = self._lake.read(self._contract.product, "command_log", names, version=version).to_pylist()
            return [row for row in rows if row["command"] in _DECISIONS and row["outcome"] == "done"]

        if self._asked.since_last:
            old = {row["command_id"] for row in at(before)} if self._last is not None else set()
            chosen = [row for row in at(now) if row["command_id"] not in old]
        else:
            own = _keys_of(batches)
            chosen = [row for row in at(now) if (row["target_query_id"], row["target_batch_id"]) in own]
        return {(row["command_id"], row["target_batch_id"]) for row in chosen}

    def _audited(
        self, silver: DataFrame, batches: list[dict[str, Any]], versions: Mapping[str, tuple[int, int]]
    ) -> tuple[Audited, tuple[datetime | None, datetime | None]]:
        """The frames, and the first and last event time that they hold."""
        contract = self._contract
        keys = self._keys(batches, self._commands(versions, batches))
        gold = self._in_range(self._of(self._rows("gold", versions), keys), "window_start")
        spans = merge(OffsetRange(**each) for row in batches for each in row["offsets"])
        found = silver.agg(
            F.expr(
                f"percentile_approx(unix_seconds(event_time), array({_SHARE_AT_THE_EDGES}, {1 - _SHARE_AT_THE_EDGES}))"
            ).alias("edges"),
            F.unix_seconds(F.min("event_time")).alias("first"),
            F.unix_seconds(F.max("event_time")).alias("last"),
        ).first()
        start, end = self._whole_windows(found["edges"] if found is not None else None)
        gold_before = None
        if start is not None and end is not None and versions["gold"][0] and self._last is not None:
            gold_before = _between(self._rows("gold", versions, before=True), "window_start", start, end)
        audited = Audited(
            contract=contract,
            frames={
                "bronze": self._bronze(spans, versions),
                "silver": silver,
                "outcomes": self._outcomes(batches, versions),
                "gold": gold_suite.flattened(gold, contract),
                "windows": gold_suite.windows(silver, gold, contract),
            },
            silver=self._rows("silver", versions),
            gold=self._rows("gold", versions),
            gold_before=gold_before,
            spans=tuple(Span(each.topic, each.partition, each.from_offset, each.until_offset) for each in spans),
            partitions=self._partitions(versions),
            start=start,
            end=end,
            now=self._run_at if self._asked.since_last else None,
        )
        if not self._asked.since_last:
            return audited, (self._asked.start, self._asked.end)
        if found is None or found["first"] is None:
            return audited, (None, None)
        if start is not None and end is not None:
            return audited, (start, end)  # What a single straggler reaches back to was not audited.
        window = contract.window
        last = pd.Timestamp(found["last"], unit="s", tz="UTC").floor(window) + window
        return audited, (_floor(found["first"], window), last.to_pydatetime())

    def _whole_windows(self, edges: list[int] | None) -> tuple[datetime | None, datetime | None]:
        """The windows that lie wholly in the range; those that a straggler alone has a row in do not count."""
        if not edges:
            return None, None
        start, end = (_floor(each, self._contract.window) for each in edges)
        if not self._asked.since_last:
            assert self._asked.start is not None
            assert self._asked.end is not None
            start, end = self._asked.start, min(self._asked.end, end + self._contract.window)
        return (start, end) if start < end else (None, None)

    def _bronze(self, spans: Iterable[OffsetRange], versions: Mapping[str, tuple[int, int]]) -> DataFrame:
        rows = self._rows("bronze", versions) if "bronze" in versions else self._no_bronze()
        condition = F.lit(False)
        for each in spans:
            inside = (F.col("offset") >= each.from_offset) & (F.col("offset") < each.until_offset)
            condition |= (F.col("topic") == each.topic) & (F.col("partition") == each.partition) & inside
        size = F.octet_length("value")
        text = F.when(size <= self._contract.max_event_bytes, F.col("value").cast("string"))
        return rows.where(condition).withColumns({"value_bytes": size, "text": text})

    def _no_bronze(self) -> DataFrame:
        """Refine can run without bronze; its suite has nothing to look at then."""
        from pipelines.bronze.stream import SCHEMA

        return self._spark.createDataFrame([], SCHEMA)

    def _outcomes(self, batches: list[dict[str, Any]], versions: Mapping[str, tuple[int, int]]) -> DataFrame:
        """A row per record of the batches: `class`, `reason` and `late`. What commands moved counts where it was."""
        keys = self._keys(batches, set())
        parts = []
        for name in _CLASSES:
            if name in versions:
                rows = self._of(self._rows(name, versions), keys)
                reason = F.col("reason") if name == "quarantine" else F.lit(None).cast("string")
                late = F.col("late") if name in ("silver", "held") else F.lit(False)
                parts.append(rows.select(F.lit(name).alias("class"), reason.alias("reason"), late.alias("late")))
        whole = parts[0]
        for part in parts[1:]:
            whole = whole.unionAll(part)
        return whole

    def _partitions(self, versions: Mapping[str, tuple[int, int]]) -> tuple[tuple[str, int], ...]:
        """Every partition that any batch has read from."""
        rows = self._lake.read(self._contract.product, "batches", ["offsets"], version=versions["batches"][1])
        found = {(each["topic"], each["partition"]) for row in rows.to_pylist() for each in row["offsets"]}
        return tuple(sorted(found))

    def _rows(self, name: str, versions: Mapping[str, tuple[int, int]], *, before: bool = False) -> DataFrame:
        version = versions[name][0 if before else 1]
        uri = self._settings.table_uri(self._contract.product, name)
        return self._spark.read.format("delta").option("versionAsOf", version).load(uri)

    def _keys(self, batches: Iterable[Mapping[str, Any]], commands: set[Any]) -> DataFrame:
        keys = sorted(_keys_of(batches) | commands)
        return F.broadcast(self._spark.createDataFrame(keys, "query_id string, batch_id long"))

    def _of(self, rows: DataFrame, keys: DataFrame) -> DataFrame:
        return rows.join(keys, ["query_id", "batch_id"], "left_semi")

    def _in_range(self, rows: DataFrame, column: str) -> DataFrame:
        if self._asked.start is None or self._asked.end is None:
            return rows
        return _between(rows, column, self._asked.start, self._asked.end)

    def _append(self, report: Report) -> None:
        tables = Tables(self._settings, [TableSpec(self._contract.product, TABLE, AUDIT_RESULTS)])
        tables.ensure()
        tables.append_local(TABLE, list(rows_of(report)), f"audit:{report.run_id}", 0)


def rows_of(report: Report) -> Iterable[dict[str, Any]]:
    """The report as rows of `audit_results`."""
    for outcome in report.outcomes:
        each = outcome.expectation
        bounds = {name: bound for name, bound in (("min", each.min), ("max", each.max)) if bound is not None}
        yield {
            "run_id": report.run_id,
            "run_at": report.run_at,
            "layer": each.layer,
            "suite": SUITES[each.layer],
            "expectation": each.name,
            "column": each.column,
            "severity": each.severity,
            "owner": each.owner,
            "why": each.why,
            "success": outcome.success,
            "error": outcome.error,
            "observed": json.dumps(outcome.observed, ensure_ascii=False),
            "expected": json.dumps({"measure": each.expected, **bounds}, ensure_ascii=False),
            "rows": outcome.rows,
            "versions": json.dumps({name: list(both) for name, both in report.versions.items()}),
            "from_time": report.from_time,
            "to_time": report.to_time,
        }


def aligned(asked: Asked, window: timedelta) -> Asked:
    """The range in UTC and in whole windows, so that the sums of silver and gold are of the same events.

    Raises:
        UsageError: the range has one end, or ends before it begins.
    """
    if asked.start is None and asked.end is None:
        return asked
    if asked.start is None or asked.end is None:
        raise UsageError("a range has two ends", hint="give both --from and --to, or --since-last")
    start = pd.Timestamp(utc(asked.start)).floor(window).to_pydatetime()
    end = pd.Timestamp(utc(asked.end)).ceil(window).to_pydatetime()
    if start >= end:
        raise UsageError(f"nothing lies between {start} and {end}", hint="give --from before --to")
    return Asked(start, end)


def _keys_of(batches: Iterable[Mapping[str, Any]]) -> set[tuple[str, int]]:
    return {(row["query_id"], row["batch_id"]) for row in batches}


def _between(rows: DataFrame, column: str, start: datetime, end: datetime) -> DataFrame:
    first, last = (F.timestamp_seconds(F.lit(int(each.timestamp()))) for each in (start, end))
    return rows.where((F.col(column) >= first) & (F.col(column) < last))


def _floor(seconds: int, window: timedelta) -> datetime:
    return pd.Timestamp(seconds, unit="s", tz="UTC").floor(window).to_pydatetime()
