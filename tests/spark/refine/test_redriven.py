"""A corrected event is known by the headers of the redrive topic, and by them alone."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import Row, SparkSession

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.contract.model import Source
from pipelines.refine import rules
from tests.spark.refine.records import ARRIVED, Record, frame
from tests.spark.refine.test_cases import ALL

WHOLE = next(case.record for case in ALL if case.name == "accepted/whole")
HEADERS = {
    "pulseiq-from": b"shop.redrive/0/4",
    "pulseiq-first": b"shop.events/3/77",
    "pulseiq-known": b"1",
    "pulseiq-backfill": b"1",
}


def classified(spark: SparkSession, contract: Contract, topic: str, arrived_after: timedelta = timedelta()) -> Row:
    record = Record(WHOLE.value, WHOLE.key, ARRIVED + arrived_after, HEADERS)
    records = frame(spark, [record], topic)
    quick = records.select(rules.event_id_of(records, contract).alias("quick_id"))
    (row,) = rules.classify(records, contract).crossJoin(quick).collect()
    assert row["event_id"] == row["quick_id"]
    return row


def test_it_names_the_record_whose_place_it_takes_and_is_never_late(spark: SparkSession) -> None:
    row = classified(spark, contracts.load("shop"), "shop.redrive", timedelta(days=2))
    assert row["reject_reason"] is None
    assert (row["redriven_from"], row["known_id"], row["late"]) == ("shop.redrive/0/4", True, False)


def test_an_id_that_is_a_position_stays_the_first_one(spark: SparkSession) -> None:
    shop = contracts.load("shop")
    contract = shop.model_copy(
        update={"envelope": shop.envelope.model_copy(update={"event_id": Source(position=True)})}
    )
    assert classified(spark, contract, "shop.redrive")["event_id"] == "shop.events/3/77"
    assert classified(spark, contract, "shop.events")["event_id"] == "shop.events/3/0"


def test_a_producer_cannot_claim_the_place_of_another_event(spark: SparkSession) -> None:
    row = classified(spark, contracts.load("shop"), "shop.events")
    assert (row["redriven_from"], row["known_id"]) == (None, False)
