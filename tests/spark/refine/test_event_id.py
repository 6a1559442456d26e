"""Id and time straight from the bytes are those that `classify` gives, whatever the contract makes ids of."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines import contract as contracts
from pipelines.contract.model import Source
from pipelines.refine import reading, rules
from tests.spark.refine.records import frame
from tests.spark.refine.test_cases import ALL

SOURCES = {
    "path": Source(path="$.event_id"),
    "hash": Source(hash=("$.user_id", "$.latency_ms", "$.error", "$.name")),
    "position": Source(position=True),
}

# What takes megabytes to say is said by `test_cases` already.
SMALL = [case for case in ALL if len(case.record.value or b"") < 10_000]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_same_id_from_the_bytes_alone(spark: SparkSession, source: Source):
    shop = contracts.load("shop")
    contract = shop.model_copy(update={"envelope": shop.envelope.model_copy(update={"event_id": source})})
    records = frame(spark, [case.record for case in SMALL], "shop.events")
    quick = records.select("offset", rules.event_id_of(records, contract).alias("quick_id"))
    judged = rules.classify(records, contract)
    rows = judged.join(quick, judged["kafka_offset"] == quick["offset"]).collect()
    accepted = [row for row in rows if row["reject_reason"] is None]
    assert len(accepted) >= len([case for case in SMALL if case.name.startswith("accepted/")])
    assert all(row["event_id"] == row["quick_id"] is not None for row in accepted)
    if source.position:
        assert {row["quick_id"] for row in rows} == {f"shop.events/3/{offset}" for offset in range(len(SMALL))}


def test_same_time_from_the_bytes_alone(spark: SparkSession):
    contract = contracts.load("shop")
    records = frame(spark, [case.record for case in SMALL], contract.topic)
    quick = reading.with_event_time(records, contract).select("offset", F.col("event_time").alias("quick_time"))
    judged = rules.classify(records, contract)
    rows = judged.join(quick, judged["kafka_offset"] == quick["offset"]).collect()
    accepted = [row for row in rows if row["reject_reason"] is None]
    assert accepted
    assert all(row["event_time"] == row["quick_time"] is not None for row in accepted)
