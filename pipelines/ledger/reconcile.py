"""The proof itself: Kafka's offsets against the tables, slot by slot, and the batches' counters against both.

Pure but for `read` and `kafka`, which it calls in the order that a running stream needs: `batches` first (what it
lists is complete in the other tables), Kafka's ends last (nothing read before can lie beyond them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.ledger.batches import CLASSES, COLUMNS, Batches
from pipelines.ledger.model import Finding, Ledger, PartitionEnds
from pipelines.ledger.offsets import Axis, Partition, Positions, Span
from pipelines.ledger.redriven import follow
from pipelines.ledger.tally import EXAMPLES, EXTRA_COLUMNS, POSITION_COLUMNS, Tally
from pipelines.ledger.twins import twins

Read = Callable[[str, Sequence[str]], pa.Table]
# First and one past the last offset of each partition that Kafka holds.
Ends = Mapping[Partition, tuple[int, int]]

COMMAND_COLUMNS = ("command_id", "command", "rows", "outcome")
# The one table that a person's decision on held rows writes to.
_WRITES_TO = {"release": "silver", "reject": "quarantine"}


def reconcile(product: str, read: Read, kafka: Callable[[], Ends], *, horizon: timedelta, redrive_topic: str) -> Ledger:
    """Audit one product.

    Args:
        product: its name, for the result.
        read: `(table, columns) -> rows`; an absent table is an empty one.
        kafka: the offsets Kafka holds now, of every topic of the product; called first and last.
        horizon: within it two accepted events with one event_id are a fault of de-duplication.
        redrive_topic: accepted events of this topic count as re-driven.
    """
    oldest = {key: begin for key, (begin, _) in kafka().items()}
    batches = Batches(read("batches", COLUMNS))
    done = batches.ends()
    begins = {key: min(oldest.get(key, begin), begin) for key, (begin, _) in done.items()}
    begins = {**oldest, **begins}
    axis = Axis(Span(*key, begin, done.get(key, (begin, begin))[1]) for key, begin in begins.items())

    bronze_ends, bronze_findings = _bronze(read("bronze", ("topic", "partition", "offset")), begins)
    tally = Tally(axis, batches, redrive_topic)
    for name in CLASSES:
        tally.add(name, read(name, (*POSITION_COLUMNS, *EXTRA_COLUMNS.get(name, ()))))
    doubled = twins(read("silver", ("event_id", "arrived_at")), horizon)
    log = {each["command_id"]: each for each in read("command_log", COMMAND_COLUMNS).to_pylist()}
    ends = {key: end for key, (_, end) in kafka().items()}

    lost, lost_count, in_flight = tally.strays(begins, ends)
    outcome = _states(tally)
    findings = [
        *outcome.findings,
        _finding("misplaced", tally.misplaced, tally.misplaced_count),
        _finding("unaccounted", [*outcome.never_held, *lost], outcome.never_held_count + lost_count),
        _finding("re-driven twice", outcome.redriven_twice),
        _finding("unlogged", sorted(tally.commands.keys() - log.keys())),
        _finding("half decided", tally.half_decided()),
        *bronze_findings,
        _finding("counters", [*batches.broken_counters(tally.per_batch), *_broken_commands(log, tally.commands)]),
        _finding("ranges", [*batches.broken_ranges(begins, ends), *_beyond("bronze", bronze_ends, ends)]),
        _finding("doubled events", doubled.within, doubled.within_count),
    ]
    return Ledger(
        product=product,
        partitions=tuple(
            PartitionEnds(*key, begin, done.get(key, (0, begin))[1], bronze_ends.get(key, begin), ends.get(key, begin))
            for key, begin in sorted(begins.items())
        ),
        events=outcome.events,
        classes=outcome.classes,
        reasons=dict(sorted(tally.reasons(outcome.replaced).items(), key=lambda item: (-item[1], item[0]))),
        late=tally.late,
        released=outcome.released,
        rejected=outcome.rejected,
        redriven=tally.redriven,
        late_twins=doubled.beyond_count,
        late_twin_examples=tuple(doubled.beyond),
        in_flight=in_flight,
        batches=len(batches),
        findings=tuple(finding for finding in findings if finding.count),
    )


@dataclass(frozen=True)
class _Outcome:
    """`events` are records that are no re-driven ones, `replaced` the slots whose place one of these has taken."""

    events: int
    classes: dict[str, int]
    replaced: NDArray[np.bool_]
    redriven_twice: list[str]
    released: int
    rejected: int
    findings: tuple[Finding, ...]
    never_held: list[str]
    never_held_count: int


def _states(tally: Tally) -> _Outcome:
    """Class of every slot, and the slots that have none or too many.

    A slot is sound with exactly one streamed row, and a command's row only over a held one: release puts it in silver,
    rejection in quarantine, and the held row stays where it is.
    """
    streamed = sum((tally.streamed[name].astype(np.uint16) for name in CLASSES), np.zeros(len(tally.axis), np.uint16))
    released, rejected = tally.commanded["silver"], tally.commanded["quarantine"]
    commanded = sum((tally.commanded[name].astype(np.uint16) for name in CLASSES), np.zeros(len(tally.axis), np.uint16))
    held = tally.streamed["held"] > 0
    decided = held & (commanded > 0)
    counts = {name: tally.streamed[name] > 0 for name in CLASSES}
    counts["held"] = held & ~decided
    counts["silver"] = counts["silver"] | (released > 0)
    counts["quarantine"] = counts["quarantine"] | (rejected > 0)
    moved = follow(tally.taken_from, counts)
    never_held = (commanded > 0) & (streamed == 0)
    elsewhere = (tally.commanded["duplicates"] > 0) | (tally.commanded["held"] > 0)
    double = (streamed > 1) | (commanded > 1) | ((commanded > 0) & (streamed > 0) & ~held) | elsewhere
    return _Outcome(
        events=len(tally.axis) - int(np.count_nonzero(moved.redriven)),
        classes={name: int(np.count_nonzero(moved.classes[name])) for name in CLASSES},
        replaced=moved.replaced,
        redriven_twice=[str(place) for place in tally.axis.places(moved.twice)],
        released=int(np.count_nonzero(held & (released > 0))),
        rejected=int(np.count_nonzero(held & (rejected > 0) & ~moved.replaced)),
        findings=(
            _of_slots("missing", tally.axis, (streamed == 0) & (commanded == 0)),
            _of_slots("double", tally.axis, double),
        ),
        never_held=[str(place) for place in tally.axis.places(np.flatnonzero(never_held)[:EXAMPLES])],
        never_held_count=int(np.count_nonzero(never_held)),
    )


def _broken_commands(log: Mapping[str, Mapping[str, Any]], written: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Releases and rejections that wrote other rows, or to another table, than `command_log` says."""
    for command_id, entry in sorted(log.items()):
        target = _WRITES_TO.get(entry["command"])
        if target is None or entry["outcome"] != "done":
            continue
        found = dict(written.get(command_id, {}))
        if found != {target: entry["rows"]}:
            tables = ", ".join(f"{name} {rows}" for name, rows in sorted(found.items())) or "nothing"
            yield f"{command_id}: {entry['rows']} rows to {target} by its log, the tables hold {tables}"


