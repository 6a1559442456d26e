"""A contract drafted from sample events loads, and has found what a person would have."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines import contract as contracts
from pipelines.cli.main import build
from pipelines.contract import Contract
from pipelines.errors import UsageError


def rides(count: int) -> list[dict[str, object]]:
    """Events of a ride service: names in camel case, nested, times as text."""
    draw = random.Random(4)
    start = datetime(2026, 11, 1, tzinfo=UTC)
    return [
        {
            "rideEventId": f"{i:08x}",
            "occurredAt": (start + timedelta(seconds=i)).isoformat(),
            "type": draw.choice(["rideRequested", "rideFinished"]),
            "city": draw.choice(["Lyon", "Porto", "Graz"]),
            "app": {"platform": draw.choice(["ios", "android"]), "build": draw.randrange(100, 104)},
            "riderAccount": f"r{draw.randrange(400)}",
            "fareCents": draw.randrange(400, 9000),
            "matchMs": draw.random() * 900,
            "failed": draw.random() < 0.02,
            "temperature": draw.choice([-3, 12]),
            "note": None if i % 3 else "late pick-up",
            "stops": [1, 2],
        }
        for i in range(count)
    ]


def drafted(folder: Path, events: list[dict[str, object]], *, lines: str = "") -> Contract:
    file = folder / "events.ndjson.gz"
    file.write_bytes(gzip.compress(("\n".join(map(json.dumps, events)) + "\n" + lines).encode()))
    done = CliRunner().invoke(build(), ["new", "product", "rides", "--from", str(file), "--into", str(folder)])
    assert done.exit_code == 0, done.exception
    return contracts.load(folder / "rides")


def test_the_envelope_is_found_by_names_and_values(tmp_path: Path) -> None:
    envelope = drafted(tmp_path, rides(2_000)).envelope
    assert envelope.event_id.path == "$.rideEventId"
    assert envelope.event_type.path == "$.type"
    assert (envelope.event_time.path, envelope.event_time.format) == ("$.occurredAt", "rfc3339")
    assert envelope.schema_version.constant == 1


def test_dimensions_are_the_texts_with_few_values(tmp_path: Path) -> None:
    found = drafted(tmp_path, rides(2_000)).dimension_sources
    assert {name: source.path for name, source in found.items()} == {"city": "$.city", "platform": "$.app.platform"}


def test_metrics_follow_from_what_fields_are_called(tmp_path: Path) -> None:
    found = {each.name: each for each in drafted(tmp_path, rides(2_000)).metrics}
    kinds = {name.removeprefix("ride_requested_"): each.kind for name, each in found.items() if "requested" in name}
    assert kinds == {
        "count": "count",
        "fare_cents": "sum",
        "match_ms_p95": "quantile",
        "failed_rate": "ratio",
        "unique_rider_account": "distinct",
    }
    assert {each.where for name, each in found.items() if "finished" in name} == {"event_type = 'rideFinished'"}


def test_a_schema_says_what_was_seen_and_no_more(tmp_path: Path) -> None:
    drafted(tmp_path, rides(2_000))
    schema = json.loads((tmp_path / "rides" / "ride_requested.v1.json").read_text())
    assert schema["properties"]["fareCents"] == {"type": "integer", "minimum": 0}
    assert schema["properties"]["temperature"] == {"type": "integer"}
    assert schema["properties"]["app"]["properties"]["build"] == {"type": "integer", "minimum": 0}
    assert "note" not in schema["required"]
    assert "stops" not in schema["properties"]


def test_a_few_broken_events_change_nothing(tmp_path: Path) -> None:
    broken = [{**each, "occurredAt": 7, "city": None} for each in rides(10)]
    contract = drafted(tmp_path, [*rides(2_000), *broken], lines="{oops\n[1]\n")
    assert contract.envelope.event_time.path == "$.occurredAt"
    assert set(contract.dimensions) == {"city", "platform"}


def test_events_without_identity_type_or_version_still_make_a_contract(tmp_path: Path) -> None:
    events: list[dict[str, object]] = [{"ts": 1_760_000_000 + i // 50, "load": i % 7} for i in range(500)]
    contract = drafted(tmp_path, events)
    assert contract.envelope.event_id.position
    assert (contract.envelope.event_type.constant, contract.envelope.event_time.format) == ("event", "epoch_s")
    assert [each.name for each in contract.metrics] == ["count"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no line is a JSON object"), ('{"a": 1}\n', "no field holds a time"), ("[1]\n", "no line is a JSON object")],
)
def test_a_sample_that_cannot_be_used_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text(text)
    done = CliRunner().invoke(build(), ["new", "product", "rides", "--from", str(file), "--into", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert words in done.exception.what
    assert not (tmp_path / "rides").exists()
