"""The shop's simulated world, parsed into frames."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from pipelines.simulate.world import World

SHOP = Path(__file__).parents[3] / "contracts" / "shop"
END = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)

MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def shop() -> Path:
    return SHOP


@pytest.fixture(scope="session")
def end() -> datetime:
    return END


@pytest.fixture(scope="session")
def make_world() -> MakeWorld:
    def make(scenario: str = "none", seed: int = 7, **options: Any) -> World:
        options = {"start": END - timedelta(days=7), "end": END} | options
        return World(SHOP, seed, scenario, **options)

    return make


@pytest.fixture(scope="session")
def frame() -> Callable[..., pd.DataFrame]:
    """Well-formed events of a slice as one frame, without the second of each pair of duplicates."""

    def parse(world: World, start: datetime, end: datetime) -> pd.DataFrame:
        records = []
        for batch in world.events(start, end):
            for value in batch.values:
                try:
                    record = orjson.loads(value or b"")
                except orjson.JSONDecodeError:
                    continue
                if isinstance(record, dict) and record.get("event_type") in world.simulator.events:
                    records.append(record)
        found = pd.DataFrame.from_records(records).drop_duplicates("event_id")
        found["event_time"] = pd.to_datetime(found["event_time"], errors="coerce", utc=True)
        return found

    return parse
