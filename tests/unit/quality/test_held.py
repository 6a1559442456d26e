"""Held batches come from three tables: what the gate stopped, why, and what a person did about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from quality.held import held_batches

START = datetime(2026, 11, 23, 13, tzinfo=UTC)


def batch(number: int, held: int) -> dict[str, Any]:
    offsets = [
        {"topic": "shop.events", "partition": 0, "from_offset": number * 100, "until_offset": number * 100 + 100},
        {"topic": "shop.events", "partition": 1, "from_offset": 7, "until_offset": 7},
    ]
    time = START + timedelta(seconds=number)
    row = {"query_id": "q", "batch_id": number, "batch_time": time, "offsets": offsets}
    return {**row, "rows_in": 100, "held": held}


def result(
    number: int, check: str, *, success: bool, errored: bool = False, severity: str = "critical"
) -> dict[str, Any]:
    words = {"observed": "44", "expected": "at least 500", "why": "cents", "owner": "payments"}
    row = {"query_id": "q", "batch_id": number, "check": check, "severity": severity, "success": success}
    return {**row, "errored": errored, "rows": 60, **words}


def command(number: int, name: str, outcome: str = "done") -> dict[str, Any]:
    who = {"actor": "ada", "reason": "checked with payments", "at": START, "outcome": outcome}
    return {"command_id": f"command:{name}", "command": name, "target_query_id": "q", "target_batch_id": number, **who}


def tables(**rows: list[dict[str, Any]]) -> dict[str, pa.Table]:
    names = ("batches", "quality_results", "command_log")
    return {name: pa.Table.from_pylist(rows.get(name, [])) for name in names}


def test_only_batches_with_held_rows_newest_first() -> None:
    found = held_batches(**tables(batches=[batch(1, 90), batch(2, 0), batch(3, 80)]))
    assert [(each.batch_id, each.rows, each.state) for each in found] == [(3, 80, "held"), (1, 90, "held")]
    assert found[0].offsets == ("shop.events[0] 300..399",)


def test_failed_are_the_critical_checks_that_judged() -> None:
    results = [
        result(1, "amounts", success=False),
        result(1, "latency", success=False, severity="warning"),
        result(1, "broken", success=False, errored=True),
        result(1, "fine", success=True),
        result(2, "amounts", success=False),
    ]
    (found,) = held_batches(**tables(batches=[batch(1, 90)], quality_results=results))
    assert [each.check for each in found.failed] == ["amounts"]
    assert len(found.results) == 4


def test_a_command_that_is_done_decides_and_one_that_failed_does_not() -> None:
    log = [command(1, "release"), command(2, "reject"), command(3, "release", outcome="failed"), command(4, "forget")]
    found = held_batches(**tables(batches=[batch(n, 90) for n in (1, 2, 3, 4)], command_log=log))
    assert {each.batch_id: each.state for each in found} == {1: "released", 2: "rejected", 3: "held", 4: "held"}
    decided = next(each for each in found if each.batch_id == 1).decided
    assert decided
    assert (decided.actor, decided.reason) == ("ada", "checked with payments")
