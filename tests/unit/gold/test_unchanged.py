"""A contract that changed under the sums that are there is refused by name, before anything is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.gold.unchanged import refuse_changed
from pipelines.platform.lake import Lake
from tests.simulated_lake import settings_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def shop() -> Contract:
    return contracts.load("shop")


@pytest.fixture
def lake(tmp_path: Path, shop: Contract) -> Lake:
    """Gold of the shop's first window."""
    seconds = int(shop.window.total_seconds())
    row = {"window_start": NOON, "window_seconds": seconds, "query_id": "stream", "traffic": {"n": 3}}
    lake = Lake(settings_of(tmp_path))
    rows = pa.Table.from_pylist([row | dict.fromkeys(shop.dimensions, "x")])
    lake.append("shop", "gold", rows, "stream", 0)
    return lake


def test_the_same_contract_goes_on(lake: Lake, shop: Contract) -> None:
    refuse_changed(lake, shop)


def test_a_product_without_tables_may_still_change(tmp_path: Path, shop: Contract) -> None:
    refuse_changed(Lake(settings_of(tmp_path)), shop.model_copy(update={"window": timedelta(hours=1)}))


def test_a_further_dimension_is_no_change_of_what_is_there(lake: Lake, shop: Contract) -> None:
    source = shop.dimension_sources["region"]
    refuse_changed(lake, shop.model_copy(update={"dimension_sources": {**shop.dimension_sources, "currency": source}}))


def test_another_window_is_refused_with_both(lake: Lake, shop: Contract) -> None:
    with pytest.raises(StateError, match=r"gold holds windows of 5 minutes, and the contract's window is 1 hour") as it:
        refuse_changed(lake, shop.model_copy(update={"window": timedelta(hours=1)}))
    assert "put window: 5 minutes back" in str(it.value.hint)


def test_a_dimension_that_is_gone_is_named(lake: Lake, shop: Contract) -> None:
    kept = {name: source for name, source in shop.dimension_sources.items() if name != "device"}
    with pytest.raises(StateError, match="gold is grouped by device, and the contract's dimensions are region"):
        refuse_changed(lake, shop.model_copy(update={"dimension_sources": kept}))


@pytest.mark.parametrize("rows", [0, 1])
def test_a_dimension_that_nothing_was_summed_up_by_may_go(
    tmp_path: Path, lake: Lake, shop: Contract, rows: int
) -> None:
    tried = Lake(settings_of(tmp_path / "tried"))
    gold = lake.read("shop", "gold")
    nothing = pa.nulls(gold.num_rows, pa.string())
    gold = gold.set_column(gold.schema.get_field_index("device"), "device", nothing)
    tried.append("shop", "gold", gold.slice(0, rows), "stream", 0)
    kept = {name: source for name, source in shop.dimension_sources.items() if name != "device"}
    refuse_changed(tried, shop.model_copy(update={"dimension_sources": kept}))
