"""Counts of one micro-batch, taken from its rows before anything is written.

One pass over the batch gives the size of every class and the facts per window that the verdict is later judged by.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.gold.partial_sums import window_start
from pipelines.refine.facts import PARTITION, partition_name

Fact = dict[str, Any]

# No column of a product can have such a name.
_WINDOW, _PARTITION, _BYTES = "#window", "#partition", "#bytes"
_KEYS = ["reject_reason", "late", _WINDOW, _PARTITION]


@dataclass(frozen=True)
class Counted:
    """Sizes of the part of a batch that survived de-duplication; `late` is a part of `accepted`, `refused_bytes` the
    size of the refused records' values.
    """

    accepted: int
    quarantined: int
    late: int
    refused_bytes: int
    groups: tuple[dict[str, Any], ...]
    topic: str

    @property
    def rows(self) -> int:
        """Rows that survived."""
        return self.accepted + self.quarantined

    def facts(self, *, accepted: int, held: int) -> list[Fact]:
        """Counts per event-time window and class; accepted rows count as held when the batch holds them all.

        Each row counts once more for the partition of the product's topic that brought it: one can fall silent.
        """
        accepted_as = "held" if held and not accepted else "silver"
        totals: Counter[tuple[datetime, str, str]] = Counter()
        for row in self.groups:
            window, n = row[_WINDOW], row["count_all"]
            if window is None:
                continue
            name = "quarantine" if row["reject_reason"] is not None else accepted_as
            totals[window, name, row["reject_reason"] or ""] += n
            if row["reject_reason"] is None and row["late"]:
                totals[window, "late", ""] += n
            if row[_PARTITION] is not None:
                totals[window, PARTITION, partition_name(self.topic, row[_PARTITION])] += n
        return [_fact(window, name, reason, n) for (window, name, reason), n in sorted(totals.items())]


def inputs(contract: Contract) -> dict[str, Column]:
    """What rows of `transform` are counted by and do not have yet: `#window`, `#partition`, and the sum of `#bytes`."""
    # An event time that a rule refused says nothing about when the event was. Its arrival does, unless it is history.
    plausible = F.col("event_time").isNotNull() & (
        F.col("reject_reason").isNull() | ~F.col("reject_reason").isin("future_event_time", "before_product")
    )
    time = F.when(plausible, F.col("event_time")).when(~F.col("backfill"), F.col("arrived_at"))
    # What is sent again comes by a topic of its own, and says nothing about the producers.
    of_product = F.col("kafka_topic") == contract.topic
    return {
        _WINDOW: window_start(time, contract),
        _PARTITION: F.when(of_product, F.col("kafka_partition")),
        _BYTES: F.octet_length("kafka_value"),
    }


def count(batch: DataFrame, contract: Contract) -> Counted:
    """Count a persisted batch of `transform` rows in one Spark job, which also fills its cache."""
    groups = (
        batch.withColumns(inputs(contract))
        .groupBy(*_KEYS)
        .agg(F.count(F.lit(1)).alias("count_all"), F.sum(_BYTES).alias(f"{_BYTES}_sum"))
    )
    return _counted(groups.toArrow(), contract)


def count_collected(rows: pa.Table, contract: Contract) -> Counted:
    """Count a batch that the driver holds; `rows` have `transform`'s columns and those of `inputs`."""
    return _counted(rows.group_by(_KEYS).aggregate([([], "count_all"), (_BYTES, "sum")]), contract)


def _counted(groups: pa.Table, contract: Contract) -> Counted:
    rows = groups.to_pylist()
    refused = [row for row in rows if row["reject_reason"] is not None]
    accepted = [row for row in rows if row["reject_reason"] is None]
    return Counted(
        accepted=sum(row["count_all"] for row in accepted),
        quarantined=sum(row["count_all"] for row in refused),
        late=sum(row["count_all"] for row in accepted if row["late"]),
        refused_bytes=sum(row[f"{_BYTES}_sum"] or 0 for row in refused),
        groups=tuple(rows),
        topic=contract.topic,
    )


def facts_of_duplicates(dropped: pa.Table, window: timedelta) -> list[Fact]:
    """Duplicates per window of their arrival: who sends again does it now, whenever the events were.

    History arrives at no time of its own: its duplicates count where their events were.

    Args:
        dropped: columns `event_time`, `arrived_at` and `backfill`.
        window: length of a window.
    """
    rows = dropped.select(["event_time", "arrived_at", "backfill"]).to_pandas()
    at = rows["arrived_at"].where(~rows["backfill"].astype(bool), rows["event_time"])
    windows = Counter(at.dropna().dt.floor(window))
    return [_fact(start.to_pydatetime(), "duplicates", "", n) for start, n in sorted(windows.items())]


def _fact(window: datetime, name: str, reason: str, n: int) -> Fact:
    return {"window_start": window, "class": name, "reason": reason, "n": n}
