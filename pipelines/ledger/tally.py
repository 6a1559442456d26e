"""Counts of what the tables of refine hold, per offset and per batch, gathered one table after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.ledger.batches import NO_BATCH, Batches, count_streamed, is_command
from pipelines.ledger.offsets import OUTSIDE, Axis, IntArray, Partition, Place, Positions

EXAMPLES = 5

POSITION_COLUMNS = ("kafka_topic", "kafka_partition", "kafka_offset", "query_id", "batch_id")
# What else is counted, per table.
EXTRA_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "silver": ("late", "redriven_from"),
    "quarantine": ("reason", "redriven_from"),
    "duplicates": ("redriven_from",),
    "held": ("redriven_from",),
}


@dataclass
class Tally:
    """Counts per slot of the axis: rows that the stream wrote and rows that commands wrote, for each table."""

    axis: Axis
    batches: Batches
    redrive_topic: str
    streamed: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    commanded: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    per_batch: dict[str, IntArray] = field(default_factory=dict)
    misplaced: list[str] = field(default_factory=list)
    misplaced_count: int = 0
    stray: list[pd.DataFrame] = field(default_factory=list)
    # Rows per table that each command wrote.
    commands: dict[str, dict[str, int]] = field(default_factory=dict)
    # Slot of a re-driven record -> slot of the quarantined one whose place it takes.
    taken_from: dict[int, int] = field(default_factory=dict)
    _quarantine: tuple[IntArray, pa.ChunkedArray] | None = None
    late: int = 0
    redriven: int = 0

    def __post_init__(self) -> None:
        self._owners = self.batches.owners(self.axis)

    def add(self, name: str, table: pa.Table) -> None:
        """Count the rows of one table."""
        positions = Positions.of(table)
        slots = self.axis.slots(positions)
        commanded = is_command(table)
        inside = slots != OUTSIDE
        self.streamed[name] = self.axis.count(slots[~commanded])
        self.commanded[name] = self.axis.count(slots[commanded])
        for each in pc.value_counts(table["query_id"].filter(pa.array(commanded))).to_pylist():
            self.commands.setdefault(each["values"], {})[name] = each["counts"]

        numbers = self.batches.numbers(table)
        self.per_batch[name] = count_streamed(self.batches, numbers[~commanded])
        owned = inside & ~commanded
        elsewhere = np.flatnonzero(owned)[numbers[owned] != self._owners[slots[owned]]]
        self.misplaced_count += len(elsewhere)
        self.misplaced += [f"{positions.place(row)} in {name}" for row in elsewhere[:EXAMPLES]]

        if not inside.all():
            beyond = table.filter(pa.array(~inside)).select(list(POSITION_COLUMNS)).to_pandas()
            self.stray.append(beyond.assign(table=name, claimed=(commanded | (numbers != NO_BATCH))[~inside]))

        if "late" in table.column_names:
            self.late += pc.sum(pc.fill_null(table["late"].filter(pa.array(inside)), False)).as_py() or 0
        if "reason" in table.column_names:
            self._quarantine = slots, pc.fill_null(table["reason"], "(none)")
        self._note_redriven(table, slots)
        if name == "silver":
            redriven = np.array([topic == self.redrive_topic for topic in positions.names], dtype=np.bool_)
            codes = positions.topics[inside]
            self.redriven += int(np.count_nonzero(redriven[codes[codes >= 0]])) if len(redriven) else 0

    def reasons(self, without: NDArray[np.bool_]) -> Counter[str]:
        """Rows of quarantine by reason, but those of the given slots."""
        if self._quarantine is None:
            return Counter()
        slots, reasons = self._quarantine
        kept = slots != OUTSIDE
        kept[kept] = ~without[slots[kept]]
        counted = pc.value_counts(reasons.filter(pa.array(kept)))
        return Counter({each["values"]: each["counts"] for each in counted.to_pylist()})

    def _note_redriven(self, table: pa.Table, slots: IntArray) -> None:
        for row in np.flatnonzero(pc.is_valid(table["redriven_from"]).to_numpy()):
            # What is being written, or claims to come from nowhere, stands for itself.
            taken = self._slot_of(table["redriven_from"][int(row)].as_py())
            if slots[row] != OUTSIDE and taken != OUTSIDE:
                self.taken_from[int(slots[row])] = taken

    def _slot_of(self, place: str) -> int:
        parts = place.rsplit("/", 2)
        if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
            return OUTSIDE
        return self.axis.slot(parts[0], int(parts[1]), int(parts[2]))

    def half_decided(self) -> list[str]:
        """Held batches of which commands moved some rows and not others; they decide on whole batches."""
        held = np.flatnonzero(self.streamed["held"] > 0)
        moved = (self.commanded["silver"][held] > 0) | (self.commanded["quarantine"][held] > 0)
        owners = self._owners[held]
        of_all = np.bincount(owners[owners != NO_BATCH], minlength=len(self.batches))
        of_moved = np.bincount(owners[(owners != NO_BATCH) & moved], minlength=len(self.batches))
        return [
            f"{self.batches.all[number]}: {of_moved[number]} of {of_all[number]} held rows moved"
            for number in np.flatnonzero((of_moved > 0) & (of_moved < of_all))
        ]

    def strays(self, begins: Mapping[Partition, int], ends: Mapping[Partition, int]) -> tuple[list[str], int, int]:
        """Rows beyond what the recorded batches read: examples of the inexplicable, their number, and those in flight.

        A query writes one batch at a time, so in flight are the rows of the newest unrecorded batch of a query, and
        only up to Kafka's end.
        """
        if not self.stray:
            return [], 0, 0
        rows = pd.concat(self.stray, ignore_index=True)
        partition = list(zip(rows["kafka_topic"], rows["kafka_partition"], strict=True))
        begin = np.array([begins.get(key, 0) for key in partition])
        end = np.array([ends.get(key, 0) for key in partition])
        open_batch = rows["batch_id"].where(~rows["claimed"])
        newest = open_batch.groupby(rows["query_id"]).transform("max")
        in_flight = (open_batch == newest) & (rows["kafka_offset"] >= begin) & (rows["kafka_offset"] < end)
        lost = rows[~in_flight]
        examples = [
            f"{Place(row['kafka_topic'], row['kafka_partition'], row['kafka_offset'])} in {row['table']}"
            for row in lost.head(EXAMPLES).to_dict("records")
        ]
        return examples, len(lost), int(in_flight.sum())
