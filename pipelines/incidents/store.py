"""Incidents and ticks as the command line reads them: from the lake, without a JVM."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.incidents.record import Incident, from_records
from pipelines.platform.lake import Lake


@dataclass(frozen=True)
class Tick:
    """The last evaluation: when, up to which window, whether refine had read everything by then, and until when the
    baseline was learnt that it judged by; None where there was none."""

    tick_at: datetime
    now: datetime
    data_until: datetime | None
    caught_up: bool
    windows: int
    baseline_until: datetime | None


def incidents(lake: Lake, product: str, *, retracted: bool = False) -> list[Incident]:
    """Every incident of a product, the most severe first; those that were retracted only when asked for."""
    found = lake.read(product, "incidents")
    if not found.num_rows:
        return []
    rows = found.to_pylist()
    return from_records(row["record"] for row in rows if retracted or row["state"] != "retracted")


def last_tick(lake: Lake, product: str) -> Tick | None:
    """The newest tick; None when detect has never run."""
    found = lake.read(product, "ticks")
    if not found.num_rows:
        return None
    row: dict[str, Any] = max(found.to_pylist(), key=lambda each: each["tick_at"])
    return Tick(
        tick_at=_utc(row["tick_at"]),
        now=_utc(row["now"]),
        data_until=_utc(row["data_until"]) if row["data_until"] else None,
        caught_up=bool(row["caught_up"]),
        windows=int(row["windows"]),
        baseline_until=_utc(row["baseline_until"]) if row["baseline_until"] else None,
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
