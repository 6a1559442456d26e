"""What the detect loop remembers between its ticks: tables baseline, evidence, incidents and ticks, without a JVM.

Every write replaces what it is about in one commit, so that a tick that is run again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import Contract
from pipelines.incidents.record import Incident, from_records, to_rows
from pipelines.platform.lake import Lake

_TIME = pa.timestamp("us", tz="UTC")
_NUMBERS = pa.list_(pa.float64())
BASELINE = pa.schema(
    [
        ("until", _TIME),
        ("history_start", _TIME),
        ("history_days", pa.float64()),
        ("windows", pa.int64()),
        ("window_seconds", pa.int64()),
        ("metric", pa.string()),
        ("series", pa.string()),
        ("dims", pa.map_(pa.string(), pa.string())),
        ("family", pa.string()),
        ("logarithmic", pa.bool_()),
        ("usual", pa.float64()),
        ("profile", _NUMBERS),
        ("volume", _NUMBERS),
        ("shown", _NUMBERS),
        ("shown_dispersion", pa.float64()),
        ("volume_dispersion", pa.float64()),
        ("drift", pa.float64()),
        ("level", pa.float64()),
        ("level_variance", pa.float64()),
        ("dispersions", pa.map_(pa.string(), pa.float64())),
        ("scales", pa.map_(pa.string(), pa.float64())),
        ("shapes", pa.map_(pa.string(), pa.float64())),
        ("quantiles", pa.map_(pa.string(), _NUMBERS)),
    ]
)
EVIDENCE = pa.schema(
    [
        ("metric", pa.string()),
        ("series", pa.string()),
        ("window_start", _TIME),
        ("test", pa.string()),
        ("value", pa.float64()),
        ("expected", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("statistic", pa.float64()),
        ("p_value", pa.float64()),
        ("direction", pa.string()),
        ("effect", pa.float64()),
        ("fired", pa.bool_()),
        ("since", _TIME),
        ("limit", pa.float64()),
        ("words", pa.string()),
        ("detector_version", pa.string()),
    ]
)
_INCIDENTS = pa.schema(
    [
        ("incident_id", pa.string()),
        ("product", pa.string()),
        ("state", pa.string()),
        ("verdict", pa.string()),
        ("severity", pa.string()),
        ("metric", pa.string()),
        ("since", _TIME),
        ("until", _TIME),
        ("open", pa.bool_()),
        ("detector_version", pa.string()),
        ("record", pa.string()),
    ]
)
_TICKS = pa.schema(
    [
        ("tick_at", _TIME),
        ("now", _TIME),
        ("data_until", _TIME),
        ("caught_up", pa.bool_()),
        ("windows", pa.int64()),
        ("gold_version", pa.int64()),
        ("baseline_until", _TIME),
        ("confirmed_until", _TIME),
        ("incidents", pa.int64()),
        ("seconds", pa.float64()),
        ("detector_version", pa.string()),
    ]
)

# Class and reason of what was held, once a person has decided.
_NOW = {"release": ("silver", ""), "reject": ("quarantine", "rejected by a person")}

# The tables that detect and baseline write, by name.
SCHEMAS = {"baseline": BASELINE, "evidence": EVIDENCE, "incidents": _INCIDENTS, "ticks": _TICKS}


@dataclass(frozen=True)
class Reached:
    """How far refine has read: (topic, partition) -> first offset not read, and the time of its newest batch."""

    offsets: dict[tuple[str, int], int]
    batch_time: datetime | None

    def has(self, ends: dict[tuple[str, int], int]) -> bool:
        """Whether everything before the given ends has been read."""
        return all(self.offsets.get(where, 0) >= end for where, end in ends.items())


def reached(lake: Lake, product: str) -> Reached:
    """Refine's progress by the batches that it has written whole."""
    rows = lake.read(product, "batches", columns=["offsets", "batch_time"])
    offsets: dict[tuple[str, int], int] = {}
    latest: datetime | None = None
    for row in rows.to_pylist():
        latest = max(latest, row["batch_time"]) if latest else row["batch_time"]
        for each in row["offsets"] or ():
            where = (each["topic"], each["partition"])
            offsets[where] = max(offsets.get(where, 0), each["until_offset"])
    return Reached(offsets, latest)


