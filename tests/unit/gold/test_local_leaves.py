"""Leaves read without a JVM are those that the benchmark's gold sums up from the same events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from benchmarks.simulated_gold import Gold, accepted, sent
from pipelines import contract as contracts
from pipelines.gold import local_leaves
from pipelines.incidents.find import Asked
from pipelines.platform.lake import Lake
from pipelines.simulate.run import world_of
from tests.simulated_lake import gold_rows, settings_of

END = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = END - timedelta(hours=10)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    contract = contracts.load("shop")
    world = world_of(contract, 3, "none", (), start=START, end=END, events=9_000)
    gold = Gold.of(accepted(sent(world, contract, START, END)), contract)
    lake = Lake(settings_of(tmp_path_factory.mktemp("lake")))
    lake.replace("shop", "gold", gold_rows(gold, contract), "true")
    return contract, gold, lake


@pytest.mark.parametrize("name", [each.name for each in contracts.load("shop").metrics])
@pytest.mark.parametrize("total", [None, 500.0], ids=["the history's total", "a given total"])
def test_leaves_are_the_same_by_either_way(both, name, total):
    contract, gold, lake = both
    metric = next(each for each in contract.metrics if each.name == name)
    windows = tuple(END - timedelta(minutes=5 * i) for i in range(1, 13))
    usual = 300.0 if metric.kind == "quantile" else None
    asked = Asked(metric, windows, (START, END - timedelta(hours=1)), total, usual)
    dims = [each for each in contract.dimensions if each in (metric.dimensions or contract.dimensions)]
    expected = gold.leaves(asked)
    found = local_leaves.read(lake, contract, metric, asked.windows, asked.history, expected_total=total, usual=usual)
    left, right = (each.sort_values(dims, ignore_index=True) for each in (found, expected))
    pd.testing.assert_frame_equal(left[list(right.columns)], right, check_dtype=False, rtol=1e-6)
