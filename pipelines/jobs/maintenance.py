"""The nightly care for a product's tables, while the streams run: every change is an ordinary transaction.

**Output**: small files put together, closed windows of gold merged to a row per leaf, files deleted that no reader can
still need, a row per table in `maintenance`. **Impact of failure**: nothing is wrong, reading gets slower and storage
grows. To re-run: `pulseiq run maintenance PRODUCT`, at any time.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.errors import StateError, UsageError
from pipelines.gold.merged import merge
from pipelines.gold.unchanged import refuse_changed
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.table_care import TableCare
from pipelines.refine.commands import CommandLog
from pipelines.replay.checksums import of_gold
from pipelines.replay.recorded import settled

TABLE = "maintenance"
RETENTION = timedelta(days=7)
# No task of ours may run longer, and each reads the version that it began with.
LONGEST_TASK = timedelta(hours=6)
STREAMS = ("bronze", "refine")

# Who follows a table, by the table and column that say how far it has come.
_READERS = {
    "refine": ("batches", "batch_time"),
    "detect": ("ticks", "tick_at"),
    "audit": ("audit_results", "run_at"),
}
_DAY = timedelta(hours=20)  # a nightly run may start a little early


@dataclass(frozen=True)
class Cared:
    """One table after the care, and what it grew by since the run of the day before (None at the first)."""

    table: str
    version: int
    files: int
    bytes: int
    rows: int
    files_before: int
    vacuumed: int
    grown_bytes: int | None
    grown_rows: int | None


@dataclass(frozen=True)
class Checkpoint:
    """A stream's checkpoint: its objects, their bytes, and how long ago the last batch was committed, in seconds."""

    query: str
    objects: int
    bytes: int
    age_seconds: float | None


@dataclass(frozen=True)
class Maintained:
    """What a run did."""

    product: str
    at: datetime
    retention_hours: float
    lags_hours: dict[str, float]
    merged_rows: tuple[int, int] | None
    tables: tuple[Cared, ...]
    checkpoints: tuple[Checkpoint, ...]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "at": self.at.isoformat(timespec="seconds")}

    def __str__(self) -> str:
        lags = ", ".join(f"{name} {hours:.1f} h" for name, hours in self.lags_hours.items()) or "none"
        lines = [f"maintenance of {self.product}: files older than {self.retention_hours:.0f} h gone (readers: {lags})"]
        if self.merged_rows:
            lines.append(f"gold: {self.merged_rows[0]:,} rows of closed windows merged to {self.merged_rows[1]:,}")
        for each in self.tables:
            grown = "" if each.grown_bytes is None else f", {each.grown_bytes:+,} bytes and {each.grown_rows:+,} rows"
            lines.append(
                f"  {each.table}: {each.files_before} -> {each.files} files, {each.bytes:,} bytes, {each.rows:,} rows"
                f"{grown}, {each.vacuumed} old files deleted"
            )
        for point in self.checkpoints:
            age = (
                "never committed" if point.age_seconds is None else f"last commit {point.age_seconds / 60:.0f} min ago"
            )
            lines.append(f"  checkpoint {point.query}: {point.objects} objects, {point.bytes:,} bytes, {age}")
        return "\n".join(lines)


def run(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    *,
    retention: timedelta = RETENTION,
    actor: str,
    now: datetime | None = None,
) -> Maintained:
    """Care for every table of a product.

    Raises:
        UsageError: a retention under the longest task's time: a running reader would lose its files.
        StateError: merged gold does not add up to what it was; it is left as it was.
    """
    if retention <= LONGEST_TASK:
        raise UsageError(
            f"a retention of {retention} is not above the {LONGEST_TASK} that a task may run",
            hint="give more, 7d is the default",
        )
    now = now or datetime.now(UTC)
    care, product = TableCare(settings, contract.product), contract.product
    log = CommandLog(settings, contract)
    names = [name for name in care.names() if name != TABLE]
    before = {name: care.size(name).files for name in names}
    merged = merge_closed(spark, settings, contract, now) if "gold" in names else None
    for name in names:
        care.compact(name)
    lags = _lags(care, now)
    kept = max([retention, *(lag + LONGEST_TASK for lag in lags.values())])
    vacuumed = {name: care.vacuum(name, kept) for name in names}
    done = Maintained(
        product=product,
        at=now,
        retention_hours=kept / timedelta(hours=1),
        lags_hours={name: round(lag / timedelta(hours=1), 2) for name, lag in lags.items()},
        merged_rows=merged,
        tables=tuple(_grown(settings, care, product, now, before, vacuumed)),
        checkpoints=tuple(_checkpoint(care, product, query, now) for query in STREAMS),
    )
    _keep(settings, done)
    _record(log, "maintenance", actor, sum(each.rows for each in done.tables), done.to_dict())
    return done


def merge_closed(spark: SparkSession, settings: Settings, contract: Contract, now: datetime) -> tuple[int, int] | None:
    """Gold's windows that nothing new is expected for, a row per leaf; a transaction for each day.

    Late events of such a window are appended beside it as always, and merged by the next run. Returns the rows before
    and after; None where there was nothing to merge.

    Raises:
        StateError: the sums are not the same, or rows were replaced meanwhile; that day is left as it was. Or the
            contract changed under them.
    """
    refuse_changed(Lake(settings), contract)
    ours = settled(_logged(settings, contract.product))
    end = closed_before(spark, settings.table_uri(contract.product, "gold"), contract, now)
    if end is None:
        return None
    gold, _ = _gold(spark, settings, contract)
    rows = gold.where((F.col("window_start") <= F.lit(end - contract.window)) & F.expr(ours))
    # As text that both engines read: a timestamp that Python is given is in the machine's own time zone.
    ends = [F.date_format(bound("window_start"), "yyyy-MM-dd'T'HH:mm:ssX") for bound in (F.min, F.max)]
    several = rows.groupBy("window_start", *contract.dimensions).count().where("count > 1")
    days = several.groupBy(F.to_date("window_start").alias("day")).agg(*ends).orderBy("day").collect()
    merged = [
        _merge(spark, settings, contract, f"window_start >= '{first}' AND window_start <= '{last}' AND {ours}")
        for _, first, last in days
    ]
    return (sum(before for before, _ in merged), sum(after for _, after in merged)) if merged else None


