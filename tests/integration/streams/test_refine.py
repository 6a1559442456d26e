"""Traffic with faults of every kind through bronze and refine: every record has its place, and gold adds up."""

from __future__ import annotations

import time
from collections.abc import Callable

import datasketches
import pytest
from pyspark.sql import SparkSession

from pipelines.errors import StateError
from pipelines.jobs.live import Live
from pipelines.platform import aws
from tests.products import Product, cached

FAULTS = {"duplicates": 0.05, "late": 0.03, "malformed": 0.04}


@pytest.fixture(scope="module")
def shop(new_product: Callable[[], Product]) -> Product:
    return new_product()


def test_every_event_is_in_the_class_that_the_simulator_meant_it_for(shop: Product, spark: SparkSession) -> None:
    sent = shop.send(8_000, faults=FAULTS)
    shop.run(spark, max_rows=3_000)

    ledger = shop.assert_whole()
    assert ledger.batches >= 3
    assert ledger.events == sent["events"] > 7_000
    assert ledger.classes == {
        "silver": sent["events"] - sent["duplicates"] - sent["malformed"],
        "quarantine": sent["malformed"],
        "duplicates": sent["duplicates"],
        "held": 0,
    }
    assert ledger.reasons == {
        name.removeprefix("malformed."): n for name, n in sent.items() if name.startswith("malformed.")
    }
    assert ledger.late == sent["late"] > 100
    assert sent["duplicates"] > 200


def test_a_finished_batch_leaves_nothing_in_the_drivers_memory(shop: Product, spark: SparkSession) -> None:
    # A query that is stopped while it moves its watermark on leaves that empty batch to end by itself.
    deadline = time.monotonic() + 30
    while cached(spark) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert cached(spark) == []


def test_unique_users_by_sketch_are_those_of_silver(shop: Product) -> None:
    union = datasketches.hll_union(12)
    for part in shop.table("gold")["unique_users"].dropna():
        union.update(datasketches.hll_sketch.deserialize(bytes(part["sketch"])))
    silver = shop.table("silver")
    users = silver.loc[silver["event_type"] == "user_action", "user_id"].nunique()
    assert union.get_estimate() == pytest.approx(users, rel=0.1)


def test_a_second_run_goes_on_where_the_first_stopped_and_knows_its_duplicates(
    shop: Product, spark: SparkSession
) -> None:
    before = shop.ledger()
    again = shop.send(2_000, seed=2)
    shop.run(spark)
    ledger = shop.assert_whole()
    assert ledger.events == before.events + again["events"]
    assert ledger.classes["duplicates"] == before.classes["duplicates"] + again["duplicates"]


def test_a_second_driver_of_the_same_query_is_refused_and_named(shop: Product, spark: SparkSession) -> None:
    with (
        Live(spark, shop.settings, shop.contract, ("refine",)),
        pytest.raises(StateError, match=rf"{shop.contract.product}-refine is already run by \S+ pid \d+ since \S+"),
        Live(spark, shop.settings, shop.contract, ("bronze", "refine")),
    ):
        pass
    with Live(spark, shop.settings, shop.contract, ("bronze", "refine")):
        pass  # The refused one has given back what it had taken.


def test_a_driver_without_new_records_notices_that_its_lake_was_made_anew(shop: Product, spark: SparkSession) -> None:
    """No batch starts that would ask for the epoch; what a new bucket lacks is the lease."""
    with Live(spark, shop.settings, shop.contract, ("refine",)) as running:
        aws.delete_prefix(shop.settings, shop.settings.lake_bucket, f"_leases/{shop.contract.product}-refine")
        deadline = time.monotonic() + 90
        with pytest.raises(StateError, match=r"-refine was not renewed .* its lease is gone"):
            running.run_forever(stopping=lambda: time.monotonic() > deadline)


def test_a_lost_table_is_refused_and_not_begun_anew(new_product: Callable[[], Product], spark: SparkSession) -> None:
    """Its checkpoint is behind the records that the table held: nobody would fill them in again."""
    shop = new_product()
    shop.send(300)
    shop.run(spark, ("refine",))
    aws.delete_prefix(shop.settings, shop.settings.lake_bucket, f"{shop.contract.product}/silver/")
    shop.send(300, seed=2)
    for _ in range(2):
        with pytest.raises(StateError, match=rf"/silver was lost.*pulseiq replay {shop.contract.product}"):
            shop.run(spark, ("refine",))


@pytest.mark.parametrize("query", ["bronze", "refine"])
def test_a_lost_checkpoint_is_refused_with_the_ways_out_and_nothing_is_written(
    shop: Product, spark: SparkSession, query: str
) -> None:
    before = shop.ledger()
    lost = f"_checkpoints/{shop.contract.product}/{query}/"
    assert shop.settings.checkpoint_uri(shop.contract.product, query).endswith(lost.rstrip("/"))
    aws.delete_prefix(shop.settings, shop.settings.lake_bucket, lost)
    with pytest.raises(StateError) as refused:
        shop.run(spark, (query,))
    for word in (query, "checkpoint", "is missing", f"pulseiq replay {shop.contract.product}"):
        assert word in str(refused.value)
    assert shop.ledger() == before
