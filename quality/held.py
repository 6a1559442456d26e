"""Held batches as records: which ones wait for a person, why the gate stopped them, and what was decided since.

Pure: tables in, records out. Releasing one is refine's command.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from quality.verdict import CheckResult

State = Literal["held", "released", "rejected"]
_STATES: Mapping[str, State] = {"release": "released", "reject": "rejected"}

# What `held_batches` needs of each table.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "batches": ("query_id", "batch_id", "batch_time", "offsets", "rows_in", "held"),
    "quality_results": (
        "query_id", "batch_id", "check", "severity", "success", "errored",
        "observed", "expected", "rows", "why", "owner",
    ),
    "command_log": (
        "command_id", "command", "target_query_id", "target_batch_id", "actor", "reason", "at", "outcome",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Decided:
    """Who decided on a held batch, when and why."""

    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class HeldBatch:
    """A batch that the gate stopped. `offsets` are ranges in words, `failed` the critical checks that stopped it."""

    query_id: str
    batch_id: int
    batch_time: datetime
    rows: int
    rows_in: int
    offsets: tuple[str, ...]
    state: State
    decided: Decided | None
    failed: tuple[CheckResult, ...]
    results: tuple[CheckResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """The batch as plain values for JSON; times are ISO 8601."""
        plain = asdict(self)
        plain["batch_time"] = self.batch_time.isoformat()
        if self.decided:
            plain["decided"]["at"] = self.decided.at.isoformat()
        return plain


def held_batches(batches: pa.Table, quality_results: pa.Table, command_log: pa.Table) -> list[HeldBatch]:
    """Every batch with held rows, newest first, with its checks and what commands did to it."""
    results: dict[tuple[str, int], list[CheckResult]] = {}
    for row in quality_results.to_pylist():
        results.setdefault((row["query_id"], row["batch_id"]), []).append(_result(row))
    decisions = {
        (row["target_query_id"], row["target_batch_id"]): row
        for row in command_log.to_pylist()
        if row["command"] in _STATES and row["outcome"] == "done"
    }
    found = [
        _held(
            row, results.get((row["query_id"], row["batch_id"]), ()), decisions.get((row["query_id"], row["batch_id"]))
        )
        for row in batches.to_pylist()
        if row["held"]
    ]
    return sorted(found, key=lambda batch: batch.batch_time, reverse=True)


def _held(row: Mapping[str, Any], results: Iterable[CheckResult], decision: Mapping[str, Any] | None) -> HeldBatch:
    kept = tuple(results)
    return HeldBatch(
        query_id=row["query_id"],
        batch_id=row["batch_id"],
        batch_time=row["batch_time"],
        rows=row["held"],
        rows_in=row["rows_in"],
        offsets=tuple(
            f"{o['topic']}[{o['partition']}] {o['from_offset']}..{o['until_offset'] - 1}"
            for o in row["offsets"]
            if o["until_offset"] > o["from_offset"]
        ),
        state=_STATES[decision["command"]] if decision else "held",
        decided=Decided(decision["actor"], decision["reason"], decision["at"]) if decision else None,
        failed=tuple(r for r in kept if not r.success and not r.errored and r.severity == "critical"),
        results=kept,
    )


def _result(row: Mapping[str, Any]) -> CheckResult:
    names = CheckResult.__dataclass_fields__
    return CheckResult(**{name: row[name] for name in names})
