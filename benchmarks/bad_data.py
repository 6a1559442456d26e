"""Bad data of seven kinds, none of which any check was made for, through the whole path: which gate says so, and how.

    python -m benchmarks.bad_data

Each kind is a shop of its own on real services: sound history and its baseline, then two hours of which the second is
spoiled on its way to Kafka, an audit, and the report. A kind is told of when the gate that should see it does, and the
report calls it bad data in words that name it. Sound traffic of three seeds must pass: nothing held, nothing reported.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
from pyspark.sql import SparkSession
from rich.console import Console

from benchmarks.goals import Goal, publish
from benchmarks.streams import product, remove
from pipelines.contract import Contract
from pipelines.incidents import Incident, report, store
from pipelines.jobs import audit, baseline
from pipelines.jobs.live import Live
from pipelines.platform import kafka, services
from pipelines.platform.lake import Lake
from pipelines.platform.logs import logging_to
from pipelines.platform.settings import Settings
from pipelines.platform.spark import session
from pipelines.simulate import run as simulate
from pipelines.simulate.leaves import Mask
from pipelines.simulate.sinks import KafkaSink
from pipelines.simulate.world import Batch

HISTORY, RECENT, SPOILED = timedelta(days=3), timedelta(hours=2), timedelta(hours=1)
EVENTS = 300_000
SOUND_SEEDS = (21, 22, 23)
SEED = 20
_AHEAD = timedelta(hours=2)

Event = dict[str, Any]
# The events that are sent in the place of one.
Spoil = Callable[[Event], Sequence[Event]]


@dataclass(frozen=True)
class Kind:
    """How events are spoiled, which gate should see it, and words of which the report must have one."""

    spoil: Spoil
    gate: str
    words: tuple[str, ...]


def _seconds(event: Event) -> Sequence[Event]:
    mine = event.get("app_version") == "5.2.0" and "latency_ms" in event
    return [{**event, "latency_ms": event["latency_ms"] / 1000} if mine else event]


def _null(event: Event) -> Sequence[Event]:
    return [{**event, "user_id": None} if event.get("app_version") == "5.1.0" and "user_id" in event else event]


def _thrice(event: Event) -> Sequence[Event]:
    return [event, event, event]


def _ahead(event: Event) -> Sequence[Event]:
    if event.get("device") != "ios":
        return [event]
    time = datetime.fromisoformat(event["event_time"]) + _AHEAD
    return [{**event, "event_time": time.isoformat(timespec="milliseconds")}]


def _currency(event: Event) -> Sequence[Event]:
    return [{**event, "currency": "USD"} if event.get("currency") else event]


def _renamed(event: Event) -> Sequence[Event]:
    return [{**event, "action": "page_view"} if event.get("action") == "view" else event]


def _vanished(event: Event) -> Sequence[Event]:
    return [] if event.get("region") == "eu-west" else [event]


KINDS: Mapping[str, Kind] = {
    "seconds for milliseconds": Kind(_seconds, "held", ("latencies are in milliseconds",)),
    "a field null in one version": Kind(_null, "quarantine", ("missing_field",)),
    "everything three times": Kind(_thrice, "duplicates", ("duplicate",)),
    "a clock two hours ahead": Kind(_ahead, "quarantine", ("future_event_time",)),
    "another currency": Kind(_currency, "audit", ("currency",)),
    "an enum value renamed": Kind(_renamed, "quarantine", ("out_of_range",)),
    "a region that vanishes": Kind(_vanished, "detector", ("eu-west",)),
}


class _Spoiling:
    """A sink that spoils events on their way."""

    def __init__(self, sink: KafkaSink, spoil: Spoil | None) -> None:
        self._sink, self._spoil = sink, spoil

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.__exit__(kind, error, trace)

    def send(self, batch: Batch, backfill: Mask) -> None:
        """Send the batch; an event may go out changed, several times, or not at all."""
        rows, values = [], []
        for row, value in enumerate(batch.values):
            for sent in self._spoiled(value):
                rows.append(row)
                values.append(sent)
        chosen = np.array(rows, dtype=np.int64)
        keys = [batch.keys[row] for row in rows]
        times = batch.event_times[chosen], batch.send_times[chosen]
        self._sink.send(Batch(keys, values, *times, batch.counts), backfill[chosen])

    def _spoiled(self, value: bytes | None) -> Sequence[bytes | None]:
        if self._spoil is None:
            return [value]
        try:
            return [orjson.dumps(each) for each in self._spoil(orjson.loads(value or b""))]
        except (AttributeError, TypeError, ValueError):
            return [value]  # It is one of those that are malformed in sound traffic, too.


@dataclass(frozen=True)
class Found:
    """What the gates and the report made of a shop."""

    counts: Mapping[str, int]
    audited: tuple[str, ...]
    incidents: tuple[Incident, ...]

    @property
    def said(self) -> str:
        """The report as a person reads it."""
        text = io.StringIO()
        console = Console(file=text, width=1000)
        for each in self.incidents:
            console.print(report.render(each))
        return text.getvalue()

    def stopped_by(self, gate: str, usual: Found) -> bool:
        """Whether a gate saw more than it sees of sound traffic."""
        if gate == "detector":
            return bool(self.incidents)
        if gate == "audit":
            return bool(set(self.audited) - set(usual.audited))
        return self.counts[gate] > 2 * usual.counts[gate]


def judge(spark: SparkSession, settings: Settings, contract: Contract, seed: int, spoil: Spoil | None) -> Found:
    """Send a shop's traffic through everything; the contract's product is new and is removed again."""
    remove(settings, contract)
    kafka.ensure_topics(settings, contract)
    until = datetime.now(UTC)
    border = until - RECENT
    world = simulate.world_of(contract, seed, start=until - HISTORY, end=until, events=EVENTS)
    try:
        with Live(spark, settings, contract) as running:
            running.start(once=False)
            simulate.produce(settings, contract, world, until - HISTORY, border)
            running.drain()
            baseline.run(spark, settings, contract, until=border)
            audit.run(spark, settings, contract, audit.Asked())
            end = datetime.now(UTC)
            # The gate judges batches of seconds: what was sound before must not be in one with what is not.
            for start, stop, spoiled in ((border, end - SPOILED, None), (end - SPOILED, end, spoil)):
                simulate.send(world, _Spoiling(KafkaSink(settings, contract.topic), spoiled), start, stop)
                running.drain()
            audited = audit.run(spark, settings, contract, audit.Asked())
            running.tick(now=end)
        lake = Lake(settings)
        batches = lake.read(contract.product, "batches", columns=["held", "quarantine", "duplicates"]).to_pandas().sum()
        failed = tuple(sorted({each.expectation.name for each in audited.outcomes if each.failed}))
        counts = {str(name): int(rows) for name, rows in batches.items()}
        return Found(counts, failed, tuple(store.incidents(lake, contract.product)))
    finally:
        remove(settings, contract)


def main() -> int:
    """Run every kind and the sound seeds; 0 when each was told of and nothing else was."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kind", nargs="+", choices=[*KINDS], default=[*KINDS])
    parser.add_argument("--report", action="store_true", help="print each report")
    asked = parser.parse_args()
    settings = services.up(lambda line: print(line, file=sys.stderr))
    with logging_to(settings.home / "log" / "bad-data.ndjson"):
        return scored(settings, asked.kind, full=asked.report)


