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
