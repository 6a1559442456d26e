"""A batch in the driver's hands is the batch that Spark has."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.refine import collected
from pipelines.refine.tables import silver
from quality.gate import Gate

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROWS = 300


@pytest.fixture(scope="module")
def shop() -> Contract:
    return contracts.load("shop")


@pytest.fixture(scope="module")
def batch(spark: SparkSession, shop: Contract) -> DataFrame:
    """Rows as `transform` gives them, every tenth refused for an amount that no decimal holds."""
    rows = [
        dict.fromkeys(silver(shop).names)
        | {
            "event_id": f"e{n}",
            "event_type": "transaction" if n % 2 else "system_metric",
            "schema_version": 2,
            "event_time": NOON,
            "arrived_at": NOON,
            "user_id": None if n % 3 else f"u{n}",
            "amount_minor": n if n % 4 else None,
            "value": 1e300 if n % 10 == 0 else n / 7,
            "late": False,
            "kafka_offset": n,
        }
        for n in range(ROWS)
    ]
    refused = F.when(F.col("kafka_offset") % 10 == 0, "out_of_range")
    beside = {
        "reject_reason": refused,
        "reject_detail": F.lit("x"),
        "backfill": F.lit(False),
        "batch_time": F.lit(NOON),
    }
    nothing = F.lit(None).cast("binary")
    bytes_of = {"kafka_key": nothing, "kafka_value": nothing}
    return spark.createDataFrame(rows, silver(shop)).withColumns(beside | bytes_of).cache()


def test_the_gate_sees_the_frame_that_spark_would_give_it(batch: DataFrame, shop: Contract) -> None:
    names = Gate(shop).columns
    rows = collected.accepted(collected.collect(batch, shop))
    expected = batch.where("reject_reason IS NULL").select(*names).toPandas()
    pd.testing.assert_frame_equal(collected.sample(rows, ROWS, names), expected)


def test_a_sample_is_the_one_that_spark_would_choose(batch: DataFrame, shop: Contract) -> None:
    rows = collected.accepted(collected.collect(batch, shop))
    chosen = batch.where(f"reject_reason IS NULL AND pmod(xxhash64(event_id), {len(rows)}) < 100").toPandas()
    assert 50 < len(chosen) < 150
    assert list(collected.sample(rows, 100, ["event_id"])["event_id"]) == list(chosen["event_id"])


def test_a_column_of_the_product_may_have_any_name_that_a_contract_allows(batch: DataFrame, shop: Contract) -> None:
    rows = collected.collect(batch.withColumn("sampled", F.lit("yes")), shop)
    assert set(rows["sampled"].to_pylist()) == {"yes"}
