"""Offsets of many partitions on one axis, so that millions of them are counted by plain array operations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

OUTSIDE = -1

IntArray = NDArray[np.int64]
# Topic and number.
Partition = tuple[str, int]


@dataclass(frozen=True, order=True)
class Place:
    """Where one record stands in Kafka."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


@dataclass(frozen=True, order=True)
class Span:
    """Offsets `begin <= o < end` of one partition."""

    topic: str
    partition: int
    begin: int
    end: int

    def __len__(self) -> int:
        return max(self.end - self.begin, 0)


class Axis:
    """The offsets of disjoint spans, laid end to end and numbered from 0: one number, a slot, per record."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = sorted(spans)
        lengths = [len(span) for span in self._spans]
        self._starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def slots(self, rows: Positions) -> IntArray:
        """The slot of each row; OUTSIDE where no span holds it."""
        slots = np.full(len(rows), OUTSIDE, dtype=np.int64)
        for span, start in zip(self._spans, self._starts, strict=False):
            inside = rows.in_partition(span.topic, span.partition)
            inside &= (rows.offsets >= span.begin) & (rows.offsets < span.end)
            slots[inside] = rows.offsets[inside] - span.begin + start
        return slots

    def slot(self, topic: str, partition: int, offset: int) -> int:
        """The slot of one record; OUTSIDE where no span holds it."""
        for span, start in zip(self._spans, self._starts, strict=False):
            if (span.topic, span.partition) == (topic, partition) and span.begin <= offset < span.end:
                return int(start) + offset - span.begin
        return OUTSIDE

    def place(self, slot: int) -> Place:
        """Inverse of `slots` for one of them."""
        at = int(np.searchsorted(self._starts, slot, side="right")) - 1
        span = self._spans[at]
        return Place(span.topic, span.partition, span.begin + slot - int(self._starts[at]))

    def places(self, slots: Sequence[int] | IntArray) -> list[Place]:
        """Places of several slots, in their order."""
        return [self.place(int(slot)) for slot in slots]

    def count(self, slots: IntArray) -> NDArray[np.uint8]:
        """How many of the given slots fall on each place of the axis, at most 255; those OUTSIDE are left out."""
        counted = np.bincount(slots[slots != OUTSIDE], minlength=len(self))
        return np.minimum(counted, 255).astype(np.uint8)


class Positions:
    """The (topic, partition, offset) columns of a table as arrays, topics as small codes."""

    def __init__(self, topics: pa.ChunkedArray, partitions: pa.ChunkedArray, offsets: pa.ChunkedArray) -> None:
        encoded = pc.dictionary_encode(topics).combine_chunks()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.chunk(0) if encoded.num_chunks else pa.array([], pa.string()).dictionary_encode()
        self.names: list[str | None] = encoded.dictionary.to_pylist()
        self.topics: IntArray = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        self.partitions: IntArray = pc.fill_null(partitions, -1).to_numpy().astype(np.int64)
        self.offsets: IntArray = pc.fill_null(offsets, -1).to_numpy().astype(np.int64)

    @staticmethod
    def of(table: pa.Table, prefix: str = "kafka_") -> Positions:
        """Positions of a table whose columns are `<prefix>topic`, `<prefix>partition`, `<prefix>offset`."""
        return Positions(table[f"{prefix}topic"], table[f"{prefix}partition"], table[f"{prefix}offset"])

    def __len__(self) -> int:
        return len(self.offsets)

    def in_partition(self, topic: str, partition: int) -> NDArray[np.bool_]:
        """Which rows belong to a partition."""
        code = self.names.index(topic) if topic in self.names else -2
        return np.asarray((self.topics == code) & (self.partitions == partition), dtype=np.bool_)

    def partition_keys(self) -> list[Partition]:
        """The (topic, partition) pairs that occur."""
        pairs = np.unique(np.stack([self.topics.astype(np.int64), self.partitions]), axis=1)
        return [(self.names[code] or "", int(number)) if code >= 0 else ("", int(number)) for code, number in pairs.T]

    def ends(self) -> dict[Partition, int]:
        """One past the greatest offset of each partition."""
        return {key: int(self.offsets[self.in_partition(*key)].max()) + 1 for key in self.partition_keys() if key[0]}

    def place(self, row: int) -> Place:
        """Where one row's record stands."""
        code = int(self.topics[row])
        return Place(self.names[code] or "" if code >= 0 else "", int(self.partitions[row]), int(self.offsets[row]))
