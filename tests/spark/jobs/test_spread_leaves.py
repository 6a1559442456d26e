"""The causes that Spark's sums give are those of the leaves in the driver; few rows come to the driver for them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import Row, SparkSession

from pipelines import contract as contracts
from pipelines.contract import Metric
from pipelines.explain import Kind
from pipelines.jobs import spread_leaves
from pipelines.jobs.spread_search import SpreadSearch

DIMS = ["brand", "branch", "colour"]


def leaves(shape: tuple[int, ...], metric: str, seed: int = 3) -> pd.DataFrame:
    """One segment fell to half, a smaller one rose to thrice as much; sums as gold gives them."""
    rng = np.random.default_rng(seed)
    values = [[f"{name}{i}" for i in range(size)] for name, size in zip(DIMS, shape, strict=True)]
    frame = pd.DataFrame(list(product(*values)), columns=DIMS)
    factor = np.where((frame["brand"] == "brand1") & (frame["branch"] == "branch2"), 0.5, 1.0)
    factor[(frame["colour"] == "colour3") & (frame["brand"] == "brand0")] = 3.0
    before = rng.lognormal(6, 0.5, len(frame)).round()
    if metric == "conversion_rate":
        rate = np.clip(0.25 * factor, 0, 1)
        now = rng.poisson(before / 4)
        taken = rng.binomial(now, rate)
        return frame.assign(a=taken * 1.0, n=now * 1.0, a_h=rng.binomial(before.astype(int), 0.25) * 1.0, n_h=before)
    now = rng.poisson(before * factor).astype(float)
    return frame.assign(a=now, n=now, a_h=before, n_h=before)


def metric(name: str) -> Metric:
    return next(each for each in contracts.load("shop").metrics if each.name == name)


@pytest.mark.parametrize(("name", "kind"), [("conversion_rate", "ratio"), ("traffic", "count"), ("revenue", "sum")])
def test_causes_are_the_same_wherever_the_leaves_are(spark: SparkSession, name: str, kind: Kind) -> None:
    sums = spark.createDataFrame(leaves((6, 5, 8), name))
    near, far = (
        spread_leaves.explain(sums, metric(name), DIMS, kind, None, 1.0, most_leaves=most) for most in (1000, 0)
    )
    assert near.causes[0].confident
    assert near.causes[0].elements in (
        {"brand": "brand1", "branch": "branch2"},
        {"brand": "brand0", "colour": "colour3"},
    )
    assert [each.elements for each in far.causes] == [each.elements for each in near.causes]
    assert [each.elements for each in far.ranked] == [each.elements for each in near.ranked]
    for ours, theirs in zip((*far.causes, *far.ranked), (*near.causes, *near.ranked), strict=True):
        assert ours.consistency == theirs.consistency
        assert (ours.leaves, ours.consistent, ours.confident) == (theirs.leaves, theirs.consistent, theirs.confident)
        numbers = ("gain", "shift", "actual", "expected", "share", "lift", "surprise")
        assert [getattr(ours, each) for each in numbers] == pytest.approx([getattr(theirs, each) for each in numbers])
    assert (far.rate_mix is None) == (near.rate_mix is None)
    if far.rate_mix and near.rate_mix:
        assert (far.rate_mix.rate, far.rate_mix.mix) == pytest.approx((near.rate_mix.rate, near.rate_mix.mix))


def test_leaves_of_an_earlier_cause_narrow_a_later_one_wherever_they_are(spark: SparkSession) -> None:
    frame = leaves((6, 5, 8), "traffic").assign(a_h=2000.0, n_h=2000.0)
    segment = (frame["brand"] == "brand1") & (frame["branch"] == "branch2")
    frame = frame[~segment | frame["colour"].isin(["colour0", "colour5"])]
    fallen = np.where(frame["colour"] == "colour0", 0.5, 1.0)
    fallen[segment[frame.index] & (frame["colour"] == "colour5")] = 0.2
    sums = spark.createDataFrame(frame.assign(a=2000 * fallen, n=2000 * fallen))
    for most in (1000, 0):
        found = spread_leaves.explain(sums, metric("traffic"), DIMS, "count", None, 1.0, most_leaves=most)
        assert [each.elements for each in found.causes] == [
            {"colour": "colour0"},
            {"brand": "brand1", "branch": "branch2", "colour": "colour5"},
        ]


def test_parts_that_moved_are_named_wherever_the_leaves_are(spark: SparkSession) -> None:
    frame = leaves((6, 5, 8), "traffic").assign(a_h=20000.0, n_h=20000.0)
    fell = (frame["brand"] == "brand1") & frame["branch"].isin(["branch1", "branch3"])
    frame["a"] = frame["n"] = np.random.default_rng(1).poisson(np.where(fell, 3000.0, 20000.0)).astype(float)
    sums = spark.createDataFrame(frame)
    for most in (1000, 0):
        found = spread_leaves.explain(sums, metric("traffic"), DIMS, "count", None, 1.0, most_leaves=most)
        assert sorted(tuple(each.elements.items()) for each in found.causes) == [
            (("brand", "brand1"), ("branch", branch)) for branch in ("branch1", "branch3")
        ]


def test_of_a_hundred_thousand_leaves_hundreds_of_rows_come_to_the_driver(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    take = SpreadSearch._take

    def counted(self: SpreadSearch, rows: list[Row]) -> None:
        taken.append(len(rows))
        take(self, rows)

    monkeypatch.setattr(SpreadSearch, "_take", counted)
    sums = spark.createDataFrame(leaves((50, 40, 50), "traffic"))
    found = spread_leaves.explain(sums, metric("traffic"), DIMS, "count", None, 1.0, most_leaves=1000)
    assert {"brand": "brand1", "branch": "branch2"} in [each.elements for each in found.causes]
    assert max(taken) < 1000
