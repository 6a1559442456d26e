"""Rows as the lake has them, and the report made of them, with events that try to be more than text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines import contract as contracts
from quality.held import Decided, HeldBatch
from quality.report import summary
from quality.report.facts import Report, TableState
from quality.verdict import CheckResult

NOW = datetime(2026, 11, 26, 14, 7, tzinfo=UTC)
SINCE = NOW - timedelta(hours=24)
HOSTILE = (
    "<script>alert('injected')</script>\"'><img src=x onerror=alert(1)>"
    "\u202eevil\u202c \u200bzero \x1b[31mred\x00 {{ 7 * 7 }} <!-- "
)
FAILED = CheckResult(
    "amounts are in minor units", "critical", False, False, "app_version=5.3.0: 46 (239 rows)",
    "median of amount_minor: at least 900", 239, "A release that sends euros divides revenue by a hundred.", "payments",
)  # fmt: skip


def parts(rows: Sequence[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Rows in two parts, as a table of several files comes."""
    half = len(rows) // 2
    for part in (rows[:half], rows[half:]):
        if part:
            yield pa.RecordBatch.from_pylist([dict(row) for row in part])


def batches(number: int = 40) -> list[dict[str, Any]]:
    """Batches half an hour apart, the last one held."""
    found = []
    for at in range(number):
        held = 11_952 if at == number - 1 else 0
        row = {
            "rows_in": 12_700 + 900 * (at % 7),
            "quarantine": 40 + at % 5,
            "duplicates": 55,
            "held": held,
            "late": 12,
        }
        row["silver"] = 0 if held else row["rows_in"] - row["quarantine"] - row["duplicates"]
        verdict = "hold" if held else "warn" if at == 20 else "promote"
        found.append(
            {**row, "batch_time": NOW - timedelta(minutes=30 * (number - 1 - at), seconds=90), "verdict": verdict}
        )
    return found


def check_rows() -> list[dict[str, Any]]:
    """Three checks of the gate on every batch: one fails at the end, one broke once, one always passes."""
    found = []
    for at, batch in enumerate(batches()):
        for name, severity in (("amounts are in minor units", "critical"), ("shares", "warning"), ("ids", "critical")):
            failed, broke = name[0] == "a" and batch["verdict"] == "hold", name == "shares" and at == 20
            found.append(
                {
                    "batch_time": batch["batch_time"],
                    "check": name,
                    "severity": severity,
                    "success": not failed and not broke,
                    "errored": broke,
                    "observed": HOSTILE if failed else "TypeError: text" if broke else "fine",
                    "expected": "at least 900",
                    "why": "Euros where cents are meant.",
                    "owner": "payments",
                }
            )
    return found


def quarantine_rows() -> list[dict[str, Any]]:
    """Refused events of two reasons, five of the hostile one."""
    rows = [("missing_field", "user_id", 40), ("wrong_type", HOSTILE, 5)]
    return [
        {
            "reason": reason,
            "detail": detail,
            "arrived_at": NOW - timedelta(minutes=7 * at),
            "kafka_topic": "shop.events",
            "kafka_partition": at % 4,
            "kafka_offset": 1_000 * len(reason) + at,
        }
        for reason, detail, number in rows
        for at in range(number)
    ]


def evidence_rows() -> list[dict[str, Any]]:
    """A count over 96 windows with a hole in it, and rows that the chart must leave out."""
    found = []
    for at in range(96):
        value = 30.0 if 70 <= at < 76 else 380.0 + 60 * ((at % 24) / 24)
        row = {"metric": "traffic", "series": "traffic", "window_start": NOW - timedelta(minutes=5 * (96 - at))}
        found.append({**row, "test": "point", "value": value, "expected": 400.0, "low": 330.0, "high": 470.0})
    return [*found, {**found[0], "test": "long", "value": 1e9}, {**found[0], "series": "traffic{a=b}", "value": 1e9}]


