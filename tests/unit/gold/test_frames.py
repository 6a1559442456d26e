"""Which combinations of dimensions are followed: those that an incident can be seen in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.simulated_gold import Gold, accepted, sent
from pipelines import contract as contracts
from pipelines.simulate.run import world_of

END = datetime(2026, 11, 23, 12, tzinfo=UTC)
START = END - timedelta(hours=1)


@pytest.mark.parametrize(
    ("metric", "dimensions"), [("traffic", 2), ("conversion_rate", 2), ("revenue", 1), ("unique_users", 1)]
)
def test_counts_and_rates_are_followed_in_pairs_of_dimensions(metric: str, dimensions: int) -> None:
    """What one pair of values does is lost in the wander of the larger parts that hold it."""
    contract = contracts.load("shop")
    world = world_of(contract, 3, "none", (), start=START, end=END, events=2_000)
    series = Gold.of(accepted(sent(world, contract, START, END)), contract).series(START, END, {})
    own = series[series["metric"] == metric]
    assert own["dims"].map(len).max() == dimensions