def facts_and_results(lake: Lake, contract: Contract, since: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What refine knows of the data: counts per window and class, and the failed checks of the windows' batches.

    Facts have columns window_start (without zone), class, reason, n; results window_start, check, observed, expected,
    owner, judge (the gate), one row per window that the failed batch has events of. What was held and is released is as
    good as any; what was held and is rejected is in quarantine.
    """
    decided = _decided(lake, contract.product)
    batches = lake.read(contract.product, "batches", columns=["query_id", "batch_id", "facts"]).to_pylist()
    first = since.astimezone(UTC).replace(tzinfo=None)
    counted: list[tuple[datetime, str, str, int]] = []
    windows: dict[tuple[str, int], set[datetime]] = {}
    for row in batches:
        for fact in row["facts"] or ():
            start = fact["window_start"].astimezone(UTC).replace(tzinfo=None)
            if start >= first:
                known = (fact["class"], fact["reason"] or "")
                if fact["class"] == "held":
                    known = _NOW.get(decided.get((row["query_id"], row["batch_id"]), ""), known)
                counted.append((start, *known, fact["n"]))
                if fact["class"] in ("silver", "held"):
                    windows.setdefault((row["query_id"], row["batch_id"]), set()).add(start)
    facts = pd.DataFrame(counted, columns=["window_start", "class", "reason", "n"])
    failed: list[tuple[datetime, str, str, str, str, str]] = []
    if lake.exists(contract.product, "quality_results"):
        wrong = (~pc.field("success")) & (~pc.field("errored"))
        for row in lake.read(contract.product, "quality_results", filter=wrong).to_pylist():
            if decided.get((row["query_id"], row["batch_id"])) == "release":
                continue
            for start in sorted(windows.get((row["query_id"], row["batch_id"]), ())):
                failed.append((start, row["check"], row["observed"], row["expected"], row["owner"], "gate"))
    results = pd.DataFrame(failed, columns=["window_start", "check", "observed", "expected", "owner", "judge"])
    for frame in (facts, results):
        frame["window_start"] = pd.to_datetime(frame["window_start"])
    summed = facts.groupby(["window_start", "class", "reason"])["n"].sum().reset_index()
    return summed, results


def _decided(lake: Lake, product: str) -> dict[tuple[str, int], str]:
    """What people said of batches that were held, by query and number: release or reject."""
    if not lake.exists(product, "command_log"):
        return {}
    done = pc.field("command").isin(list(_NOW)) & (pc.field("outcome") == "done")
    columns = ["target_query_id", "target_batch_id", "command"]
    rows = lake.read(product, "command_log", columns, done).to_pylist()
    return {(row["target_query_id"], row["target_batch_id"]): row["command"] for row in rows}


def store_baseline(lake: Lake, contract: Contract, learnt: pd.DataFrame, keep: int, *, last: bool = False) -> None:
    """Replace this run's rows and drop all but the newest runs; see `replaced_baseline`."""
    if not len(learnt):
        return
    rows = learnt.copy()
    for name in ("dims", "dispersions", "scales", "shapes", "quantiles"):
        rows[name] = [list(each.items()) for each in rows[name]]
    where = replaced_baseline(lake, contract, learnt["until"].iloc[0], keep, last=last)
    lake.replace(contract.product, "baseline", _arrow(rows, BASELINE), where)


def replaced_baseline(lake: Lake, contract: Contract, until: datetime, keep: int, *, last: bool = False) -> str:
    """Which rows a baseline takes the place of: those of the same `until`, and of all runs but the newest.

    With `last` also those of every run that ends later: what these have learnt from is to be judged.
    """
    where = f"until {'>=' if last else '='} '{_text(until)}'"
    runs = [run for run, _ in _runs(lake, contract) if not last or _text(run) < _text(until)]
    return f"({where}) OR until < '{_text(runs[-keep + 1])}'" if len(runs) >= keep else where


def newest_baseline(lake: Lake, contract: Contract, before: datetime) -> tuple[datetime, int] | None:
    """End of the history of the newest baseline that was learnt from windows before `before` only, and its series."""
    usable = [run for run in _runs(lake, contract) if run[0] <= before]
    return usable[-1] if usable else None


def load_baseline(lake: Lake, contract: Contract, before: datetime) -> pd.DataFrame:
    """All rows of that baseline; empty when there is none."""
    newest = newest_baseline(lake, contract, before)
    if newest is None:
        return pd.DataFrame()
    until = pa.scalar(newest[0], type=_TIME)
    return _pandas(lake.read(contract.product, "baseline", filter=pc.field("until") == until))


def load_wholes(lake: Lake, contract: Contract, until: datetime) -> pd.DataFrame:
    """The rows of one baseline on each metric as a whole."""
    names = pa.array([metric.name for metric in contract.metrics])
    mine = (pc.field("until") == pa.scalar(until, type=_TIME)) & pc.field("series").isin(names)
    return _pandas(lake.read(contract.product, "baseline", filter=mine))


def _runs(lake: Lake, contract: Contract) -> list[tuple[datetime, int]]:
    """The baselines that are kept, each with the number of its series, oldest first."""
    if not lake.exists(contract.product, "baseline"):
        return []
    counts = lake.read(contract.product, "baseline", columns=["until"]).group_by("until").aggregate([([], "count_all")])
    return sorted(zip(counts["until"].to_pylist(), counts["count_all"].to_pylist(), strict=True))


def store_evidence(lake: Lake, contract: Contract, evidence: pd.DataFrame, since: datetime, version: str) -> None:
    """Replace the evidence of all windows from `since` on."""
    rows = evidence[evidence["window_start"] >= pd.Timestamp(since).tz_convert(None)].assign(detector_version=version)
    lake.replace(contract.product, "evidence", _arrow(rows, EVIDENCE), replaced_evidence(since, version))


def replaced_evidence(since: datetime, version: str) -> str:
    """Which rows new evidence takes the place of."""
    return f"window_start >= '{_text(since)}' AND detector_version = '{version}'"


def load_incidents(lake: Lake, contract: Contract) -> list[Incident]:
    """All stored incidents, retracted ones too."""
    if not lake.exists(contract.product, "incidents"):
        return []
    return from_records(lake.read(contract.product, "incidents", columns=["record"])["record"].to_pylist())


def store_incidents(lake: Lake, contract: Contract, incidents: Sequence[Incident]) -> None:
    """Replace the incidents that have the same ids."""
    if not incidents:
        return
    names = ", ".join(f"'{each.incident_id}'" for each in incidents)
    rows = to_rows(sorted(incidents, key=lambda each: (each.since, each.incident_id)))
    lake.replace(contract.product, "incidents", _arrow(rows, _INCIDENTS), f"incident_id IN ({names})")


def last_ticks(lake: Lake, contract: Contract) -> pd.DataFrame:
    """The ticks so far, oldest first."""
    if not lake.exists(contract.product, "ticks"):
        return pd.DataFrame(columns=_TICKS.names)
    return _pandas(lake.read(contract.product, "ticks")).sort_values("tick_at", ignore_index=True)


def store_tick(lake: Lake, contract: Contract, row: dict[str, Any], keep_since: datetime) -> None:
    """Add a tick; those before `keep_since` go."""
    table = pa.Table.from_pylist([row], schema=_TICKS)
    lake.replace(
        contract.product, "ticks", table, f"tick_at < '{_text(keep_since)}' OR tick_at = '{_text(row['tick_at'])}'"
    )


def _arrow(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Frame to arrow; times without zone are UTC."""
    columns = []
    for field in schema:
        values = rows[field.name]
        if field.type == _TIME:
            stamps = pd.to_datetime(values)
            values = stamps.dt.tz_localize("UTC") if stamps.dt.tz is None else stamps.dt.tz_convert("UTC")
        elif field.type == _NUMBERS:
            values = [list(each) for each in values]
        columns.append(pa.array(values, type=field.type, from_pandas=field.type == pa.float64()))
    return pa.Table.from_arrays(columns, schema=schema)


def _pandas(table: pa.Table) -> pd.DataFrame:
    """Arrow to frame; times lose their zone, which is UTC."""
    frame: pd.DataFrame = table.to_pandas()
    for name in frame.columns:
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            frame[name] = frame[name].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[ns]")
    return frame


def _text(moment: Any) -> str:
    stamp = pd.Timestamp(moment)
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
