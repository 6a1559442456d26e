"""Where every record went, from what was written down: batches, duplicates, quarantine, held, command_log.

Pure frames. A replay classifies by these positions and judges nothing again: two runs over one bronze give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.errors import UsageError
from pipelines.ledger.batches import COMMAND_PREFIX
from pipelines.refine.facts import POSITION

Read = Callable[[str], DataFrame]

_ELSEWHERE = ("duplicates", "quarantine", "held")


@dataclass(frozen=True)
class Stretch:
    """Event times in [start, end), both multiples of the product's window; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    @property
    def whole(self) -> bool:
        """Whether it covers everything."""
        return self.start is None and self.end is None

    def condition(self, column: str) -> str:
        """SQL: the timestamp column is within."""
        bounds = [(self.start, ">="), (self.end, "<")]
        parts = [
            f"{column} {sign} TIMESTAMP '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC'"
            for moment, sign in bounds
            if moment is not None
        ]
        return " AND ".join(parts) or "true"

    def checked(self, contract: Contract) -> Stretch:
        """Itself; UsageError where a bound is within a window or the end is not behind the start."""
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment is not None and moment.timestamp() % contract.window.total_seconds():
                raise UsageError(
                    f"the {name} {moment.isoformat()} lies within a window of {contract.window}",
                    hint="give a time at which a window begins",
                )
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise UsageError(f"nothing lies between {self.start.isoformat()} and {self.end.isoformat()}")
        return self

    def pieces(self, length: timedelta) -> list[Stretch]:
        """Consecutive stretches of a length that make up this one, which must have both ends."""
        if self.start is None or self.end is None:
            raise UsageError("pieces need a start and an end", hint="add --since and --until")
        starts = [self.start + n * length for n in range(-int(-(self.end - self.start) // length))]
        return [Stretch(start, min(start + length, self.end)) for start in starts]

    def __str__(self) -> str:
        if self.whole:
            return "everything"
        return " to ".join("..." if each is None else f"{each:%Y-%m-%d %H:%M}" for each in (self.start, self.end))


def accepted_by_the_stream(read: Read) -> DataFrame:
    """Positions that went to silver with their batch: read by a recorded batch, and in no other table.

    Returns:
        Columns `kafka_topic`, `kafka_partition`, `kafka_offset`, `batch_id`, `query_id`.
    """
    spans = read("batches").select("query_id", "batch_id", F.explode("offsets").alias("span"))
    covered = spans.where("span.until_offset > span.from_offset").select(
        F.col("span.topic").alias("kafka_topic"),
        F.col("span.partition").alias("kafka_partition"),
        F.explode(F.expr("sequence(span.from_offset, span.until_offset - 1)")).alias("kafka_offset"),
        "batch_id",
        "query_id",
    )
    elsewhere = reduce(DataFrame.union, [read(name).select(POSITION) for name in _ELSEWHERE])
    return covered.join(elsewhere, POSITION, "left_anti")


def released(read: Read) -> DataFrame:
    """Held rows that a person let through, under the command's id, with every column of held."""
    done = read("command_log").where("command = 'release' AND outcome = 'done'")
    commands = done.select("command_id", F.col("target_query_id").alias("query_id"), F.col("target_batch_id"))
    held = read("held").join(
        F.broadcast(commands.withColumnRenamed("target_batch_id", "batch_id")), ["query_id", "batch_id"]
    )
    return held.withColumn("query_id", F.col("command_id")).drop("command_id")


def settled(logged: Collection[str]) -> str:
    """SQL, of Spark and delta-rs: the row is of the stream, or of a command that has come to its end.

    Those of the other commands are being written.
    """
    names = ", ".join(f"'{each}'" for each in sorted(logged)) or "''"
    return f"(query_id IS NULL OR query_id NOT LIKE '{COMMAND_PREFIX}%' OR query_id IN ({names}))"