def _merge(spark: SparkSession, settings: Settings, contract: Contract, where: str) -> tuple[int, int]:
    """Merge the rows that meet the SQL condition; what is appended to the table meanwhile stays as it is."""
    gold, version = _gold(spark, settings, contract)
    # All of them: what is not in here is gone after it.
    found = gold.where(where).persist()
    try:
        total = merge(found, contract)
        nobody = {"batch_id": F.lit(None).cast("bigint"), "query_id": F.lit(None).cast("string")}
        total = total.withColumns(nobody).select(found.columns).persist()
        try:
            if of_gold(found, contract) != of_gold(total, contract):
                raise StateError(
                    f"{contract.product}: merged, gold where {where} is not what it was; it was left so",
                    hint=f"pulseiq replay {contract.product} --from bronze --layer gold --check",
                )
            # By delta-rs, on the version that was read: Spark would refuse every append of the stream meanwhile.
            merged = total.to(found.schema).toArrow()
            ours = f"{where} AND {_read_so_far(found)}"
            Lake(settings).replace(contract.product, "gold", merged, ours, version=version)
            return found.count(), merged.num_rows
        finally:
            total.unpersist()
    finally:
        found.unpersist()


def _read_so_far(rows: DataFrame) -> str:
    """SQL: the row is of no batch that the streams append after these.

    Without it a late event that is appended meanwhile would make the rewrite one of rows that it has not read.
    """
    batches = rows.where("query_id IS NOT NULL").groupBy("query_id").agg(F.max("batch_id").alias("last")).collect()
    known = [f"(query_id = '{each['query_id']}' AND batch_id <= {each['last']})" for each in batches]
    return f"({' OR '.join(['query_id IS NULL', *known])})"


def closed_before(spark: SparkSession, uri: str, contract: Contract, now: datetime) -> datetime | None:
    """End of the windows that nothing new is expected for; None while gold is empty. A log has no clock of its own."""
    if contract.clock == "arrival":
        return now - contract.allowed_lateness
    last = spark.read.format("delta").load(uri).agg(F.max(F.unix_seconds("window_start")).alias("last")).first()
    return None if last is None or last["last"] is None else datetime.fromtimestamp(last["last"], UTC)


def _gold(spark: SparkSession, settings: Settings, contract: Contract) -> tuple[DataFrame, int]:
    """Gold at its newest version, which stays the same however often it is read, and that version."""
    found = Lake(settings).table(contract.product, "gold")
    assert found is not None
    version = found.version()
    uri = settings.table_uri(contract.product, "gold")
    return spark.read.format("delta").option("versionAsOf", version).load(uri), version


def _logged(settings: Settings, product: str) -> list[str]:
    rows = Lake(settings).read(product, "command_log", ["command_id"], pc.field("outcome") == "done")
    return [row["command_id"] for row in rows.to_pylist()]


def _lags(care: TableCare, now: datetime) -> dict[str, timedelta]:
    """How long ago each follower of a table last went on."""
    found = {name: care.latest(table, column) for name, (table, column) in _READERS.items()}
    return {name: now - moment for name, moment in found.items() if moment is not None}


def _grown(
    settings: Settings, care: TableCare, product: str, now: datetime, before: dict[str, int], vacuumed: dict[str, int]
) -> list[Cared]:
    earlier: dict[str, dict[str, int]] = {}
    rows = Lake(settings).read(product, TABLE, filter=pc.field("at") <= pa.scalar(now - _DAY)).to_pylist()
    for row in sorted(rows, key=lambda each: each["at"]):
        earlier[row["table"]] = row
    found = []
    for name, files in before.items():
        size, last = care.size(name), earlier.get(name)
        grown = (size.bytes - last["bytes"], size.rows - last["rows"]) if last else (None, None)
        found.append(Cared(name, size.version, size.files, size.bytes, size.rows, files, vacuumed[name], *grown))
    return found


def _checkpoint(care: TableCare, product: str, query: str, now: datetime) -> Checkpoint:
    whole = care.stored(f"_checkpoints/{product}/{query}/")
    newest = care.stored(f"_checkpoints/{product}/{query}/commits/").newest
    age = None if newest is None else (now - newest).total_seconds()
    return Checkpoint(query, whole.objects, whole.bytes, age)


def _keep(settings: Settings, done: Maintained) -> None:
    rows = pa.Table.from_pylist(
        [
            {"at": done.at, **{key: value for key, value in asdict(each).items() if not key.startswith("grown_")}}
            for each in done.tables
        ]
    )
    if rows.num_rows:
        Lake(settings).append(done.product, TABLE, rows, f"command:maintenance:{done.at.isoformat()}", 0)


def _record(log: CommandLog, command: str, actor: str, rows: int, detail: dict[str, object]) -> None:
    entry = {"command_id": f"command:{command}:{uuid.uuid4().hex}", "command": command, "actor": actor, "rows": rows}
    log.append({**entry, "outcome": "done", "detail": json.dumps(detail, default=str)})
