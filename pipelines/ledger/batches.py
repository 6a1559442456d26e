"""What the table `batches` claims: which offsets each batch read, and how many rows it put where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.ledger.offsets import OUTSIDE, Axis, IntArray, Partition, Span

CLASSES = ("silver", "quarantine", "duplicates", "held")
COLUMNS = ("query_id", "batch_id", "offsets", "rows_in", *CLASSES)
NO_BATCH = -1
# Rows that a command wrote (release, reject) carry its id in place of a query's.
COMMAND_PREFIX = "command:"


@dataclass(frozen=True)
class Batch:
    """One row of `batches`."""

    query_id: str
    batch_id: int
    spans: tuple[Span, ...]
    rows_in: int
    counters: dict[str, int]

    def __str__(self) -> str:
        return f"batch {self.query_id}/{self.batch_id}"


class Batches:
    """All recorded batches, numbered in the order of the table."""

    def __init__(self, table: pa.Table) -> None:
        self.all = [_batch(row) for row in table.select(list(COLUMNS)).to_pylist()]
        self._queries = sorted({batch.query_id for batch in self.all})
        keys = np.array([self._key(batch.query_id, batch.batch_id) for batch in self.all], dtype=np.int64)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def __len__(self) -> int:
        return len(self.all)

    def ends(self) -> dict[Partition, tuple[int, int]]:
        """Least and one past the greatest offset that was read, per partition."""
        found: dict[Partition, tuple[int, int]] = {}
        for batch in self.all:
            for span in batch.spans:
                begin, end = found.get((span.topic, span.partition), (span.begin, span.end))
                found[span.topic, span.partition] = (min(begin, span.begin), max(end, span.end))
        return found

    def numbers(self, table: pa.Table) -> IntArray:
        """For each row of a table the number of its batch; NO_BATCH where none is recorded."""
        numbers = np.full(table.num_rows, NO_BATCH, dtype=np.int64)
        if not len(self._keys) or not table.num_rows:
            return numbers
        ids = pc.fill_null(table["batch_id"], -1).to_numpy()
        for query in self._queries:
            mine = pc.fill_null(pc.equal(table["query_id"], query), False).to_numpy()
            keys = self._key(query, 0) + ids[mine]
            at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            known = (self._keys[at] == keys) & (ids[mine] >= 0)
            numbers[mine] = np.where(known, self._order[at], NO_BATCH)
        return numbers

    def owners(self, axis: Axis) -> NDArray[np.int32]:
        """For each slot of the axis the number of the batch that read it; NO_BATCH in a gap."""
        owners = np.full(len(axis), NO_BATCH, dtype=np.int32)
        for number, batch in enumerate(self.all):
            for span in batch.spans:
                first = axis.slot(span.topic, span.partition, span.begin)
                if len(span) and first != OUTSIDE:
                    owners[first : first + len(span)] = number
        return owners

    def broken_ranges(self, begins: dict[Partition, int], kafka: dict[Partition, int]) -> Iterator[str]:
        """Gaps, overlaps and ranges beyond Kafka's end, in words."""
        spans: dict[Partition, list[Span]] = {}
        for batch in self.all:
            for span in batch.spans:
                if len(span):
                    spans.setdefault((span.topic, span.partition), []).append(span)
        for (topic, partition), found in sorted(spans.items()):
            expected = begins.get((topic, partition), found[0].begin)
            for span in sorted(found):
                if span.begin != expected:
                    word = "gap" if span.begin > expected else "overlap"
                    first, last = sorted((span.begin, expected))
                    yield f"{topic}[{partition}]: {word} at {first}..{last - 1}"
                expected = max(expected, span.end)
            if expected > kafka.get((topic, partition), 0):
                yield f"{topic}[{partition}]: read up to {expected}, Kafka ends at {kafka.get((topic, partition), 0)}"

    def broken_counters(self, counted: dict[str, IntArray]) -> Iterator[str]:
        """Batches whose counters differ from each other or from the rows counted in the tables, in words."""
        for number, batch in enumerate(self.all):
            read = sum(len(span) for span in batch.spans)
            if batch.rows_in != read:
                yield f"{batch}: rows_in {batch.rows_in}, its offset ranges hold {read}"
            if batch.rows_in != sum(batch.counters.values()):
                yield f"{batch}: rows_in {batch.rows_in}, its classes add up to {sum(batch.counters.values())}"
            for name, claimed in batch.counters.items():
                if claimed != counted[name][number]:
                    yield f"{batch}: {name} {claimed}, the table holds {counted[name][number]}"

    def _key(self, query_id: str, batch_id: int) -> int:
        return (self._queries.index(query_id) << 44) + batch_id


def is_command(table: pa.Table) -> NDArray[np.bool_]:
    """Which rows a command wrote."""
    found = pc.fill_null(pc.starts_with(table["query_id"], COMMAND_PREFIX), False)
    return np.asarray(found.to_numpy(), dtype=np.bool_)


def count_streamed(batches: Batches, numbers: IntArray) -> IntArray:
    """Rows per batch number."""
    return np.bincount(numbers[numbers != NO_BATCH], minlength=len(batches)).astype(np.int64)


def _batch(row: dict[str, object]) -> Batch:
    offsets = row["offsets"]
    assert isinstance(offsets, list)
    spans = (Span(o["topic"], int(o["partition"]), int(o["from_offset"]), int(o["until_offset"])) for o in offsets)
    return Batch(
        query_id=str(row["query_id"]),
        batch_id=_int(row["batch_id"]),
        spans=tuple(sorted(spans)),
        rows_in=_int(row["rows_in"]),
        counters={name: _int(row[name]) for name in CLASSES},
    )


def _int(value: object) -> int:
    return int(str(value)) if value is not None else 0
