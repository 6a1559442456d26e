"""A lake on disk as the jobs leave one behind, made in this process from a simulated world: no Kafka, Spark or S3.

Gold, baseline, evidence, curves and incidents come from the code of the jobs; what refine writes beside gold (batches,
quality results, quarantine, silver) is summed up from the same events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
from fastapi import FastAPI

from benchmarks.simulated_gold import Gold, accepted, sent
from pipelines import contract as contracts
from pipelines.api import app
from pipelines.api.answering import Answering
from pipelines.api.reading import Reader
from pipelines.api.security import Access
from pipelines.contract import Contract
from pipelines.detect import baseline
from pipelines.errors import ServiceError
from pipelines.gold.sketches import hll
from pipelines.incidents.find import by_leaves, find, usual_of
from pipelines.incidents.lifecycle import carry_over
from pipelines.incidents.record import Incident
from pipelines.jobs import curves, detect_state
from pipelines.platform.lake import Lake
from pipelines.platform.open_lake import OpenLake
from pipelines.platform.settings import Settings
from pipelines.simulate.run import world_of
from quality.gate import Gate

_TIME = pa.timestamp("us", tz="UTC")
_QUERY = "0d6f7a34-simulated"
_BATCH = timedelta(minutes=5)


@dataclass(frozen=True)
class OnDisk(Settings):
    """Settings whose lake is a folder."""

    def table_uri(self, product: str, table: str) -> str:
        return str(self.home / product / table)


def settings_of(home: Path) -> OnDisk:
    """Settings of a lake in a folder; nothing else that they name exists."""
    return OnDisk("local", home, "eu-central-1", None, "127.0.0.1:9", "lake", "artifacts", "reports", "")


@dataclass(frozen=True)
class Simulated:
    """A lake that was made: where, of which product, and the incidents in it."""

    settings: OnDisk
    contract: Contract
    incidents: tuple[Incident, ...]
    until: datetime

    @property
    def lake(self) -> Lake:
        return Lake(self.settings)


def without_services(made: Simulated, token: str | None = None) -> tuple[FastAPI, Access]:
    """The web app on such a lake, where Kafka does not answer."""

    def refused(*_: object) -> NoReturn:
        raise ServiceError("Kafka at 127.0.0.1:9 does not answer", hint="pulseiq up")

    access = Access(token)
    reader = Reader(OpenLake(made.settings, fresh_seconds=0.0), made.contract, refused)
    return app.create(Answering(reader, refused), access), access


def simulate(
    home: Path,
    scenario: str,
    *,
    product: str = "shop",
    metrics: Sequence[str] = (),
    seed: int = 7,
    days: float = 4,
    events: int = 400_000,
    recent: timedelta = timedelta(hours=2),
    overrides: Sequence[str] = (),
    until: datetime | None = None,
) -> Simulated:
    """Draw a world that ends now with a scenario in its last stretch, and write its lake, of some metrics or all."""
    contract, settings = contracts.load(product), settings_of(home)
    if metrics:
        kept = tuple(each for each in contract.metrics if each.name in metrics)
        contract = contract.model_copy(update={"metrics": kept})
    lake = Lake(settings)
    until = until or datetime.now(UTC)
    start = until - timedelta(days=days)
    world = world_of(contract, seed, scenario, overrides, start=start, end=until, events=events)
    border = until - recent
    history, late = sent(world, contract, start, border), sent(world, contract, border, until + timedelta(seconds=100))
    gate = Gate(contract)
    passed = accepted(late)
    verdict = gate.check(_silver(passed), rows_total=len(passed), batch_time=until.replace(tzinfo=None))
    held = verdict.outcome == "hold"
    gold = Gold.of(accepted(history), contract)
    first, edge, last = (_floor(each, contract) for each in (start, border, until))
    learnt_frame = gold.series(first, edge, {})
    learnt = baseline.fit(learnt_frame, contract, edge)
    detect_state.store_baseline(lake, contract, learnt, keep=3)
    curves.store_learnt(lake, contract, learnt_frame, edge)
    gold = gold if held else Gold.sum([gold, Gold.of(passed, contract)])
    lake.replace(contract.product, "gold", gold_rows(gold, contract), "true")
    facts = pd.concat([_facts(history, held=False), _facts(late, held=held)], ignore_index=True)
    results = pd.DataFrame(
        [
            (pd.Timestamp(at, unit="s"), each.check, each.observed, each.expected, each.owner, "gate")
            for each in verdict.failed
            for at in sorted(passed["at"].unique())
        ],
        columns=["window_start", "check", "observed", "expected", "owner", "judge"],
    )
    frame = gold.series(edge, last, usual_of(learnt))
    confirmed = last - contract.allowed_lateness
    found = find(contract, frame, learnt, facts, results, by_leaves(contract, gold.leaves), confirmed)
    incidents = carry_over(found.incidents, [], edge, last)
    detect_state.store_evidence(lake, contract, found.evidence, edge, "1")
    curves.store_judged(lake, contract, found.evidence, edge, edge)
    detect_state.store_incidents(lake, contract, incidents)
    judged_now(lake, contract, until, edge, confirmed, len(found.windows))
    _refined(lake, contract, pd.concat([history, late]), late, verdict, held)
    return Simulated(settings, contract, tuple(incidents), until)


def judged_now(
    lake: Lake, contract: Contract, until: datetime, edge: datetime, confirmed: datetime, windows: int
) -> None:
    """A tick of this moment that knew the data up to `until`."""
    tick = {
        "tick_at": datetime.now(UTC), "now": until, "data_until": until, "caught_up": True, "windows": windows,
        "gold_version": 0, "baseline_until": edge, "confirmed_until": confirmed, "incidents": 1, "seconds": 0.42,
        "detector_version": "1",
    }  # fmt: skip
    detect_state.store_tick(lake, contract, tick, keep_since=until - timedelta(days=7))


def gold_rows(gold: Gold, contract: Contract) -> pa.Table:
    """Gold as refine writes it: a row per window and leaf with a struct per metric."""
    by = ["at", *contract.dimensions]
    joined: pd.DataFrame | None = None
    for metric in contract.metrics:
        cells = gold.cells[metric.name].copy()
        cells[list(contract.dimensions)] = cells[list(contract.dimensions)].astype(object)
        if metric.kind == "distinct":
            part = cells.groupby(by)["member"].agg(_sketch).rename(metric.name).reset_index()
        elif metric.kind == "quantile":
            pairs = cells.assign(pair=list(zip(cells["bucket"].tolist(), cells["n"].tolist(), strict=True)))
            grouped = pairs.groupby(by).agg(n=("n", "sum"), histogram=("pair", list)).reset_index()
            grouped[metric.name] = grouped[["n", "histogram"]].to_dict("records")
            part = grouped[[*by, metric.name]]
        else:
            sums = cells.drop(columns=by).columns.tolist()
            part = cells.groupby(by, as_index=False)[sums].sum()
            part[metric.name] = part[sums].to_dict("records")
            part = part[[*by, metric.name]]
        joined = part if joined is None else joined.merge(part, on=by, how="outer")
    assert joined is not None
    joined = joined.sort_values("at", ignore_index=True)
    number = {"count": [("n", pa.int64())], "sum": [("n", pa.int64()), ("sum", pa.int64())],
              "mean": [("n", pa.int64()), ("sum", pa.float64())],
              "ratio": [("numerator", pa.int64()), ("denominator", pa.int64())],
              "quantile": [("n", pa.int64()), ("histogram", pa.map_(pa.int32(), pa.int64()))],
              "distinct": [("sketch", pa.binary())]}  # fmt: skip
    columns = {"window_start": pa.array(pd.to_datetime(joined["at"], unit="s", utc=True), type=_TIME)}
    columns |= {name: pa.array(joined[name], type=pa.string()) for name in contract.dimensions}
    for metric in contract.metrics:
        values = [None if isinstance(each, float) else each for each in joined[metric.name]]
        columns[metric.name] = pa.array(values, type=pa.struct(number[metric.kind]))
    return pa.table(columns)


def _sketch(members: pd.Series) -> dict[str, bytes]:
    return {"sketch": hll(members).serialize_updatable()}


def small(home: Path) -> Simulated:
    """Three days of two metrics, one rate of which falls in a segment; seconds to make."""
    return simulate(home, "conversion-drop", days=3, events=250_000, metrics=("traffic", "conversion_rate"))


def _refined(
    lake: Lake, contract: Contract, events: pd.DataFrame, late: pd.DataFrame, verdict: object, held: bool
) -> None:
    """Batches, quality results and quarantine: a batch for every five minutes of the last day, the newest judged."""
    product = contract.product
    classes = np.select([events["second"], events["broken"]], ["duplicates", "quarantine"], "silver")
    first_of_recent = int(late["at"].min())
    frame = pd.DataFrame({"at": events["at"].to_numpy(), "class": classes, "late": events["late"].to_numpy()})
    day = frame[frame["at"] >= frame["at"].max() - 86_400]
    batches, offset = [], 0
    for number, (at, rows) in enumerate(day.groupby("at")):
        counts = rows["class"].value_counts()
        n = {name: int(counts.get(name, 0)) for name in ("silver", "quarantine", "duplicates")}
        stopped = n["silver"] if held and at >= first_of_recent else 0
        batches.append(
            {
                "batch_id": number, "query_id": _QUERY, "batch_time": datetime.fromtimestamp(int(at), UTC) + _BATCH,
                "offsets": [{"topic": contract.topic, "partition": 0, "from_offset": offset,
                             "until_offset": offset + len(rows)}],
                "rows_in": len(rows), "silver": n["silver"] - stopped, "quarantine": n["quarantine"],
                "duplicates": n["duplicates"], "held": stopped, "late": int(rows["late"].sum()),
                "verdict": "hold" if stopped else "promote", "seconds": 0.8 + (number % 7) / 10,
                "facts": [{"window_start": datetime.fromtimestamp(int(at), UTC), "class": name, "reason": "", "n": k}
                          for name, k in n.items() if k],
            }
        )  # fmt: skip
        offset += len(rows)
    lake.replace(product, "batches", pa.Table.from_pylist(batches, schema=_BATCHES), "true")
    newest = batches[-1]
    results = [
        {"batch_id": newest["batch_id"], "query_id": _QUERY, "batch_time": newest["batch_time"], "check": each.check,
         "severity": each.severity, "success": each.success, "errored": each.errored, "observed": each.observed,
         "expected": each.expected, "rows": each.rows, "why": each.why, "owner": each.owner}
        for each in verdict.results
    ]  # fmt: skip
    lake.replace(product, "quality_results", pa.Table.from_pylist(results, schema=_RESULTS), "true")
    broken = events[events["broken"]].tail(40)
    refused = [
        {"kafka_topic": contract.topic, "kafka_partition": 0, "kafka_offset": i, "event_id": f"event {i}",
         "event_type": "transaction", "event_time": datetime.fromtimestamp(int(at), UTC),
         "reason": "missing field" if i % 3 else "not JSON",
         "detail": "amount_minor is missing <script>alert(1)</script>" if i % 3 else "at byte 17",
         "arrived_at": datetime.fromtimestamp(int(at), UTC), "batch_id": 1, "query_id": _QUERY,
         "kafka_value": b'{"event_id": "<img src=x onerror=alert(1)>"}'}
        for i, at in enumerate(broken["at"])
    ]  # fmt: skip
    if refused:
        lake.replace(product, "quarantine", pa.Table.from_pylist(refused), "true")


def _silver(events: pd.DataFrame) -> pd.DataFrame:
    """What the gate reads of accepted events."""
    return events.assign(
        event_id=[f"event {i}" for i in range(len(events))],
        event_time=pd.to_datetime(events["event_ms"], unit="ms"),
        schema_version=1,
        **{name: events[name].astype(object) for name in events.select_dtypes("category")},
    )


def _facts(events: pd.DataFrame, *, held: bool) -> pd.DataFrame:
    names = np.select([events["second"], events["broken"]], ["duplicates", "quarantine"], "held" if held else "silver")
    found = events.assign(**{"class": names}).groupby(["at", "class"]).size().rename("n").reset_index()
    return found.assign(window_start=pd.to_datetime(found["at"], unit="s"), reason="").drop(columns="at")


def _floor(moment: datetime, contract: Contract) -> datetime:
    return pd.Timestamp(moment).floor(contract.window).to_pydatetime()


_BATCHES = pa.schema(
    [
        ("batch_id", pa.int64()), ("query_id", pa.string()), ("batch_time", _TIME),
        ("offsets", pa.list_(pa.struct([("topic", pa.string()), ("partition", pa.int32()),
                                        ("from_offset", pa.int64()), ("until_offset", pa.int64())]))),
        *((name, pa.int64()) for name in ("rows_in", "silver", "quarantine", "duplicates", "held", "late")),
        ("verdict", pa.string()), ("seconds", pa.float64()),
        ("facts", pa.list_(pa.struct([("window_start", _TIME), ("class", pa.string()), ("reason", pa.string()),
                                      ("n", pa.int64())]))),
    ]
)  # fmt: skip
_RESULTS = pa.schema(
    [
        ("batch_id", pa.int64()), ("query_id", pa.string()), ("batch_time", _TIME), ("check", pa.string()),
        ("severity", pa.string()), ("success", pa.bool_()), ("errored", pa.bool_()), ("observed", pa.string()),
        ("expected", pa.string()), ("rows", pa.int64()), ("why", pa.string()), ("owner", pa.string()),
    ]
)  # fmt: skip
