"""A small contract and its events, as the gate sees them: silver's event columns in pandas."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.contract import Check, Condition, Contract

START = datetime(2026, 11, 23, 13, tzinfo=UTC)
VERSIONS = {"5.2.0": 0.58, "5.1.0": 0.29, "5.0.2": 0.13}

AMOUNTS = Check(
    name="amounts are in cents",
    column="amount_minor",
    statistic="median",
    where=(Condition(column="event_type", value="transaction"),),
    by=("app_version",),
    min=500,
    max=50_000,
    minimum_rows=30,
    owner="payments",
    why="a version that sends euros makes revenue a hundred times too small",
)
LATENCY = Check(
    name="latencies are in milliseconds",
    column="latency_ms",
    statistic="median",
    where=(Condition(column="event_type", value="user_action"),),
    by=("app_version", "device"),
    min=20,
    max=20_000,
    owner="clients",
    why="seconds where milliseconds are meant pass every row rule",
)
ERRORS = Check(
    name="few actions end in an error",
    column="error",
    statistic="mean",
    where=(Condition(column="event_type", value="user_action"),),
    max=0.9,
    severity="warning",
    owner="clients",
    why="an error flag that is always set says nothing",
)
REGIONS = Check(
    name="regions are ours",
    column="region",
    statistic="in_set_share",
    values=("eu", "us"),
    min=0.99,
    owner="platform",
    why="an unknown region is in nobody's dashboard",
)
CHECKS = (AMOUNTS, LATENCY, ERRORS, REGIONS)


def contract(*checks: Check) -> Contract:
    """A contract of two event types with the given checks."""
    text = {"type": "string", "required": True}
    action = [
        {"column": "user_id", "path": "$.user_id", **text},
        {"column": "latency_ms", "path": "$.latency_ms", "type": "number", "minimum": 0, "maximum": 600_000},
        {"column": "error", "path": "$.error", "type": "boolean"},
    ]
    transaction = [
        {"column": "user_id", "path": "$.user_id", **text},
        {"column": "amount_minor", "path": "$.amount_minor", "type": "integer", "minimum": 1, "maximum": 10_000_000},
        {"column": "currency", "path": "$.currency", "type": "string", "enum": ("EUR", "USD")},
    ]
    return Contract.model_validate(
        {
            "product": "shop",
            "title": "A shop",
            "topic": "shop.events",
            "clock": "arrival",
            "window": timedelta(minutes=5),
            "allowed_lateness": timedelta(minutes=10),
            "dedup_horizon": timedelta(hours=1),
            "born": datetime(2020, 1, 1, tzinfo=UTC),
            "future_tolerance": timedelta(minutes=5),
            "max_event_bytes": 100_000,
            "max_depth": 8,
            "envelope": {n: f"$.{n}" for n in ("event_id", "event_type", "schema_version", "event_time")},
            "dimension_sources": {n: f"$.{n}" for n in ("region", "device", "app_version")},
            "events": {
                "user_action": {"name": "user_action", "versions": [{"number": 2, "fields": action}]},
                "transaction": {"name": "transaction", "versions": [{"number": 1, "fields": transaction}]},
            },
            "metrics": [],
            "checks": [check.model_dump() for check in checks],
            "sensitivity": {},
            "folder": "contracts/shop",
        }
    )


def events(rows: int, seed: int, **fixed: Any) -> pd.DataFrame:
    """Sound events; `fixed` gives columns one value, or a choice of weighted values as a dict."""
    rng = np.random.default_rng(seed)

    def pick(column: str, shares: dict[str, float]) -> Any:
        given = fixed.get(column, shares)
        shares = given if isinstance(given, dict) else {given: 1.0}
        return rng.choice(list(shares), rows, p=np.array(list(shares.values())) / sum(shares.values()))

    types = pick("event_type", {"user_action": 0.85, "transaction": 0.15})
    paid = types == "transaction"
    frame = pd.DataFrame(
        {
            "event_id": [f"{seed:08x}-{number:012x}" for number in range(rows)],
            "event_type": types,
            "schema_version": np.where(paid, 1, 2).astype("int32"),
            "event_time": pd.Timestamp("2026-11-23 13:00") + pd.to_timedelta(rng.integers(0, 2000, rows), unit="ms"),
            "region": pick("region", {"eu": 0.6, "us": 0.4}),
            "device": pick("device", {"ios": 0.5, "android": 0.3, "web": 0.2}),
            "app_version": pick("app_version", VERSIONS),
            "user_id": [f"u-{number}" for number in rng.integers(0, 500, rows)],
            "latency_ms": np.where(paid, np.nan, rng.lognormal(np.log(142), 0.55, rows)),
            "error": np.where(paid, None, rng.random(rows) < 0.012),
            "amount_minor": np.where(paid, rng.lognormal(np.log(4500), 0.8, rows).clip(500, 30_000).round(), np.nan),
            "currency": np.where(paid, rng.choice(["EUR", "USD"], rows), None),
        }
    )
    text = ["event_type", "region", "device", "app_version"]
    return frame.astype(dict.fromkeys(text, object))


def euros(frame: pd.DataFrame, version: str) -> pd.DataFrame:
    """The same events, one version of which sends euros where cents are meant."""
    wrong = (frame["app_version"] == version) & frame["amount_minor"].notna()
    amounts = frame["amount_minor"].where(~wrong, (frame["amount_minor"] / 100).round().clip(lower=1))
    return frame.assign(amount_minor=amounts)


def at(second: int) -> datetime:
    """Time of a batch."""
    return START + timedelta(seconds=second)


@pytest.fixture(scope="session")
def shop() -> ModuleType:
    """This module: `contract(*checks)`, `events(rows, seed)`, `euros(frame, version)`, `at(second)`, the checks."""
    return sys.modules[__name__]