def _bronze(table: pa.Table, begins: Mapping[Partition, int]) -> tuple[dict[Partition, int], list[Finding]]:
    """How far bronze is in each partition, and what it lacks or has twice below that."""
    positions = Positions.of(table, prefix="")
    ends = {key: max(end, begins.get(key, end)) for key, end in positions.ends().items()}
    axis = Axis(Span(*key, begins.get(key, end), end) for key, end in ends.items())
    counts = axis.count(axis.slots(positions))
    return ends, [
        _of_slots("missing in bronze", axis, counts == 0),
        _of_slots("double in bronze", axis, counts > 1),
    ]


def _beyond(what: str, reached: Mapping[Partition, int], ends: Mapping[Partition, int]) -> list[str]:
    return [
        f"{topic}[{partition}]: {what} reaches {end}, Kafka ends at {ends.get((topic, partition), 0)}"
        for (topic, partition), end in sorted(reached.items())
        if end > ends.get((topic, partition), 0)
    ]


def _of_slots(kind: str, axis: Axis, wrong: NDArray[np.bool_]) -> Finding:
    slots = np.flatnonzero(wrong)
    return _finding(kind, [str(place) for place in axis.places(slots[:EXAMPLES])], len(slots))


def _finding(kind: str, cases: Sequence[str], count: int | None = None) -> Finding:
    return Finding(kind, len(cases) if count is None else count, tuple(cases[:EXAMPLES]))
