"""Replay from bronze, told in order: each test goes on where the one before it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, timedelta

import pytest
from pyspark.sql import SparkSession

from pipelines.errors import StateError
from pipelines.jobs.live import Live
from pipelines.platform import aws
from pipelines.replay import checksums, from_bronze, rebuild
from pipelines.replay.checksums import Checksum
from pipelines.replay.from_bronze import Replayed
from pipelines.replay.recorded import Stretch
from tests.products import Product, cached

FAULTS = {"duplicates": 0.05, "late": 0.03, "malformed": 0.04}


@pytest.fixture(scope="module")
def shop(new_product: Callable[[], Product], spark: SparkSession) -> Product:
    """Two batches in the lake."""
    product = new_product()
    product.send(1_200, faults=FAULTS)
    product.run(spark, max_rows=1_000)
    return product


def state(shop: Product, spark: SparkSession) -> tuple[Checksum, Checksum]:
    """Checksums of silver and gold as they are."""
    rows = {
        name: spark.read.format("delta").load(shop.settings.table_uri(shop.contract.product, name))
        for name in ("silver", "gold")
    }
    return checksums.of_silver(rows["silver"]), checksums.of_gold(rows["gold"], shop.contract)


def wipe(shop: Product, *names: str) -> None:
    for name in names:
        assert aws.delete_prefix(shop.settings, shop.settings.lake_bucket, f"{shop.contract.product}/{name}/")


def replay(shop: Product, spark: SparkSession, stretches: Iterator[Stretch] | list[Stretch]) -> list[Replayed]:
    return from_bronze.rebuild(spark, shop.settings, shop.contract, stretches, actor="ana", reason="a test")


def thirds(shop: Product) -> list[Stretch]:
    """All event times in three stretches; in the first there are few events, the latest ones to come."""
    times, step = shop.table("silver")["event_time"], shop.contract.window
    first = times.min().floor(step).to_pydatetime().astimezone(UTC)
    last = times.max().floor(step).to_pydatetime().astimezone(UTC)
    windows = (last + step - first) // step
    return Stretch(first, last + step).pieces(-(-windows // 3) * step)


def test_silver_and_gold_that_were_wiped_come_back_the_same(shop: Product, spark: SparkSession) -> None:
    before = state(shop, spark)
    wipe(shop, "silver", "gold")
    (done,) = replay(shop, spark, [Stretch()])
    assert done.swapped
    assert done.findings == {}
    assert state(shop, spark) == before
    shop.assert_whole()


def test_the_stream_goes_on_where_it_was_before_the_replay(shop: Product, spark: SparkSession) -> None:
    shop.send(600, seed=2, faults=FAULTS)
    shop.run(spark)
    shop.assert_whole()


def test_pieces_that_broke_off_and_went_on_give_the_same(shop: Product, spark: SparkSession) -> None:
    before, pieces = state(shop, spark), thirds(shop)
    assert len(pieces) > 1
    wipe(shop, "silver", "gold")

    def broken_off() -> Iterator[Stretch]:
        yield pieces[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(shop, spark, broken_off())
    assert state(shop, spark) != before
    done = replay(shop, spark, pieces)
    assert not done[0].swapped
    assert any(each.swapped for each in done[1:])
    assert state(shop, spark) == before
    assert cached(spark) == []
    shop.assert_whole()


def test_a_replay_beside_the_running_stream_is_refused(shop: Product, spark: SparkSession) -> None:
    before = state(shop, spark)
    with (
        Live(spark, shop.settings, shop.contract, ("refine",)),
        pytest.raises(StateError, match="-refine is already run by"),
    ):
        replay(shop, spark, [Stretch()])
    assert state(shop, spark) == before


def test_what_bronze_lost_is_not_taken_out_of_silver(shop: Product, spark: SparkSession) -> None:
    before, end = state(shop, spark), shop.table("bronze")["timestamp"].max()
    uri = shop.settings.table_uri(shop.contract.product, "bronze")
    spark.sql(f"DELETE FROM delta.`{uri}` WHERE timestamp >= TIMESTAMP '{end - timedelta(seconds=1)}'")
    with pytest.raises(StateError, match="the ledger would not balance: missing"):
        replay(shop, spark, [Stretch()])
    assert state(shop, spark) == before


def test_a_lake_without_bronze_comes_back_from_kafka_the_same(shop: Product, spark: SparkSession) -> None:
    before = state(shop, spark)
    rebuild.from_kafka(shop.settings, shop.contract, echo=lambda line: None)
    assert state(shop, spark) == before
    shop.assert_whole()
