"""`event_id_of` reads from the bytes alone the id that `classify` gives, whatever the contract makes ids of."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from pipelines import contract as contracts
from pipelines.contract.model import Source
from pipelines.refine import rules
from tests.spark.refine.records import frame
from tests.spark.refine.test_cases import ALL

SOURCES = {
    "path": Source(path="$.event_id"),
    "hash of one": Source(hash=("$.event_id",)),
    "hash of several": Source(hash=("$.user_id", "$.latency_ms", "$.error", "$.order_id")),
    "position": Source(position=True),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_same_id_from_the_bytes_alone(spark: SparkSession, source: Source):
    shop = contracts.load("shop")
    contract = shop.model_copy(update={"envelope": shop.envelope.model_copy(update={"event_id": source})})
    records = frame(spark, [case.record for case in ALL], "shop.events")
    quick = {
        row["offset"]: row["id"]
        for row in records.select("offset", rules.event_id_of(records, contract).alias("id")).collect()
    }
    judged = rules.classify(records, contract).where("reject_reason IS NULL")
    accepted = {row["kafka_offset"]: row["event_id"] for row in judged.collect()}
    assert len(accepted) >= len([case for case in ALL if case.name.startswith("accepted/")])
    assert {offset: quick[offset] for offset in accepted} == accepted
    if source.position:
        assert len(set(quick.values())) == len(ALL)
