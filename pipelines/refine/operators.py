"""What Spark's own operators say about the batch under way: a second count beside the one that is taken from rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from pipelines.errors import StateError
from pipelines.platform.kafka import OffsetRange


@dataclass(frozen=True)
class Operators:
    """The batch's own time (UTC), offsets that the source was asked for, records it gave, and what de-duplication
    dropped: twins, and rows behind its watermark.
    """

    batch_time: datetime
    offsets: tuple[OffsetRange, ...]
    rows_read: int
    duplicates: int
    behind_watermark: int

    @property
    def width(self) -> int:
        """The most records that can be in the batch: all offsets that the source was asked for."""
        return sum(each.until_offset - each.from_offset for each in self.offsets)


def of_batch(spark: SparkSession, query_id: str) -> Operators:
    """Read the plan of a query's batch; its counts are nought until the batch was computed, and then whole.

    Raises StateError where the plan is not as expected.
    """
    query = spark._jsparkSession.sessionState().streamingQueryManager().get(query_id)
    execution = query.streamingQuery().lastExecution()
    nodes = list(_nodes(execution.executedPlan()))
    sources = [node for node in nodes if node.nodeName().startswith("MicroBatchScan")]
    deduplications = [node for node in nodes if node.nodeName().startswith("StreamingDeduplicate")]
    if len(sources) > 1 or len(deduplications) != 1:
        raise StateError(
            f"refine: the plan has {len(sources)} sources and {len(deduplications)} de-duplications, not one of each",
            hint="report this, nothing was written",
        )
    deduplication = deduplications[0]
    # A batch that only moves the watermark on reads nothing: its plan has an empty table in the place of the source.
    ranges = [_ranges(json.loads(each.start().json()), json.loads(each.end().json())) for each in sources]
    return Operators(
        batch_time=datetime.fromtimestamp(execution.offsetSeqMetadata().batchTimestampMs() / 1000, UTC),
        offsets=ranges[0] if ranges else (),
        rows_read=sum(_metric(source, "numOutputRows") for source in sources),
        duplicates=_metric(deduplication, "numDroppedDuplicateRows"),
        behind_watermark=_metric(deduplication, "numRowsDroppedByWatermark"),
    )


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    children = plan.children()
    for i in range(children.size()):
        yield from _nodes(children.apply(i))


def _metric(node: Any, name: str) -> int:
    return int(node.metrics().apply(name).value())


def _ranges(start: dict[str, dict[str, int]], end: dict[str, dict[str, int]]) -> tuple[OffsetRange, ...]:
    """Kafka's two offsets, topic -> partition -> offset, as ranges that are not empty."""
    ranges = (
        OffsetRange(topic, int(partition), start.get(topic, {}).get(partition, 0), until)
        for topic, partitions in end.items()
        for partition, until in partitions.items()
    )
    return tuple(
        sorted((each for each in ranges if each.from_offset < each.until_offset), key=lambda r: (r.topic, r.partition))
    )
