"""Names of refine's that readers share with it, and need no Spark to know: a record's place, and what is counted."""

from __future__ import annotations

# Where a record stands in Kafka.
POSITION = ["kafka_topic", "kafka_partition", "kafka_offset"]

# The class of facts that count a window's events by the partition that brought them; `partition_name` is the reason.
PARTITION = "partition"


def partition_name(topic: str, partition: int) -> str:
    """A partition as facts and people call it."""
    return f"{topic}-{partition}"
