"""What a rewrite of a table does with what others wrote meanwhile, on a lake on disk."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.errors import StateError
from pipelines.platform.lake import Lake
from tests.simulated_lake import settings_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
# As maintenance writes it, whose frames Spark reads by the same words.
UNTIL_FIVE_PAST = "window_start <= '2026-11-20T12:05:00Z' AND (query_id IS NULL OR query_id NOT LIKE 'command:%')"
UP_TO_THE_FIRST_BATCH = f"{UNTIL_FIVE_PAST} AND (query_id IS NULL OR (query_id = 'stream' AND batch_id <= 1))"
SCHEMA = pa.schema(
    [
        ("window_start", pa.timestamp("us", tz="UTC")),
        ("batch_id", pa.int64()),
        ("query_id", pa.string()),
        ("latency", pa.struct([("n", pa.int64()), ("histogram", pa.map_(pa.int32(), pa.int64()))])),
    ]
)


def rows(query: str | None, n: int, batch: int = 0, *, windows: int = 3) -> pa.Table:
    starts = [NOON + timedelta(minutes=5) * window for window in range(windows)]
    latency = {"n": n, "histogram": [(7, n)]}
    return pa.Table.from_pylist(
        [{"window_start": start, "batch_id": batch, "query_id": query, "latency": latency} for start in starts],
        schema=SCHEMA,
    )


def stored(lake: Lake) -> list[tuple[int, str | None, int]]:
    found = [
        ((row["window_start"] - NOON) // timedelta(minutes=5), row["query_id"], row["latency"]["n"])
        for row in lake.read("shop", "gold").to_pylist()
    ]
    return sorted(found, key=str)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two batches of a stream, a row for each of three windows."""
    lake = Lake(settings_of(tmp_path))
    lake.append("shop", "gold", rows("stream", 1), "stream", 0)
    lake.append("shop", "gold", rows("stream", 1, 1), "stream", 1)
    return lake


def version(lake: Lake) -> int:
    found = lake.table("shop", "gold")
    assert found is not None
    return found.version()


def test_rows_appended_since_the_version_stay_beside_what_replaces_it(lake: Lake) -> None:
    read = version(lake)
    for batch in range(2, 5):
        lake.append("shop", "gold", rows("stream", 10, batch, windows=1), "stream", batch)
    lake.append("shop", "gold", rows("command:release", 100, windows=1), "command:release", 0)
    lake.replace("shop", "gold", rows(None, 2, windows=2), UP_TO_THE_FIRST_BATCH, version=read)
    came = [(0, "command:release", 100), *3 * [(0, "stream", 10)]]
    assert stored(lake) == sorted([*came, (0, None, 2), (1, None, 2), (2, "stream", 1), (2, "stream", 1)], key=str)


def test_rows_of_a_command_that_do_not_meet_the_condition_stay(lake: Lake) -> None:
    lake.append("shop", "gold", rows("command:release", 100, windows=1), "command:release", 0)
    lake.replace("shop", "gold", rows(None, 2, windows=2), UP_TO_THE_FIRST_BATCH, version=version(lake))
    assert (0, "command:release", 100) in stored(lake)


def test_what_somebody_else_replaced_since_the_version_is_not_replaced_again(lake: Lake) -> None:
    read = version(lake)
    lake.replace("shop", "gold", rows("stream", 3, windows=2), UNTIL_FIVE_PAST)
    before = stored(lake)
    with pytest.raises(StateError, match="were replaced by somebody else meanwhile"):
        lake.replace("shop", "gold", rows(None, 2, windows=2), UP_TO_THE_FIRST_BATCH, version=read)
    assert stored(lake) == before


def schema_of(*columns: dict[str, object]) -> str:
    return json.dumps({"type": "struct", "fields": [{"nullable": True, "metadata": {}, **each} for each in columns]})


def counted(*parts: str, nullable: bool = True) -> dict[str, object]:
    fields = [{"name": part, "type": "long", "nullable": nullable, "metadata": {}} for part in parts]
    return {"name": "orders", "type": {"type": "struct", "fields": fields}}


def test_a_column_that_would_hold_something_else_is_refused_and_the_rest_not_added(tmp_path: Path) -> None:
    lake = Lake(settings_of(tmp_path))
    lake.ensure("shop", "gold", schema_of(counted("n")))
    more = {"name": "sales", "type": "long"}
    with pytest.raises(StateError, match=r"orders holds struct\(n long\), and would now hold struct\(numerator long"):
        lake.ensure("shop", "gold", schema_of(more, counted("numerator", "denominator")))
    assert lake.columns("shop", "gold") == {"orders": "struct"}


def test_what_may_be_null_is_no_other_column(tmp_path: Path) -> None:
    lake = Lake(settings_of(tmp_path))
    lake.ensure("shop", "gold", schema_of(counted("n")))
    lake.ensure("shop", "gold", schema_of(counted("n", nullable=False), {"name": "sales", "type": "long"}))
    assert lake.columns("shop", "gold") == {"orders": "struct", "sales": "long"}
