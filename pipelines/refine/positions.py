"""Which rows lie within given offsets of Kafka."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.platform.kafka import OffsetRange


def within(ranges: Iterable[OffsetRange]) -> Column:
    """Condition: the row's position is in one of the ranges."""
    conditions = [
        (F.col("kafka_topic") == each.topic)
        & (F.col("kafka_partition") == each.partition)
        & (F.col("kafka_offset") >= each.from_offset)
        & (F.col("kafka_offset") < each.until_offset)
        for each in ranges
    ]
    return reduce(operator.or_, conditions, F.lit(False))
