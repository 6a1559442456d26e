"""Counts of one micro-batch, taken from its rows before anything is written.

One pass over the batch gives the size of every class and the facts per window that the verdict is later judged by.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.gold.partial_sums import window_start

Fact = dict[str, Any]


@dataclass(frozen=True)
class Counted:
    """Sizes of the part of a batch that survived de-duplication; `late` is a part of `accepted`, `refused_bytes` the
    size of the refused records' values.
    """

    accepted: int
    quarantined: int
    late: int
    refused_bytes: int
    groups: tuple[Row, ...]

    @property
    def rows(self) -> int:
        """Rows that survived."""
        return self.accepted + self.quarantined

    def facts(self, *, accepted: int, held: int) -> list[Fact]:
        """Counts per event-time window and class; accepted rows count as held when the batch holds them all."""
        accepted_as = "held" if held and not accepted else "silver"
        totals: Counter[tuple[datetime, str, str]] = Counter()
        for row in self.groups:
            if row["window_start"] is None:
                continue
            name = "quarantine" if row["reject_reason"] is not None else accepted_as
            totals[row["window_start"], name, row["reject_reason"] or ""] += row["n"]
            if row["reject_reason"] is None and row["late"]:
                totals[row["window_start"], "late", ""] += row["n"]
        return [_fact(window, name, reason, n) for (window, name, reason), n in sorted(totals.items())]


def count(batch: DataFrame, contract: Contract) -> Counted:
    """Count a persisted batch of `transform` rows in one Spark job, which also fills its cache."""
    # An event time that a rule refused says nothing about when the event was. Its arrival does, unless it is history.
    plausible = F.col("event_time").isNotNull() & (
        F.col("reject_reason").isNull() | ~F.col("reject_reason").isin("future_event_time", "before_product")
    )
    timed = batch.withColumn(
        "fact_time", F.when(plausible, F.col("event_time")).when(~F.col("backfill"), F.col("arrived_at"))
    )
    groups = (
        timed.groupBy("reject_reason", "late", window_start("fact_time", contract).alias("window_start"))
        .agg(F.count(F.lit(1)).alias("n"), F.sum(F.octet_length("kafka_value")).alias("bytes"))
        .collect()
    )
    accepted = [row for row in groups if row["reject_reason"] is None]
    return Counted(
        accepted=sum(row["n"] for row in accepted),
        quarantined=sum(row["n"] for row in groups) - sum(row["n"] for row in accepted),
        late=sum(row["n"] for row in accepted if row["late"]),
        refused_bytes=sum(row["bytes"] or 0 for row in groups if row["reject_reason"] is not None),
        groups=tuple(groups),
    )


def facts_of_duplicates(dropped: pa.Table, window: timedelta) -> list[Fact]:
    """Duplicates per window of their arrival: a dropped record's own event time was never parsed. History has none.

    Args:
        dropped: columns `arrived_at` and `backfill`.
        window: length of a window.
    """
    rows = dropped.select(["arrived_at", "backfill"]).to_pandas()
    windows = Counter(rows.loc[~rows["backfill"].astype(bool), "arrived_at"].dt.floor(window))
    return [_fact(start.to_pydatetime(), "duplicates", "", n) for start, n in sorted(windows.items())]


def _fact(window: datetime, name: str, reason: str, n: int) -> Fact:
    return {"window_start": window, "class": name, "reason": reason, "n": n}
