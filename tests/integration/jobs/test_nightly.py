"""What the scheduler starts, on one product and told in order: publication, maintenance, the report of cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.jobs import audit, cost_report, maintenance, publish
from pipelines.replay import checksums
from tests.products import Product

LAYERS = ("bronze", "silver", "gold", "detect")


@pytest.fixture(scope="module")
def shop(new_product: Callable[[], Product], spark: SparkSession) -> Product:
    """Three batches in the lake, with no more malformed records than an audit lets pass."""
    product = new_product()
    product.send(2_500, faults={"duplicates": 0.05, "late": 0.03, "malformed": 0.002})
    product.run(spark, max_rows=1_000)
    return product


def when_all_is_closed(shop: Product) -> datetime:
    return datetime.now(UTC) + shop.contract.window + shop.contract.allowed_lateness


def rows(shop: Product, spark: SparkSession, name: str) -> DataFrame:
    return spark.read.format("delta").load(shop.settings.table_uri(shop.contract.product, name))


def sums(shop: Product, spark: SparkSession, name: str) -> checksums.Checksum:
    return checksums.of_gold(rows(shop, spark, name), shop.contract)


def test_what_was_audited_is_published_once_with_the_sums_of_gold(shop: Product, spark: SparkSession) -> None:
    report = audit.run(spark, shop.settings, shop.contract, audit.Asked())
    assert report.batches >= 3
    done = publish.run(spark, shop.settings, shop.contract, when_all_is_closed(shop))
    assert done.held == ()
    assert done.days
    assert sums(shop, spark, "gold_published") == sums(shop, spark, "gold")
    leaves = ["window_start", *shop.contract.dimensions]
    found = rows(shop, spark, "gold_published")
    assert found.count() == found.select(leaves).distinct().count() == done.rows
    again = publish.run(spark, shop.settings, shop.contract, when_all_is_closed(shop))
    assert (again.days, again.held) == ((), ())


def test_maintenance_changes_no_sum_and_loses_nothing_that_comes_meanwhile(
    shop: Product, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    silver, gold = checksums.of_silver(rows(shop, spark, "silver")), sums(shop, spark, "gold")
    late = rows(shop, spark, "gold").where("query_id IS NOT NULL").limit(1)
    late = late.withColumn("batch_id", F.col("batch_id") + 1_000)
    came_late, schema = late.collect(), late.schema
    merge = maintenance.merge

    def merged_while_the_stream_goes_on(*arguments: object) -> DataFrame:
        spark.createDataFrame(came_late, schema).write.format("delta").mode("append").save(
            shop.settings.table_uri(shop.contract.product, "gold")
        )
        return merge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(maintenance, "merge", merged_while_the_stream_goes_on)
    monkeypatch.setenv("TZ", "Asia/Kolkata")  # a machine need not keep UTC
    time.tzset()
    try:
        done = maintenance.run(
            spark, shop.settings, shop.contract, actor="ana", retention=timedelta(days=7), now=when_all_is_closed(shop)
        )
    finally:
        monkeypatch.undo()
        time.tzset()
    assert done.merged_rows is not None
    assert done.merged_rows[0] > done.merged_rows[1]
    files = {each.table: (each.files_before, each.files) for each in done.tables}
    assert files["silver"][0] > files["silver"][1]
    assert {each.query for each in done.checkpoints if each.objects} == {"bronze", "refine"}
    assert checksums.of_silver(rows(shop, spark, "silver")) == silver
    stored = rows(shop, spark, "gold")
    came = (F.col("batch_id") >= 1_000) & F.col("query_id").isNotNull()
    assert stored.where(came).count() == 1
    assert checksums.of_gold(stored.where(~F.coalesce(came, F.lit(False))), shop.contract) == gold


def test_gold_that_silver_does_not_give_is_not_published(shop: Product, spark: SparkSession) -> None:
    before = sums(shop, spark, "gold_published")
    done = publish.run(spark, shop.settings, shop.contract, when_all_is_closed(shop))
    assert done.days == ()
    assert "are not those of silver's rows" in " ".join(done.held)
    assert sums(shop, spark, "gold_published") == before


def test_the_report_of_cost_has_every_layer(shop: Product) -> None:
    report = cost_report.run(shop.settings, shop.contract, budget_usd=1_000.0)
    assert report.events == shop.ledger().events > 2_000
    layers = {each.layer: each for each in report.layers}
    assert tuple(layers) == LAYERS
    for name in ("bronze", "silver", "gold"):
        assert layers[name].bytes > layers[name].objects > 0
        assert 0 < layers[name].puts <= layers[name].objects
        assert layers[name].usd > 0
    assert layers["silver"].compute_seconds > 0
    assert report.usd == pytest.approx(sum(each.usd for each in report.layers))
    kept = shop.table("cost")
    assert sorted(kept["layer"]) == sorted(LAYERS)
    cost_report.run(shop.settings, shop.contract, budget_usd=1_000.0)
    assert len(shop.table("cost")) == len(LAYERS)
