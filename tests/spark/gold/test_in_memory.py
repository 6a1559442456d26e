"""What the driver adds up is what Spark does, to the last byte of every sketch."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.gold import in_memory
from pipelines.gold.partial_sums import partial_sums
from pipelines.gold.sketches import UNDERFLOW
from pipelines.refine.tables import silver, specs

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BY = ("batch_id", "query_id")


@pytest.fixture(scope="module")
def shop() -> Contract:
    """The shop, with a sum of numbers that are no integers beside its own metrics."""
    shop = contracts.load("shop")
    revenue = next(metric for metric in shop.metrics if metric.kind == "sum")
    fractional = revenue.model_copy(update={"name": "fractional", "value": "latency_ms / 7", "where": None})
    return shop.model_copy(update={"metrics": (*shop.metrics, fractional)})


def event(rng: random.Random, n: int) -> dict[str, Any]:
    kind = rng.choice(["transaction", "user_action", "system_metric"])
    return {
        "event_id": f"e{n}",
        "event_type": kind,
        "event_time": NOON + timedelta(seconds=rng.randrange(3000), microseconds=rng.randrange(10**6)),
        "region": rng.choice(["eu", "us", "", None]),
        "feature": rng.choice(["cart", "home", "Ünïcode"]),
        "device": rng.choice(["ios", "web"]),
        "app_version": "5.2.0",
        "user_id": rng.choice([None, "", *(f"ü{i}" for i in range(60))]) if kind != "system_metric" else None,
        "latency_ms": rng.choice([None, 0.0, -3.5, 1e-9, rng.lognormvariate(5, 2)]) if kind == "user_action" else None,
        "error": rng.choice([None, True, False]) if kind == "user_action" else None,
        "amount_minor": rng.choice([None, rng.randrange(10**9)]) if kind == "transaction" else None,
        "status": rng.choice(["completed", "declined", None]) if kind == "transaction" else None,
        "name": rng.choice(["queue_depth", "cpu", None]) if kind == "system_metric" else None,
        "value": rng.choice([None, rng.uniform(-5, 5e6)]) if kind == "system_metric" else None,
        "batch_id": n % 2,
        "query_id": "q",
    }


def frame(spark: SparkSession, shop: Contract, events: list[dict[str, Any]]) -> DataFrame:
    schema = silver(shop)
    return spark.createDataFrame([dict.fromkeys(schema.names) | each for each in events], schema)


def in_driver(events: DataFrame, shop: Contract) -> pa.Table:
    return in_memory.sums(in_memory.inputs(events, shop).toArrow(), shop, BY)


def by_leaf(rows: list[dict[str, Any]], shop: Contract) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by their leaf, with doubles rounded to what any order of adding gives."""
    found = {}
    for row in rows:
        for name, struct in row.items():
            if isinstance(struct, dict) and "sum_squares" in struct:
                row[name] = struct | {"sum_squares": pytest.approx(struct["sum_squares"], rel=1e-12)}
            if isinstance(struct, dict) and "histogram" in struct:
                row[name] = struct | {"histogram": list(dict(struct["histogram"]).items())}
        found[tuple(row[name] for name in ("window_start", *shop.dimensions, *BY))] = row
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_rows_are_those_of_spark(spark: SparkSession, shop: Contract, seed: int) -> None:
    rng = random.Random(seed)
    events = frame(spark, shop, [event(rng, n) for n in range(1500)])
    (table,) = [each for each in specs(spark, shop) if each.name == "gold"]
    expected = partial_sums(events, shop, by=BY).to(table.schema).toArrow()
    found = in_driver(events, shop)
    assert found.column_names == expected.column_names
    assert [str(field.type) for field in found.schema] == [str(field.type) for field in expected.schema]
    assert by_leaf(found.to_pylist(), shop) == by_leaf(expected.to_pylist(), shop)
    assert any(
        bucket == UNDERFLOW
        for row in found.to_pylist()
        if row["latency_p95"]
        for bucket, _ in row["latency_p95"]["histogram"]
    )


def test_no_event_makes_no_row(spark: SparkSession, shop: Contract) -> None:
    assert in_driver(frame(spark, shop, []), shop).num_rows == 0


def test_a_leaf_without_any_metric_has_no_row(spark: SparkSession, shop: Contract) -> None:
    none = shop.model_copy(update={"metrics": tuple(m for m in shop.metrics if m.name == "fractional")})
    events = frame(spark, shop, [event(random.Random(0), 1) | {"latency_ms": None}])
    assert partial_sums(events, none, by=BY).count() == in_driver(events, none).num_rows == 0


def test_sums_are_exact_where_doubles_are_not(spark: SparkSession, shop: Contract) -> None:
    base = event(random.Random(1), 1) | {"event_type": "transaction", "status": "completed", "latency_ms": 0.7}
    amounts = [2**53, 1, 1, 1]
    rows = [base | {"event_id": str(n), "amount_minor": each} for n, each in enumerate(amounts)]
    events = frame(spark, shop, rows).withColumn("batch_id", F.lit(1).cast("bigint"))
    (row,) = in_driver(events, shop).to_pylist()
    assert row["revenue"]["sum"] == 2**53 + 3
    assert row["fractional"]["sum"] == Decimal("0.4")


def test_many_dimensions_of_many_values_do_not_run_into_each_other(spark: SparkSession, shop: Contract) -> None:
    wide = shop.model_copy(
        update={"dimensions": (*shop.dimensions, "event_id", "user_id", "status", "name", "kafka_topic")}
    )
    rng = random.Random(4)
    rows = [event(rng, n) | {"kafka_topic": f"t{rng.randrange(900)}"} for n in range(1000)]
    events = frame(spark, shop, rows)
    assert in_driver(events, wide).num_rows == partial_sums(events, wide, by=BY).count()