def scored(settings: Settings, kinds: Sequence[str], *, full: bool) -> int:
    """Run the sound seeds and these kinds, and publish the scorecard."""
    spark = session(settings, "benchmark")
    sound = {}
    for seed in SOUND_SEEDS:
        sound[seed] = judge(spark, settings, product(f"sound_{seed}"), seed, None)
        _say(f"sound traffic, seed {seed}", sound[seed], full=full)
    usual = sound[SOUND_SEEDS[0]]
    told = {}
    for name in kinds:
        kind = KINDS[name]
        found = judge(spark, settings, product(f"bad_{[*KINDS].index(name)}"), SEED, kind.spoil)
        named = any(word in found.said for word in kind.words)
        verdicts = {each.verdict for each in found.incidents}
        told[name] = [found.stopped_by(kind.gate, usual), named, bool(verdicts & {"bad data", "both"})]
        _say(f"{name}: by {kind.gate} {told[name][0]}, named {named}, verdicts {sorted(verdicts)}", found, full)
    goals = [
        Goal("kinds seen by their gate", sum(each[0] for each in told.values()), len(told)),
        Goal("kinds named in the report", sum(each[1] for each in told.values()), len(told)),
        Goal("kinds called bad data", sum(each[2] for each in told.values())),
        Goal(
            "sound shops with a held event", sum(bool(each.counts["held"]) for each in sound.values()), 0, at_most=True
        ),
        Goal("sound shops with an incident", sum(bool(each.incidents) for each in sound.values()), 0, at_most=True),
    ]
    details = {name: dict(zip(("seen", "named", "bad data"), each, strict=True)) for name, each in told.items()}
    return publish("bad-data", "python -m benchmarks.bad_data", goals, details)


def _say(title: str, found: Found, full: bool) -> None:
    counts = ", ".join(f"{name} {rows:,}" for name, rows in found.counts.items())
    failed = ", ".join(found.audited) or "nothing"
    print(f"{title}: {counts}; failed in the audit: {failed}; {len(found.incidents)} incidents", flush=True)
    if full:
        print(found.said, flush=True)


if __name__ == "__main__":
    sys.exit(main())
