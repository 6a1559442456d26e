"""Reports for people, built from the lake without a JVM: our own page, GX Data Docs below it.

Owns what is read and how much of it: the last day, columns by name, in parts. What it says is `quality.report`'s.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import Contract
from pipelines.errors import UsageError
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from quality import held
from quality.held import HeldBatch
from quality.report import page, summary
from quality.report.facts import Bins, Refused, Report, TableState
from quality.report.words import utc

PERIOD = timedelta(hours=24)
# Audits are fewer: their trend goes further back.
_AUDITS = timedelta(days=30)
# Undecided batches are shown however old, decided ones for as long.
_HELD = 100
# Table, the column that tells how new it is, and what that time is.
_TABLES = (
    ("bronze", "timestamp", "arrived at Kafka"),
    ("silver", "event_time", "event time"),
    ("gold", "window_start", "window start"),
    ("quarantine", "arrived_at", "arrived at Kafka"),
    ("held", "arrived_at", "arrived at Kafka"),
    ("batches", "batch_time", "batch time"),
)


@dataclass(frozen=True)
class Built:
    """A built site: its folder, its first page, and what it says."""

    folder: Path
    index: Path
    report: Report


def build(settings: Settings, contract: Contract, folder: Path) -> Built:
    """Write the site into a folder, in the place of what was there.

    Raises:
        UsageError: it is no folder that can be written.
        ServiceError: the lake does not answer.
    """
    from quality.report import datadocs

    partial = _begun(folder)
    lake, now = Lake(settings), datetime.now(UTC)
    report = gather(lake, contract, now)
    rows = newest_events(lake, contract, datadocs.columns(contract), now)
    if rows.num_rows:
        datadocs.build(contract, rows.to_pandas(), partial / "data-docs", at=now)
    (partial / "index.html").write_text(page.render(report, data_docs=rows.num_rows > 0), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return Built(folder, folder / "index.html", report)


def _begun(folder: Path) -> Path:
    """An empty folder beside the one that is asked for: what cannot be written is told before the lake is read."""
    hint = "give the path of a folder that you may write to, which need not exist yet"
    if not folder.name or folder.name == "..":
        raise UsageError(f"--folder {folder}: has no name of its own, and what it holds would be replaced", hint=hint)
    partial = folder.with_name(f".{folder.name}.new")
    try:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--folder {folder}: is a file", hint=hint)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"--folder {folder}: cannot be written: {error.strerror}", hint=hint) from error
    return partial


def gather(lake: Lake, contract: Contract, now: datetime) -> Report:
    """Everything that the page says, of the last day before `now` (aware)."""
    product, since = contract.product, now - PERIOD
    first = min(_times(lake.stream(product, "batches", ["batch_time"], _from("batch_time", since))), default=None)
    bins = summary.bins_of(first, now)
    counted = {each.name: (each.title, each.unit) for each in contract.metrics if each.kind == "count"}
    point = (pc.field("test") == "point") & pc.field("series").isin(list(counted))

    def rows(table: str, where: pc.Expression) -> Iterator[pa.RecordBatch]:
        return lake.stream(product, table, list(summary.COLUMNS[table]), where)

    return Report(
        product=product,
        title=contract.title,
        made_at=now,
        since=since,
        bins=bins,
        promotions=summary.promotions(rows("batches", _from("batch_time", since)), bins),
        tables=tuple(_states(lake, product)),
        held=_held_batches(lake, product, since),
        refused=_refused(lake, product, rows("quarantine", _from("arrived_at", since)), bins),
        volumes=summary.volumes(rows("evidence", _from("window_start", since) & point), counted),
        checks=summary.checks(rows("quality_results", _from("batch_time", since)), bins),
        audit=summary.audit(rows("audit_results", _from("run_at", now - _AUDITS))),
    )


def newest_events(lake: Lake, contract: Contract, columns: Sequence[str], now: datetime) -> pa.Table:
    """Some of the newest accepted events, at most as many as a page is worth; none where silver has none."""
    from quality.report import datadocs

    extent = lake.extent(contract.product, "silver", "arrived_at")
    if extent is None or extent.greatest is None:
        return pa.table({})
    newest = min(utc(extent.greatest), now)
    # Not far back in a busy product, further in a quiet one.
    for reach in (contract.window, timedelta(hours=1), PERIOD):
        kept: list[pa.RecordBatch] = []
        number = 0
        for batch in lake.stream(contract.product, "silver", list(columns), _from("arrived_at", newest - reach)):
            kept.append(batch)
            number += batch.num_rows
            if number >= datadocs.ROWS:
                return pa.Table.from_batches(kept).slice(0, datadocs.ROWS)
    return pa.Table.from_batches(kept) if kept else pa.table({})


def _states(lake: Lake, product: str) -> Iterator[TableState]:
    for name, column, what in _TABLES:
        extent = lake.extent(product, name, column)
        if extent is not None:
            yield TableState(name, what, extent.rows, utc(extent.greatest) if extent.greatest else None)


def _held_batches(lake: Lake, product: str, since: datetime) -> tuple[HeldBatch, ...]:
    """Those that wait for a decision, however old, and those that came or were decided in the reported time; the newest
    first.
    """
    batches = lake.read(product, "batches", list(held.COLUMNS["batches"]), pc.field("held") > 0)
    if not batches.num_rows:
        return ()
    of_held = pc.field("batch_id").isin(batches["batch_id"].unique().to_pylist())
    results = lake.read(product, "quality_results", list(held.COLUMNS["quality_results"]), of_held)
    commands = lake.read(product, "command_log", list(held.COLUMNS["command_log"]))
    found = held.held_batches(batches, results, commands)
    moments = ((each, each.decided.at if each.decided else each.batch_time) for each in found)
    return tuple(each for each, at in moments if each.state == "held" or utc(at) >= since)[:_HELD]


def _refused(lake: Lake, product: str, rows: Iterator[pa.RecordBatch], bins: Bins) -> tuple[Refused, ...]:
    """Reasons first, without a single event's bytes; then the bytes of those few that are shown."""
    found = summary.refused(rows, bins)
    wanted = {summary.position(row) for _, newest in found.values() for row in newest}
    values: dict[tuple[str, int, int], bytes | None] = {}
    if wanted:
        these = pc.field("kafka_offset").isin(sorted({offset for *_, offset in wanted}))
        for batch in lake.stream(product, "quarantine", [*summary.POSITION, "kafka_value"], these):
            for row in batch.to_pylist():
                if summary.position(row) in wanted:
                    values[summary.position(row)] = row["kafka_value"]
    return summary.with_samples(found, values)


def _times(rows: Iterator[pa.RecordBatch]) -> Iterator[datetime]:
    for batch in rows:
        yield from (utc(each) for each in batch.column(0).to_pylist())


def _from(column: str, since: datetime) -> pc.Expression:
    return pc.field(column) >= pa.scalar(since.astimezone(UTC), type=pa.timestamp("us", tz="UTC"))
