"""Sound synthetic lakes for the ledger's tests, as plain rows, so that a test can break one of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

TOPIC, REDRIVE = "shop.events", "shop.redrive"
START = datetime(2026, 11, 23, tzinfo=UTC)
POSITION = [("kafka_topic", pa.string()), ("kafka_partition", pa.int32()), ("kafka_offset", pa.int64())]
BATCH = [("batch_id", pa.int64()), ("query_id", pa.string())]
TIME = pa.timestamp("us", tz="UTC")
FROM = ("redriven_from", pa.string())
SPAN = pa.struct(
    [("topic", pa.string()), ("partition", pa.int32()), ("from_offset", pa.int64()), ("until_offset", pa.int64())]
)
SCHEMAS = {
    "silver": pa.schema(
        [*POSITION, *BATCH, ("event_id", pa.string()), ("arrived_at", TIME), ("late", pa.bool_()), FROM],
    ),
    "quarantine": pa.schema([*POSITION, *BATCH, ("reason", pa.string()), FROM]),
    "duplicates": pa.schema([*POSITION, *BATCH, ("event_id", pa.string()), FROM]),
    "held": pa.schema([*POSITION, *BATCH, ("event_id", pa.string()), FROM]),
    "bronze": pa.schema([("topic", pa.string()), ("partition", pa.int32()), ("offset", pa.int64())]),
    "batches": pa.schema(
        [
            ("query_id", pa.string()),
            ("batch_id", pa.int64()),
            ("offsets", pa.list_(SPAN)),
            *[(n, pa.int64()) for n in ("rows_in", "silver", "quarantine", "duplicates", "held")],
        ]
    ),
    "command_log": pa.schema(
        [("command_id", pa.string()), ("command", pa.string()), ("rows", pa.int64()), ("outcome", pa.string())]
    ),
}
# Batches 1, 2 and 3 are held; what commands did with the first two of them.
DECIDED = {1: ("silver", "c1"), 2: ("quarantine", "c2")}
CLASSES = ("silver", "quarantine", "duplicates", "held")


@dataclass
class SyntheticLake:
    """Tables as lists of rows, and Kafka's offsets."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in SCHEMAS})
    kafka: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def read(self, table: str, columns: Any) -> pa.Table:
        return pa.Table.from_pylist(self.tables[table], schema=SCHEMAS[table]).select(list(columns))

    def rows_of_batches(self) -> list[tuple[str, int]]:
        """(table, row number) of every row that stands for one offset."""
        return [(name, i) for name in CLASSES for i in range(len(self.tables[name]))]


def lake(seed: int, *, partitions: int = 2, batches: int = 5, most: int = 12) -> SyntheticLake:
    """A lake that balances: every class occurs, a held batch is released, one rejected, some rows wait."""
    rng = np.random.default_rng(seed)
    made = SyntheticLake()
    at = {(TOPIC, p): int(rng.integers(0, 50)) for p in range(partitions)} | {(REDRIVE, 0): 0}
    begin = dict(at)
    for batch in range(batches):
        counts = dict.fromkeys(CLASSES, 0)
        spans = []
        whole_batch_held = batch in (1, 2, 3)
        for topic, partition in list(at):
            first = at[topic, partition]
            until = first + int(rng.integers(1, most))
            spans.append({"topic": topic, "partition": partition, "from_offset": first, "until_offset": until})
            for offset in range(first, until):
                cls = str(rng.choice(["silver", "silver", "quarantine", "duplicates"]))
                if cls == "silver" and whole_batch_held:
                    cls = "held"
                counts[cls] += 1
                made.tables[cls].append(row(cls, topic, partition, offset, batch))
            at[topic, partition] = until
        made.tables["batches"].append(
            {"query_id": "q", "batch_id": batch, "offsets": spans, "rows_in": sum(counts.values()), **counts}
        )
    for held in list(made.tables["held"]):
        if held["batch_id"] in DECIDED:
            target, command = DECIDED[held["batch_id"]]
            moved = row(target, held["kafka_topic"], held["kafka_partition"], held["kafka_offset"], held["batch_id"])
            made.tables[target].append({**moved, "query_id": f"command:{command}"})
    made.tables["command_log"] = [
        {
            "command_id": f"command:{command}",
            "command": {"silver": "release", "quarantine": "reject"}[target],
            "rows": sum(r["batch_id"] == batch for r in made.tables["held"]),
            "outcome": "done",
        }
        for batch, (target, command) in DECIDED.items()
        if any(r["batch_id"] == batch for r in made.tables["held"])
    ]
    for key, end in at.items():
        waiting = int(rng.integers(0, 5))
        made.kafka[key] = (begin[key], end + waiting)
        for offset in range(begin[key], end + waiting):
            made.tables["bronze"].append({"topic": key[0], "partition": key[1], "offset": offset})
    return made


def row(cls: str, topic: str, partition: int, offset: int, batch: int) -> dict[str, Any]:
    """One row of a class."""
    position = {"kafka_topic": topic, "kafka_partition": partition, "kafka_offset": offset}
    base = {**position, "batch_id": batch, "query_id": "q"}
    if cls == "quarantine":
        return {**base, "reason": ["not_json", "wrong_type"][offset % 2]}
    base["event_id"] = f"{topic}/{partition}/{offset}"
    if cls == "silver":
        return {**base, "late": offset % 5 == 0, "arrived_at": START + timedelta(seconds=offset)}
    return base


@pytest.fixture(scope="session")
def lakes() -> ModuleType:
    """This module: `lake(seed)`, `row(...)` and their constants."""
    return sys.modules[__name__]
