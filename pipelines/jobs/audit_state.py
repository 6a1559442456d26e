"""The table `audit_results`: what audits found, read without a JVM."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import pyarrow.compute as pc
from pyspark.sql.types import BooleanType, LongType, StringType, StructField, StructType, TimestampType

from pipelines.contract import Contract
from pipelines.platform.lake import Lake

TABLE = "audit_results"

# One row per expectation and run. `error` is set when the check itself broke; `observed` and `expected` are JSON;
# `versions` is JSON too, table -> [from, to] versions; the run's events are of [from_time, to_time).
AUDIT_RESULTS = StructType(
    [
        StructField("run_id", StringType()),
        StructField("run_at", TimestampType()),
        StructField("layer", StringType()),
        StructField("suite", StringType()),
        StructField("expectation", StringType()),
        StructField("column", StringType()),
        StructField("severity", StringType()),
        StructField("owner", StringType()),
        StructField("why", StringType()),
        StructField("success", BooleanType()),
        StructField("error", StringType()),
        StructField("observed", StringType()),
        StructField("expected", StringType()),
        StructField("rows", LongType()),
        StructField("versions", StringType()),
        StructField("from_time", TimestampType()),
        StructField("to_time", TimestampType()),
    ]
)


@dataclass(frozen=True)
class LastRun:
    """The newest audit: when it began, and the version of each table up to which it has looked."""

    run_at: datetime
    versions: Mapping[str, int]


def last_run(lake: Lake, contract: Contract) -> LastRun | None:
    """The newest audit, None when there was none."""
    rows = lake.read(contract.product, TABLE, columns=["run_at", "versions"]) if _exists(lake, contract) else None
    if rows is None or not rows.num_rows:
        return None
    newest = rows.sort_by([("run_at", "descending")]).slice(0, 1).to_pylist()[0]
    return LastRun(newest["run_at"], {name: to for name, (_, to) in json.loads(newest["versions"]).items()})


def failures(lake: Lake, contract: Contract, since: datetime) -> pd.DataFrame:
    """Critical failures of audits as evidence that the data of some windows are bad.

    Warnings are left out: a volume that falls or a mix that drifts is what changed behaviour looks like too. Of a
    window that several audits saw the newest one counts.

    Returns:
        Columns window_start (UTC, without zone), check, observed, expected, owner, judge (the audit); a row per window
        and expectation.
    """
    columns = ["window_start", "check", "observed", "expected", "owner", "judge"]
    if not _exists(lake, contract):
        return pd.DataFrame(columns=columns)
    audited = (pc.field("to_time") > since) & (pc.field("severity") == "critical")
    wanted = ["run_at", "expectation", "success", "error", "observed", "expected", "owner", "from_time", "to_time"]
    newest: dict[tuple[datetime, str], Mapping[str, object]] = {}
    for row in sorted(lake.read(contract.product, TABLE, wanted, audited).to_pylist(), key=lambda row: row["run_at"]):
        for window in pd.date_range(row["from_time"], row["to_time"], freq=contract.window, inclusive="left"):
            start = window.floor(contract.window).tz_convert("UTC").tz_localize(None)
            if start >= pd.Timestamp(since).tz_convert("UTC").tz_localize(None):
                newest[start, row["expectation"]] = row
    rows = [
        (start, name, words_of(str(row["observed"])), measured(str(row["expected"])), row["owner"], "audit")
        for (start, name), row in sorted(newest.items())
        if not row["success"] and row["error"] is None
    ]
    found = pd.DataFrame(rows, columns=columns)
    found["window_start"] = pd.to_datetime(found["window_start"])
    return found


def words_of(observed: str) -> str:
    """What `observed` says, in a line."""
    strata = json.loads(observed)["strata"]
    told = [
        f"{each['where']}: {each['value']:,}" + (f" ({each['note']})" if each.get("note") else "")
        for each in strata[:3]
    ]
    return "; ".join(told) or str(json.loads(observed).get("note", ""))


def measured(expected: str) -> str:
    """What `expected` says, in a line."""
    found = json.loads(expected)
    limits = [f"{word} {found[key]:g}" for key, word in (("min", "at least"), ("max", "at most")) if key in found]
    return f"{found['measure']}: {' and '.join(limits)}"


def utc(moment: datetime) -> datetime:
    """A moment in UTC; one without a zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _exists(lake: Lake, contract: Contract) -> bool:
    return lake.exists(contract.product, TABLE)
