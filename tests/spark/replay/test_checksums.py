"""Gold merged and divided: the same sums, and so the same checksum; another count, another checksum."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.gold.merged import merge
from pipelines.gold.partial_sums import partial_sums
from pipelines.refine.tables import silver
from pipelines.replay import checksums

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> Contract:
    return contracts.load("shop")


@pytest.fixture(scope="module")
def events(spark: SparkSession, shop: Contract) -> DataFrame:
    """Actions and payments over three windows, in four batches."""
    blank = dict.fromkeys(silver(shop).names)
    rows = [
        blank
        | {
            "event_id": f"e{n}",
            "event_type": "transaction" if n % 5 == 0 else "user_action",
            "event_time": NOON + timedelta(seconds=7 * n),
            "region": "eu" if n % 2 else "us",
            "device": "ios",
            "feature": "cart",
            "user_id": f"u{n % 17}",
            "latency_ms": None if n % 5 == 0 else 20.0 + n,
            "error": None if n % 5 == 0 else n % 7 == 0,
            "amount_minor": 100 + n if n % 5 == 0 else None,
            "status": ("completed" if n % 10 else "failed") if n % 5 == 0 else None,
            "batch_id": n % 4,
            "query_id": "q",
        }
        for n in range(120)
    ]
    return spark.createDataFrame(rows, silver(shop)).cache()


def test_merged_gold_has_a_row_per_leaf_and_the_same_checksum(events: DataFrame, shop: Contract) -> None:
    parts = partial_sums(events, shop, by=("batch_id", "query_id"))
    whole = partial_sums(events, shop)
    merged = merge(parts, shop)
    assert parts.count() > merged.count() == whole.count()
    assert checksums.of_gold(parts, shop) == checksums.of_gold(whole, shop) == checksums.of_gold(merged, shop)
    assert merged.schema.simpleString() == parts.drop("batch_id", "query_id").schema.simpleString()


def test_merged_sketches_estimate_what_the_whole_one_does(events: DataFrame, shop: Contract) -> None:
    metric = next(metric.name for metric in shop.metrics if metric.kind == "distinct")
    leaf = ["window_start", *shop.dimensions]

    def estimates(rows: DataFrame) -> dict[tuple[object, ...], int]:
        found = rows.select(*leaf, F.expr(f"hll_sketch_estimate({metric}.sketch)").alias("n")).collect()
        return {tuple(row[name] for name in leaf): row["n"] for row in found}

    parts = partial_sums(events, shop, by=("batch_id",))
    assert estimates(merge(parts, shop)) == estimates(partial_sums(events, shop))


def test_one_event_more_or_moved_to_another_leaf_changes_the_checksum(events: DataFrame, shop: Contract) -> None:
    whole = checksums.of_gold(partial_sums(events, shop), shop)
    fewer = events.where("event_id != 'e3'")
    moved = events.withColumn("device", F.when(F.col("event_id") == "e3", "web").otherwise(F.col("device")))
    assert len({whole.digest, *(checksums.of_gold(partial_sums(e, shop), shop).digest for e in (fewer, moved))}) == 3


def test_silver_counts_its_batch_for_nothing_and_every_other_column(events: DataFrame) -> None:
    again = events.repartition(3).withColumn("batch_id", F.lit(9).cast("bigint"))
    assert checksums.of_silver(again) == checksums.of_silver(events)
    assert checksums.of_silver(events.withColumn("late", F.lit(True))) != checksums.of_silver(events)
