"""Sends a slice of a simulated world: all at once (history), or as its clock passes (live).

The only module of the simulator that knows time passes; what is sent is decided by `world` alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.errors import UsageError
from pipelines.platform import kafka
from pipelines.platform.settings import Settings
from pipelines.simulate import scenario as scenarios
from pipelines.simulate import spec
from pipelines.simulate.malformed import Limits
from pipelines.simulate.season import Season
from pipelines.simulate.sinks import KafkaSink, Sink, backfill_mask
from pipelines.simulate.world import Batch, World, now_ms

if TYPE_CHECKING:
    from pipelines.contract import Contract

_TICK_SECONDS = 0.1


@dataclass(frozen=True)
class Progress:
    """How far a run has come: events sent, the world's time, and the share of the slice that is done (0 to 1)."""

    events: int
    at: datetime
    done: float


OnProgress = Callable[[Progress], None]


def world_of(
    contract: Contract,
    seed: int,
    scenario: str = "none",
    overrides: Sequence[str] = (),
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    events: int | None = None,
    rate: float | None = None,
    faults: Mapping[str, float] | None = None,
    unrest: spec.Unrest | None = None,
) -> World:
    """The world of a contract's `simulator.yaml`, with one of its scenarios; broken events go beyond its limits.

    `events` is the number between `start` and `end`, about; `rate` is a steady number a second instead. `faults` are
    shares (duplicates, late, malformed) other than those of the file, and so is `unrest`.
    """
    folder = Path(contract.folder)
    simulator = spec.load(folder).model_copy(update={"product": contract.product})
    per_day = rate * 86_400 if rate else None
    if events is not None and start is not None and end is not None:
        hours = np.arange(start.timestamp(), end.timestamp(), 600.0) * 1000
        per_day = events / ((end - start) / timedelta(days=1)) / Season(simulator.seasonality).at(hours).mean()
    return World(
        simulator,
        seed,
        scenarios.load(folder, scenario, overrides),
        start=start,
        end=end,
        events_per_day=per_day,
        faults=simulator.faults.model_copy(update=dict(faults or {})),
        limits=Limits(
            allowed_lateness=contract.allowed_lateness,
            future_tolerance=contract.future_tolerance,
            born=contract.born,
            max_event_bytes=contract.max_event_bytes,
            max_depth=contract.max_depth,
        ),
        seasonal=rate is None,
        unrest=unrest,
    )


def produce(
    settings: Settings,
    contract: Contract,
    world: World,
    start: datetime,
    end: datetime,
    progress: OnProgress | None = None,
) -> Counter[str]:
    """Send every event of [start, end) to the product's topic; counts of what was sent, faults by kind included.

    Creates the product's topics when they are missing. Raises ServiceError when a record does not arrive.
    """
    kafka.ensure_topics(settings, contract)
    return send(world, KafkaSink(settings, contract.topic), start, end, progress)


def send(world: World, sink: Sink, start: datetime, end: datetime, progress: OnProgress | None = None) -> Counter[str]:
    """Send every event of [start, end) to a sink, as fast as it takes them."""
    if start >= end:
        raise UsageError(f"nothing to send from {start.isoformat()} to {end.isoformat()}", hint="--from before --to")
    lateness = world.limits.allowed_lateness.total_seconds() * 1000
    counts: Counter[str] = Counter(events=0)
    with sink:
        for batch in world.events(start, end):
            backfill = backfill_mask(batch, now_ms(), lateness)
            sink.send(batch, backfill)
            counts.update(batch.counts)
            counts["backfill"] += int(backfill.sum())
            if progress is not None:
                at = _moment(int(batch.send_times[-1]))
                progress(Progress(counts["events"], at, (at - start) / (end - start)))
    return counts


def live(
    world: World,
    sink: Sink,
    start: datetime,
    end: datetime | None = None,
    progress: OnProgress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Counter[str]:
    """Send events as their time comes, until `end` or `stopped`; what lies between `start` and now goes out at once."""
    counts: Counter[str] = Counter(events=0)
    lateness = world.limits.allowed_lateness.total_seconds() * 1000
    block = timedelta(milliseconds=world.block_ms)
    at = start
    with sink:
        while (end is None or at < end) and not stopped():
            # One block at a time, from its border on, so that no block is drawn twice.
            border = _moment((int(at.timestamp() * 1000) // world.block_ms) * world.block_ms) + block
            until = min(border, end) if end is not None else border
            for batch in world.events(at, until):
                for due in _as_due(batch, until, stopped):
                    backfill = backfill_mask(due, now_ms(), lateness)
                    sink.send(due, backfill)
                    counts["events"] += len(due)
                    counts["backfill"] += int(backfill.sum())
                    if progress is not None:
                        done = (at - start) / (end - start) if end is not None else 0.0
                        progress(Progress(counts["events"], _moment(int(due.send_times[-1])), done))
                if not stopped():
                    counts.update({name: n for name, n in batch.counts.items() if name != "events"})
            at = until
    return counts


def _as_due(batch: Batch, until: datetime, stopped: Callable[[], bool]) -> Iterable[Batch]:
    """Pieces of a batch, each when the clock has passed it."""
    sent = 0
    while sent < len(batch) and not stopped():
        due = int(np.searchsorted(batch.send_times, now_ms(), side="right"))
        if due > sent:
            yield Batch(
                batch.keys[sent:due],
                batch.values[sent:due],
                batch.event_times[sent:due],
                batch.send_times[sent:due],
                Counter(),
            )
            sent = due
        if sent < len(batch):
            time.sleep(_TICK_SECONDS)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
