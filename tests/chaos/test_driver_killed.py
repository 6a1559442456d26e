"""A driver killed in the middle of a batch and started again: nothing is lost, nothing is there twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from pyspark.sql import SparkSession

from pipelines.platform import aws
from pipelines.platform.lake import Lake
from pipelines.platform.tables import checkpoint_query_id
from tests.chaos.doomed import Point
from tests.products import Product

FAULTS = {"duplicates": 0.05, "late": 0.03, "malformed": 0.04}


@pytest.fixture(scope="module")
def shop(new_product: Callable[[], Product]) -> Product:
    return new_product()


def run_until_killed(shop: Product, query: str, point: Point) -> None:
    """What `pulseiq run QUERY --once` does, in a process that ends itself at `point`."""
    words = ["run", query, str(shop.contract.folder), "--once", "--max-rows", "1000"]
    driver = subprocess.run(
        [sys.executable, "-m", "tests.chaos.doomed", point, *words],
        capture_output=True,
        text=True,
        timeout=300,
        start_new_session=True,
    )
    assert driver.returncode == -signal.SIGKILL, driver.stdout + driver.stderr


def batches(shop: Product, table: str) -> set[int]:
    """Numbers of the batches that a table holds rows of."""
    rows = shop.table(table)
    return set(rows["batch_id"]) if len(rows) else set()


def assert_appended_and_not_committed(shop: Product, query: str, table: str) -> None:
    """The last batch that is in the table is not among those that the query's checkpoint says are finished."""
    product = shop.contract.product
    found = Lake(shop.settings).table(product, table)
    assert found is not None
    last = found.transaction_version(f"{checkpoint_query_id(shop.settings, product, query)}/{table}")
    prefix = f"_checkpoints/{product}/{query}/commits/"
    listed = aws.client(shop.settings, "s3").list_objects_v2(Bucket=shop.settings.lake_bucket, Prefix=prefix)
    assert last is not None
    assert str(last) not in {each["Key"].removeprefix(prefix) for each in listed.get("Contents", ())}


def assert_whole_after_another_run(shop: Product, spark: SparkSession, sent: int) -> None:
    shop.run(spark, max_rows=1_000)
    assert shop.assert_whole().events == sent


def test_killed_between_the_appends_of_silver_and_gold(shop: Product, spark: SparkSession) -> None:
    sent = shop.send(1_500, faults=FAULTS)["events"]
    run_until_killed(shop, "refine", Point.SILVER_WITHOUT_GOLD)
    assert batches(shop, "silver") == {0}
    assert batches(shop, "gold") == batches(shop, "batches") == set()
    assert_whole_after_another_run(shop, spark, sent)


def test_killed_after_the_last_append_and_before_the_checkpoint(shop: Product, spark: SparkSession) -> None:
    before = shop.ledger()
    sent = shop.send(1_500, seed=2, faults=FAULTS)["events"]
    run_until_killed(shop, "refine", Point.REFINED_NOT_COMMITTED)
    assert len(batches(shop, "batches")) == before.batches + 1
    assert_appended_and_not_committed(shop, "refine", "batches")
    assert_whole_after_another_run(shop, spark, before.events + sent)


def test_killed_in_bronze_between_table_and_checkpoint(shop: Product, spark: SparkSession) -> None:
    before = shop.ledger()
    sent = shop.send(1_500, seed=3, faults=FAULTS)["events"]
    run_until_killed(shop, "bronze", Point.BRONZED_NOT_COMMITTED)
    assert sum(each.bronze for each in shop.ledger().partitions) > sum(each.bronze for each in before.partitions)
    assert_appended_and_not_committed(shop, "bronze", "bronze")
    assert_whole_after_another_run(shop, spark, before.events + sent)
