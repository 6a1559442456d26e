"""Quarantine as people see it: what waits there, by reason, and what was re-driven since. Reads without a JVM."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import Contract
from pipelines.platform.lake import Lake
from pipelines.refine.facts import POSITION

_TABLES = ("silver", "quarantine", "duplicates", "held")
_DESCRIBED = ("reason", "detail", "event_type", "arrived_at", "redriven_from")


@dataclass(frozen=True)
class Group:
    """Quarantined events of one reason: those that wait, how many were re-driven, since when and until when (UTC)."""

    reason: str
    waiting: int
    redriven: int
    event_types: tuple[str, ...]
    details: tuple[str, ...]
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Sample:
    """One quarantined event that waits."""

    position: str
    arrived_at: datetime
    detail: str
    key: bytes | None
    value: bytes | None


def position(row: Mapping[str, Any]) -> str:
    """A row's place in Kafka, as `redriven_from` has it."""
    return f"{row['kafka_topic']}/{row['kafka_partition']}/{row['kafka_offset']}"


def replaced(lake: Lake, contract: Contract) -> set[str]:
    """Positions of the quarantined records that refine has seen a corrected one of."""
    found: set[str] = set()
    for name in _TABLES:
        table = lake.table(contract.product, name)
        # A table of before there was a re-drive gets the column with the next start of refine.
        if table is not None and any(field.name == "redriven_from" for field in table.schema().fields):
            taken = pc.field("redriven_from").is_valid()
            rows = lake.read(contract.product, name, columns=["redriven_from"], filter=taken)
            found.update(rows["redriven_from"].to_pylist())
    return found


def groups(lake: Lake, contract: Contract) -> list[Group]:
    """What is in quarantine, the largest group that waits first."""
    rows = _rows(lake, contract, (*POSITION, *_DESCRIBED))
    done = replaced(lake, contract)
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_reason.setdefault(row["reason"], []).append(row)
    found = [_group(reason, members, done) for reason, members in by_reason.items()]
    return sorted(found, key=lambda group: (-group.waiting, group.reason))


def samples(lake: Lake, contract: Contract, reason: str, limit: int) -> list[Sample]:
    """The newest events of one reason that wait."""
    done = replaced(lake, contract)
    wanted = pc.field("reason") == reason
    rows = _rows(lake, contract, (*POSITION, "arrived_at"), wanted)
    waiting = sorted((row for row in rows if position(row) not in done), key=lambda row: row["arrived_at"])[-limit:]
    return [
        Sample(position(row), row["arrived_at"], row["detail"] or "", row["kafka_key"], row["kafka_value"])
        for row in reversed(_with_bytes(lake, contract, waiting))
    ]


def _with_bytes(lake: Lake, contract: Contract, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not rows:
        return []
    offsets = pc.field("kafka_offset").isin([row["kafka_offset"] for row in rows])
    found = _rows(lake, contract, (*POSITION, "arrived_at", "detail", "kafka_key", "kafka_value"), offsets)
    wanted = {position(row) for row in rows}
    return sorted((row for row in found if position(row) in wanted), key=lambda row: row["arrived_at"])


def _rows(
    lake: Lake, contract: Contract, columns: Iterable[str], wanted: pc.Expression | None = None
) -> list[dict[str, Any]]:
    table = lake.table(contract.product, "quarantine")
    if table is None:
        return []
    present = {field.name for field in table.schema().fields}
    read: pa.Table = lake.read(contract.product, "quarantine", [name for name in columns if name in present], wanted)
    return list(read.to_pylist())


def _group(reason: str, rows: Sequence[Mapping[str, Any]], done: set[str]) -> Group:
    waiting = [row for row in rows if position(row) not in done]
    told = waiting or rows
    details: dict[str, int] = {}
    for row in told:
        details[row["detail"] or ""] = details.get(row["detail"] or "", 0) + 1
    return Group(
        reason=reason,
        waiting=len(waiting),
        redriven=len(rows) - len(waiting),
        event_types=tuple(sorted({row["event_type"] for row in told if row["event_type"]})),
        details=tuple(sorted(details, key=lambda each: -details[each])[:3]),
        first=min(row["arrived_at"] for row in told),
        last=max(row["arrived_at"] for row in told),
    )