def audit_rows(runs: int = 12) -> list[dict[str, Any]]:
    """Audits an hour apart; in the last one an expectation fails and another broke."""
    found = []
    for run in range(runs):
        for name, column in (("sums reconcile", None), ("status is known", "status"), ("drift", "device")):
            last = run == runs - 1
            failed, broke = last and name == "status is known", last and name == "drift"
            strata = [{"where": HOSTILE if failed else "all rows", "value": 0.5, "rows": 1000}]
            found.append(
                {
                    "run_id": f"audit-{run:02}",
                    "run_at": NOW - timedelta(hours=runs - run),
                    "layer": "silver",
                    "suite": "silver to gold" if name == "sums reconcile" else "bronze to silver",
                    "expectation": name,
                    "column": column,
                    "severity": "critical",
                    "owner": "data platform",
                    "why": "A status that nobody knows falls out of the rate.",
                    "success": not failed and not broke,
                    "error": f"AnalysisException: {HOSTILE}" if broke else None,
                    "observed": json.dumps({"rows": 1000, "strata": strata}),
                    "expected": json.dumps({"measure": "share of known values", "min": 0.99}),
                    "rows": 1000,
                }
            )
    return found


def report(*, audited: bool = True, quiet: bool = False) -> Report:
    """The whole report; `quiet` is that of a product whose tables are empty or missing."""
    seen = [] if quiet else batches()
    bins = summary.bins_of(seen[0]["batch_time"] if seen else None, NOW)
    refused = summary.refused(parts([] if quiet else quarantine_rows()), bins)
    values = {summary.position(row): HOSTILE.encode() + b"\xff" for _, rows in refused.values() for row in rows}
    held = HeldBatch(
        "q", 41, NOW - timedelta(minutes=1), 11_952, 12_622, ("shop.events[0] 146297..149398",), "held", None,
        (FAILED,), (FAILED,),
    )  # fmt: skip
    decided = HeldBatch(
        "q", 12, NOW - timedelta(hours=9), 80, 90, ("shop.events[1] 1..90",), "released",
        Decided("ada <b>", HOSTILE, NOW - timedelta(hours=8)), (FAILED,), (FAILED,),
    )  # fmt: skip
    return Report(
        product="shop",
        title="Web and app shop",
        made_at=NOW,
        since=SINCE,
        bins=bins,
        promotions=summary.promotions(parts(seen), bins),
        tables=() if quiet else (
            TableState("bronze", "arrived at Kafka", 604_710, NOW - timedelta(seconds=40)),
            TableState("silver", "event time", 589_632, NOW - timedelta(minutes=14)),
            TableState("held", "arrived at Kafka", 0, None),
        ),
        held=() if quiet else (held, decided),
        refused=summary.with_samples(refused, values),
        volumes=summary.volumes(parts([] if quiet else evidence_rows()), {"traffic": ("Traffic", "actions")}),
        checks=summary.checks(parts([] if quiet else check_rows()), bins),
        audit=summary.audit(parts(audit_rows() if audited and not quiet else [])),
    )  # fmt: skip


def events(number: int = 300) -> pd.DataFrame:
    """Accepted events of the committed shop as silver gives them, some with values that no suite allows."""
    paid = np.arange(number) % 3 == 0
    hostile = np.arange(number) % 50 == 1
    return pd.DataFrame(
        {
            "event_id": [f"e{at}" for at in range(number)],
            "event_type": np.where(paid, "transaction", "user_action"),
            "schema_version": np.where(paid, 1, 2).astype("int32"),
            "event_time": pd.date_range(NOW, periods=number, freq="1s").as_unit("us"),
            **{name: ["web"] * number for name in contracts.load("shop").dimensions},
            "user_id": "u1",
            "session_id": "s1",
            "action": np.where(paid, None, np.where(hostile, HOSTILE, "view")),
            "latency_ms": np.where(paid, np.nan, 120.0),
            "error": np.where(paid, None, False),
            "order_id": np.where(paid, "o1", None),
            "amount_minor": np.where(paid, 2500.0, np.nan),
            "currency": np.where(paid, np.where(np.arange(number) % 60 == 0, "</script>" + HOSTILE, "EUR"), None),
            "status": np.where(paid, "completed", None),
            "host": None,
            "name": None,
            "value": np.nan,
        }
    )
