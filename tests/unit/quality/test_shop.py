"""The shop's own checks on the shop's simulated events: sound traffic passes at any rate, a bad release does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pandas as pd
import pytest

from pipelines import contract as contracts
from pipelines.simulate.spec import Faults
from pipelines.simulate.world import World
from quality.gate import Gate
from quality.verdict import Verdict

END = datetime(2026, 11, 23, 15, tzinfo=UTC)
SHOP = Path(contracts.__file__).parents[2] / "contracts" / "shop"


def accepted(seed: int, scenario: str, minutes: int, events_per_day: float) -> pd.DataFrame:
    """Event columns of silver for the last minutes before END, without what the row rules reject."""
    start = END - timedelta(days=1)
    sound = Faults(duplicates=0, late=0, malformed=0)
    world = World(SHOP, seed, scenario, start=start, end=END, events_per_day=events_per_day, faults=sound)
    events = [
        orjson.loads(v) for batch in world.events(END - timedelta(minutes=minutes), END) for v in batch.values if v
    ]
    rows = pd.DataFrame([event for event in events if event["event_type"] != "user_action" or "session_id" in event])
    rows["latency_ms"] = rows["latency_ms"].fillna(rows["duration_s"] * 1000)
    rows["event_time"] = pd.to_datetime(rows["event_time"], utc=True).dt.tz_localize(None)
    return rows.astype({"schema_version": "int32"})


def verdicts(rows: pd.DataFrame, size: int) -> list[Verdict]:
    gate = Gate(contracts.load("shop"))
    return [
        gate.check(
            rows.iloc[start : start + size],
            rows_total=min(size, len(rows) - start),
            batch_time=END + timedelta(seconds=n),
        )
        for n, start in enumerate(range(0, len(rows), size))
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [150, 2500, 50_000])
def test_sound_traffic_is_never_held(seed: int, size: int) -> None:
    rows = accepted(seed, "none", 20, 400_000)
    found = verdicts(rows.head(8 * size), size)
    assert {verdict.outcome for verdict in found} == {"promote"}, [verdict.failed for verdict in found]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [800, 3000, 50_000])
def test_a_bad_release_is_held_for_its_amounts(seed: int, size: int) -> None:
    found = verdicts(accepted(seed, "bad-release", 25, 400_000), size)
    held = [verdict for verdict in found if verdict.outcome == "hold"]
    assert len(held) >= 0.8 * len(found)
    for verdict in held:
        assert {each.owner for each in verdict.failed} == {"payments"}
        assert all(each.observed.startswith("app_version=5.3.0") for each in verdict.failed)


@pytest.mark.parametrize("version", ["5.1.0", "5.2.0"])
def test_a_version_that_sends_seconds_for_milliseconds_is_held_and_named(version: str) -> None:
    rows = accepted(0, "none", 20, 400_000).head(3_000)
    rows.loc[rows["app_version"] == version, "latency_ms"] /= 1000
    (verdict,) = verdicts(rows, 3_000)
    assert verdict.outcome == "hold"
    (failed,) = verdict.failed
    assert failed.check == "latencies are in milliseconds"
    assert failed.observed.startswith(f"app_version={version}: 0.")
