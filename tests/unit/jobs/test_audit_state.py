"""What an audit found is evidence for the windows it was found in, until a newer audit says otherwise."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pytest

from pipelines import contract as contracts
from pipelines.jobs.audit_state import failures, last_run
from pipelines.platform.lake import Lake

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
_TIMES = dict.fromkeys(("run_at", "from_time", "to_time"), pa.timestamp("us", tz="UTC"))


class Results:
    """A lake with nothing but `audit_results`."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self._rows = pa.Table.from_pylist(list(rows))
        for name, kind in _TIMES.items():
            at = self._rows.column_names.index(name)
            self._rows = self._rows.set_column(at, name, self._rows[name].cast(kind))

    def exists(self, product: str, table: str) -> bool:
        return (product, table) == ("shop", "audit_results")

    def read(self, product: str, table: str, columns: list[str], filter: Any = None) -> pa.Table:  # noqa: A002
        return (self._rows if filter is None else self._rows.filter(filter)).select(columns)


def row(minutes: int = 0, **more: Any) -> dict[str, Any]:
    observed = {"rows": 9, "strata": [{"where": "all rows", "value": 0.31, "rows": 9, "note": "wrong_type 3"}]}
    return {
        "run_at": NOON + timedelta(minutes=minutes),
        "expectation": "few records are refused",
        "severity": "critical",
        "success": False,
        "error": None,
        "observed": json.dumps(observed),
        "expected": json.dumps({"measure": "share refused", "max": 0.02}),
        "owner": "data platform",
        "versions": json.dumps({"silver": [3, 9], "batches": [0, 4]}),
        "from_time": NOON,
        "to_time": NOON + timedelta(minutes=10),
        **more,
    }


def failed(*rows: dict[str, Any], since: datetime = NOON) -> pd.DataFrame:
    return failures(cast(Lake, Results(*rows)), contracts.load("shop"), since)


def test_a_critical_failure_is_evidence_for_each_of_its_windows() -> None:
    found = failed(row())
    assert list(found["window_start"]) == [pd.Timestamp("2026-11-23 12:00"), pd.Timestamp("2026-11-23 12:05")]
    assert set(found["observed"]) == {"all rows: 0.31 (wrong_type 3)"}
    assert set(found["expected"]) == {"share refused: at most 0.02"}


@pytest.mark.parametrize("more", [{"severity": "warning"}, {"success": True}, {"error": "TypeError: text"}])
def test_a_warning_a_success_and_a_broken_check_are_none(more: dict[str, Any]) -> None:
    # Another failure, of a window before, so that the column of errors has a type.
    before = row(from_time=NOON - timedelta(hours=1), to_time=NOON - timedelta(minutes=55), error="x")
    assert not len(failed(row(**more), before))


def test_a_newer_audit_of_the_same_window_has_the_last_word() -> None:
    again = row(5, success=True, to_time=NOON + timedelta(minutes=5))
    assert list(failed(again, row())["window_start"]) == [pd.Timestamp("2026-11-23 12:05")]


def test_windows_before_the_first_that_is_asked_for_are_left_out() -> None:
    assert list(failed(row(), since=NOON + timedelta(minutes=5))["window_start"]) == [pd.Timestamp("2026-11-23 12:05")]


def test_the_next_audit_begins_where_the_newest_ended() -> None:
    newest = row(30, versions=json.dumps({"silver": [9, 12], "batches": [4, 6]}))
    found = last_run(cast(Lake, Results(newest, row())), contracts.load("shop"))
    assert found is not None
    assert (found.run_at, found.versions) == (NOON + timedelta(minutes=30), {"silver": 12, "batches": 6})


def test_before_the_first_audit_there_is_nothing() -> None:
    nothing = cast(Lake, Results(row()))
    other = contracts.load("weblog")
    assert last_run(nothing, other) is None
    assert not len(failures(nothing, other, NOON))
