"""The simulator and the row rules agree: what was broken on purpose is refused for that reason, and nothing else is."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines import contract as contracts
from pipelines.refine import rules
from pipelines.simulate import run
from pipelines.simulate.world import World

END = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> contracts.Contract:
    # A small limit keeps the payloads that go beyond it small too.
    return contracts.load("shop").model_copy(update={"max_event_bytes": 4096})


def reasons(spark: SparkSession, shop: contracts.Contract, world: World, span: timedelta) -> tuple[Counter, Counter]:
    """Events by reason of refusal as the rules see them, and by kind as the simulator meant them."""
    keys, values, meant = [], [], Counter()
    for batch in world.events(END - span, END):
        keys += batch.keys
        values += batch.values
        meant.update(batch.counts)
    frame = pd.DataFrame({"key": keys, "value": values})
    records = spark.createDataFrame(frame, "key binary, value binary").select(
        "key",
        "value",
        F.lit("shop.events").alias("topic"),
        F.lit(0).alias("partition"),
        F.monotonically_increasing_id().alias("offset"),
        F.lit(END).cast("timestamp").alias("timestamp"),
        F.lit(END).cast("timestamp").alias("arrived_at"),
    )
    counted = rules.classify(records, shop).groupBy("reject_reason").count().collect()
    return Counter({row["reject_reason"]: row["count"] for row in counted}), meant


def test_each_broken_event_is_refused_for_the_reason_it_was_broken(spark, shop):
    world = run.world_of(shop, 3, start=END, end=END, faults={"malformed": 0.1}, rate=4)
    found, meant = reasons(spark, shop, world, timedelta(hours=1))
    kinds = {name.removeprefix("malformed."): n for name, n in meant.items() if name.startswith("malformed.")}
    assert len(kinds) == 15
    assert {reason: n for reason, n in found.items() if reason} == kinds
    assert found[None] == meant["events"] - meant["malformed"] > 10_000


def test_whole_events_of_a_fault_free_world_are_all_accepted(spark, shop):
    found, meant = reasons(
        spark, shop, run.world_of(shop, 4, start=END, end=END, faults={"malformed": 0.0}), timedelta(hours=1)
    )
    assert found == {None: meant["events"]}


def test_bad_release_loses_only_events_without_the_required_field(spark, shop):
    world = run.world_of(
        shop, 5, "bad-release", start=END - timedelta(days=1), end=END, faults={"malformed": 0.0, "duplicates": 0.0}
    )
    found, meant = reasons(spark, shop, world, timedelta(minutes=40))
    assert set(found) == {None, "missing_field"}
    share = found["missing_field"] / meant["type.user_action"]
    assert share == pytest.approx(0.45 * 0.06, rel=0.25)
