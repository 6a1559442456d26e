"""A simulated product's tables as an audit sees them, made by row rules and gold's own sums, without any service."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.gold.partial_sums import partial_sums
from pipelines.refine.rules import classify
from pipelines.simulate.run import world_of
from quality.expectation import Audited, Span
from quality.suites import gold as gold_suite

END = datetime(2026, 11, 18, 15, tzinfo=UTC)
SPAN = timedelta(minutes=30)
RATE = 5.0
_SOUND = {"malformed": 0.001, "duplicates": 0.002, "late": 0.0}

Event = dict[str, Any]
# An event -> the events that are sent in its place.
Change = Callable[[Event], Iterable[Event]]


@dataclass(frozen=True)
class Sent:
    """Records of one half hour, classified and without twins."""

    records: DataFrame
    kept: DataFrame
    rows: int


def sent(spark: SparkSession, contract: Contract, seed: int, days_ago: int = 0, change: Change | None = None) -> Sent:
    """Half an hour of traffic, so many days before END."""
    end = END - timedelta(days=days_ago)
    world = world_of(contract, seed, start=end - SPAN, end=end, faults=_SOUND, rate=RATE)
    keys, values, times = [], [], []
    for batch in world.events(end - SPAN, end):
        for key, value, at in zip(batch.keys, batch.values, batch.send_times, strict=True):
            for each in _changed(value, change):
                keys.append(key)
                values.append(each)
                times.append(datetime.fromtimestamp(at / 1000, UTC))
    frame = pd.DataFrame({"key": keys, "value": values, "timestamp": times})
    frame["offset"] = range(len(frame))
    records = (
        spark.createDataFrame(frame, "key binary, value binary, timestamp timestamp, offset long")
        .withColumns({"topic": F.lit(contract.topic), "partition": F.lit(0), "arrived_at": F.col("timestamp")})
        .persist()
    )
    classified = classify(records, contract).withColumns({"batch_id": F.lit(days_ago), "query_id": F.lit("q")})
    key = F.coalesce(F.when(F.col("reject_reason").isNull(), F.col("event_id")), F.concat(F.lit("#"), "kafka_offset"))
    return Sent(records, classified.withColumn("k", key).dropDuplicates(["k"]).drop("k").persist(), len(frame))


def audited(contract: Contract, now: Sent, before: Iterable[Sent], *, gold: DataFrame | None = None) -> Audited:
    """What an audit of `now` looks at; `gold` where it is not what silver gives."""
    silver, refused = now.kept.where("reject_reason IS NULL"), now.kept.where("reject_reason IS NOT NULL")
    own_gold = partial_sums(silver, contract, by=("batch_id", "query_id")) if gold is None else gold
    whole = silver
    for each in before:
        whole = whole.unionByName(each.kept.where("reject_reason IS NULL"))
    spark = silver.sparkSession
    dropped = now.rows - now.kept.count()
    columns = ["class", "reason", "late"]
    outcomes = (
        silver.select(F.lit("silver").alias("class"), F.lit(None).cast("string").alias("reason"), "late")
        .unionAll(refused.select(F.lit("quarantine"), "reject_reason", F.lit(False)))
        .unionAll(spark.range(dropped).select(F.lit("duplicates"), F.lit(None).cast("string"), F.lit(False)))
    ).toDF(*columns)
    bronze = now.records.withColumns(
        {
            "bronzed_at": F.col("timestamp"),
            "text": F.col("value").cast("string"),
            "value_bytes": F.octet_length("value"),
        }
    )
    return Audited(
        contract=contract,
        frames={
            "bronze": bronze,
            "silver": silver,
            "outcomes": outcomes,
            "gold": gold_suite.flattened(own_gold, contract),
            "windows": gold_suite.windows(silver, own_gold, contract),
        },
        silver=whole,
        gold=own_gold,
        gold_before=None,
        spans=(Span(contract.topic, 0, 0, now.rows),),
        partitions=((contract.topic, 0),),
        start=END - SPAN,
        end=END,
        now=None,
    )


def _changed(value: bytes | None, change: Change | None) -> list[bytes | None]:
    if change is None or value is None:
        return [value]
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return [value]
    return [orjson.dumps(each) for each in change(event)] if isinstance(event, dict) else [value]
