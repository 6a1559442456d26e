"""Decisions outlive the lake: what the gate and people decided, kept in Kafka, keyed by offset ranges.

A verdict is recorded before the first append it leads to. After a crash the batch finds its own record and does not
decide again; after the loss of the whole lake the records say which offsets were held, released or rejected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal

from pipelines.contract import Contract
from pipelines.platform import kafka, kafka_log
from pipelines.platform.kafka import OffsetRange
from pipelines.platform.settings import Settings

Kind = Literal["batch", "release", "reject"]


@dataclass(frozen=True)
class Decision:
    """One record: the verdict on a batch (`batch`), or a person's word on a held one (`release`, `reject`)."""

    kind: Kind
    query_id: str
    batch_id: int
    verdict: str
    offsets: tuple[OffsetRange, ...]
    actor: str = "gate"
    reason: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))

    def to_json(self) -> bytes:
        """The record's value in the topic."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @staticmethod
    def from_json(value: bytes) -> Decision:
        """Inverse of `to_json`."""
        fields = json.loads(value)
        fields["offsets"] = tuple(OffsetRange(**each) for each in fields["offsets"])
        return Decision(**fields)


class DecisionLog:
    """The topic `<product>.decisions`: append with acknowledgement, read from the beginning."""

    def __init__(self, settings: Settings, contract: Contract) -> None:
        self._settings = settings
        self._topic = contract.decisions_topic
        self._producer = kafka.producer(settings)

    def append(self, decision: Decision) -> None:
        """Write one decision and wait until the broker has it."""
        key = f"{decision.query_id}/{decision.batch_id}".encode()
        kafka_log.send_and_wait(self._producer, self._topic, key, decision.to_json())

    def read(self) -> list[Decision]:
        """Every decision so far, oldest first."""
        return [Decision.from_json(value) for value in kafka_log.read_all(self._settings, self._topic)]


@dataclass(frozen=True)
class Recorded:
    """What earlier queries decided, for a query that reads the same offsets again.

    `covered` are all offsets with a verdict, `held` those still held, `decided` those held until a person released or
    rejected them, `rejected` a part of these.
    """

    covered: tuple[OffsetRange, ...] = ()
    held: tuple[OffsetRange, ...] = ()
    decided: tuple[OffsetRange, ...] = ()
    rejected: tuple[OffsetRange, ...] = ()

    @staticmethod
    def of(decisions: Iterable[Decision], *, without: str) -> Recorded:
        """Fold decisions, oldest first, leaving out those of the query `without` (the one that asks).

        The first verdict on an offset stands: a replay's batch may reach over old batches and judge only what is new.
        """
        covered: tuple[OffsetRange, ...] = ()
        held: tuple[OffsetRange, ...] = ()
        decided: list[OffsetRange] = []
        rejected: list[OffsetRange] = []
        for decision in decisions:
            if decision.query_id == without:
                continue
            if decision.kind == "batch":
                judged = subtract(decision.offsets, covered)
                covered = merge((*covered, *judged))
                if decision.verdict == "hold":
                    held = merge((*held, *judged))
            else:
                affected = overlap(held, decision.offsets)
                decided.extend(affected)
                if decision.kind == "reject":
                    rejected.extend(affected)
                held = subtract(held, decision.offsets)
        return Recorded(covered, held, merge(decided), merge(rejected))


def merge(ranges: Iterable[OffsetRange]) -> tuple[OffsetRange, ...]:
    """The same offsets with adjacent and overlapping ranges joined, sorted."""
    merged: list[OffsetRange] = []
    for each in sorted(ranges, key=lambda r: (r.topic, r.partition, r.from_offset)):
        last = merged[-1] if merged else None
        if (
            last
            and (last.topic, last.partition) == (each.topic, each.partition)
            and each.from_offset <= last.until_offset
        ):
            merged[-1] = OffsetRange(
                last.topic, last.partition, last.from_offset, max(last.until_offset, each.until_offset)
            )
        else:
            merged.append(each)
    return tuple(merged)


def overlap(left: Sequence[OffsetRange], right: Sequence[OffsetRange]) -> tuple[OffsetRange, ...]:
    """Offsets that are in both."""
    return merge(
        OffsetRange(a.topic, a.partition, max(a.from_offset, b.from_offset), min(a.until_offset, b.until_offset))
        for a in left
        for b in right
        if (a.topic, a.partition) == (b.topic, b.partition)
        and max(a.from_offset, b.from_offset) < min(a.until_offset, b.until_offset)
    )


def subtract(left: Sequence[OffsetRange], right: Sequence[OffsetRange]) -> tuple[OffsetRange, ...]:
    """Offsets of `left` that are not in `right`."""
    remaining = list(merge(left))
    for hole in right:
        pieces: list[OffsetRange] = []
        for each in remaining:
            if (each.topic, each.partition) != (hole.topic, hole.partition):
                pieces.append(each)
                continue
            before = OffsetRange(each.topic, each.partition, each.from_offset, min(each.until_offset, hole.from_offset))
            after = OffsetRange(each.topic, each.partition, max(each.from_offset, hole.until_offset), each.until_offset)
            pieces.extend(piece for piece in (before, after) if piece.from_offset < piece.until_offset)
        remaining = pieces
    return merge(remaining)
