"""The command that sends quarantined events back through the door, corrected by a declared fix.

Nothing is sent twice: one re-drive runs at a time (a lease), and it first reads the whole redrive topic, where every
record names the quarantined one that it is in the place of. So a command that was killed half way is simply run again.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc
from confluent_kafka import KafkaException

from pipelines.contract import Contract
from pipelines.errors import ServiceError, StateError
from pipelines.platform import kafka, kafka_log
from pipelines.platform.lake import Lake
from pipelines.platform.lease import Lease
from pipelines.platform.settings import Settings
from pipelines.refine import redriven
from pipelines.refine.commands import CommandLog
from pipelines.refine.facts import POSITION
from pipelines.refine.fix import Fix, UnfixableError
from pipelines.refine.held import REJECTED
from pipelines.refine.quarantine import position
from pipelines.refine.rules import BACKFILL_HEADER

# Events of one command; the others wait for the next one.
MOST_EVENTS = 100_000
_CHUNK = 5_000
_TWIN_HELD = "twin_held"
# Reasons of events that de-duplication has accepted before; a person rejected them, or their twin.
_KNOWN = (REJECTED, _TWIN_HELD)
_FLUSH_SECONDS = 60.0

_COLUMNS = (*POSITION, "event_id", "reason", "batch_id", "query_id", "redriven_from")


@dataclass
class Redriven:
    """What a command did: events sent, and those it left where they are, by why."""

    command_id: str
    sent: int = 0
    left: Counter[str] = field(default_factory=Counter)


def redrive(settings: Settings, contract: Contract, fix: Fix, *, actor: str, dry: bool = False) -> Redriven:
    """Send the events that a fix is about; with `dry` only count what would be sent.

    Raises:
        StateError: another re-drive of the product is running, or nothing was ever refused.
        ServiceError: the broker did not take a record; those that it took are not sent again.
    """
    command = Redriven(f"command:redrive:{uuid.uuid4().hex[:12]}")
    with Lease(settings, f"{contract.product}-redrive"):
        return _Redrive(settings, contract, fix, command).run(actor, dry)


class _Redrive:
    """One command, under its lease."""

    def __init__(self, settings: Settings, contract: Contract, fix: Fix, command: Redriven) -> None:
        self._settings, self._contract, self._fix, self._command = settings, contract, fix, command
        self._lake = Lake(settings)

    def run(self, actor: str, dry: bool) -> Redriven:
        command = self._command
        chosen = self._chosen()
        if dry:
            for _ in self._corrected(chosen):
                command.sent += 1
            return command
        log = CommandLog(self._settings, self._contract)
        detail = json.dumps(self._fix.model_dump(exclude_none=True), ensure_ascii=False)
        entry = {
            "command_id": command.command_id,
            "command": "redrive",
            "actor": actor,
            "reason": self._fix.why,
            "detail": detail,
        }
        log.append({**entry, "rows": len(chosen), "outcome": "started"})
        self._send(chosen)
        log.append({**entry, "rows": command.sent, "outcome": "done"}, version=1)
        return command

    def _chosen(self) -> list[Mapping[str, Any]]:
        """Rows of quarantine that the fix may be about, without their bytes, and that are not on their way already."""
        lake, product = self._lake, self._contract.product
        table = lake.table(product, "quarantine")
        if table is None:
            raise StateError(f"{product} has no quarantine yet", hint=f"pulseiq run live {product}")
        present = {each.name for each in table.schema().fields}
        rows = lake.read(product, "quarantine", [name for name in _COLUMNS if name in present]).to_pylist()
        sent = self._sent()
        left = self._command.left
        on_its_way = self._ids_on_their_way(rows, sent)
        waiting_ids = self._ids_held()
        ids: set[str] = set()
        chosen: list[Mapping[str, Any]] = []
        for row in sorted(rows, key=lambda row: (row["kafka_topic"], row["kafka_partition"], row["kafka_offset"])):
            if row["reason"] != self._fix.reason:
                continue
            event_id = row["event_id"]
            if position(row) in sent:
                left["were re-driven before"] += 1
            elif row["reason"] in _KNOWN and event_id in waiting_ids:
                left["have a twin in a held batch that nobody has decided"] += 1
            elif row["reason"] in _KNOWN and (event_id in ids or event_id in on_its_way):
                left["have a twin that is re-driven"] += 1
            elif len(chosen) == MOST_EVENTS:
                left["wait for the next command"] += 1
            else:
                ids.add(event_id)
                chosen.append(row)
        return chosen

    def _sent(self) -> set[str]:
        """Positions in whose place a record of the redrive topic is, whether refine has read it or not."""
        topic = self._contract.redrive_topic
        found = (headers.get(redriven.FROM) for headers in kafka_log.read_headers(self._settings, topic))
        return {taken.decode() for taken in found if taken is not None}

    def _ids_on_their_way(self, rows: Sequence[Mapping[str, Any]], sent: set[str]) -> set[str]:
        """Ids of quarantined events whose correction was sent and not refused in its turn."""
        refused = {row.get("redriven_from") for row in rows}
        return {row["event_id"] for row in rows if position(row) in sent and position(row) not in refused}

    def _ids_held(self) -> set[str]:
        """Ids in held batches that wait for a person."""
        if self._fix.reason not in _KNOWN or not self._lake.exists(self._contract.product, "held"):
            return set()
        rows = self._lake.read(self._contract.product, "held", ["event_id", "query_id", "batch_id"]).to_pylist()
        log: list[dict[str, Any]] = []
        if self._lake.exists(self._contract.product, "command_log"):
            log = self._lake.read(self._contract.product, "command_log").to_pylist()
        decided = {(each["target_query_id"], each["target_batch_id"]) for each in log if each["outcome"] == "done"}
        return {row["event_id"] for row in rows if (row["query_id"], row["batch_id"]) not in decided}

    def _corrected(
        self, chosen: Sequence[Mapping[str, Any]]
    ) -> Iterator[tuple[Mapping[str, Any], bytes | None, bytes]]:
        """Rows with their corrected key and value."""
        for start in range(0, len(chosen), _CHUNK):
            chunk = chosen[start : start + _CHUNK]
            read = self._bytes(chunk)
            fixed = []
            for row in chunk:
                try:
                    found = self._fix.apply(*read[position(row)])
                except UnfixableError as error:
                    self._command.left[f"cannot be fixed: {error}"] += 1
                    continue
                if found is None:
                    self._command.left["are not what `where` asks for"] += 1
                else:
                    fixed.append((row, *found))
            accepted = self._accepted([_id_of(self._contract, value) for _, _, value in fixed])
            for row, key, value in fixed:
                if _id_of(self._contract, value) in accepted:
                    self._command.left["are in silver already, by another record"] += 1
                else:
                    yield row, key, value

    def _bytes(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[bytes | None, bytes | None]]:
        mine = pc.field("kafka_offset").isin([row["kafka_offset"] for row in rows])
        mine &= pc.field("reason") == self._fix.reason
        columns = [*POSITION, "kafka_key", "kafka_value"]
        found = self._lake.read(self._contract.product, "quarantine", columns, mine).to_pylist()
        return {position(row): (row["kafka_key"], row["kafka_value"]) for row in found}

    def _accepted(self, ids: Sequence[str | None]) -> set[str]:
        """Which of the ids silver has."""
        known = sorted({each for each in ids if each is not None})
        if not known or not self._lake.exists(self._contract.product, "silver"):
            return set()
        rows = self._lake.read(self._contract.product, "silver", ["event_id"], pc.field("event_id").isin(known))
        return set(rows["event_id"].to_pylist())

    def _send(self, chosen: Sequence[Mapping[str, Any]]) -> None:
        producer = kafka.producer(self._settings)
        topic, failures = self._contract.redrive_topic, list[str]()

        def note(error: object, message: object) -> None:
            if error is not None:
                failures.append(str(error))

        for row, key, value in self._corrected(chosen):
            while True:
                try:
                    producer.produce(topic, value, key, headers=self._headers(row), on_delivery=note)
                    break
                except BufferError:
                    producer.poll(0.1)
                except KafkaException as error:
                    raise ServiceError(f"topic {topic}: {error}", hint="pulseiq status") from error
            self._command.sent += 1
            producer.poll(0)
        left = producer.flush(_FLUSH_SECONDS)
        if left or failures:
            reason = failures[0] if failures else f"no answer in {_FLUSH_SECONDS:.0f} s"
            raise ServiceError(
                f"topic {topic}: {left or len(failures)} of {self._command.sent} records were not taken: {reason}",
                hint="run the same command again: it sends what is missing",
            )

    def _headers(self, row: Mapping[str, Any]) -> list[tuple[str, str | bytes | None]]:
        headers: list[tuple[str, str | bytes | None]] = [
            (redriven.FROM, position(row)),
            (redriven.FIRST, self._first_of(row)),
            (redriven.COMMAND, self._command.command_id),
            # When a correction arrives says nothing about the event: it is not late.
            (BACKFILL_HEADER, b"1"),
        ]
        return [*headers, (redriven.KNOWN, b"1")] if row["reason"] in _KNOWN else headers

    def _first_of(self, row: Mapping[str, Any]) -> str:
        """Where the event stood at first: that of the record which this one took the place of, and so on."""
        if row.get("redriven_from") is None:
            return position(row)
        topic, partition, offset = str(row["redriven_from"]).rsplit("/", 2)
        where = (pc.field("kafka_topic") == topic) & (pc.field("kafka_partition") == int(partition))
        where &= pc.field("kafka_offset") == int(offset)
        found = self._lake.read(self._contract.product, "quarantine", [*POSITION, "redriven_from"], where).to_pylist()
        return self._first_of(found[0]) if found else str(row["redriven_from"])


def _id_of(contract: Contract, value: bytes) -> str | None:
    """The id of a corrected event where it is a field of it; None where it is made of others or of the position."""
    path = contract.envelope.event_id.path
    found: Any = json.loads(value) if path is not None else None
    for name in (path or "$").split(".")[1:]:
        found = found.get(name) if isinstance(found, dict) else None
    return str(found) if isinstance(found, str | int) else None
