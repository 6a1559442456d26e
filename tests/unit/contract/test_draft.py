"""A contract drafted from sample events loads, and has found what a person would have."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines import contract as contracts
from pipelines.cli.main import build
from pipelines.contract import Contract
from pipelines.errors import ContractError, UsageError


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


def invoked(file: Path, into: Path) -> Result:
    return CliRunner().invoke(build(), ["new", "product", "rides", "--from", str(file), "--into", str(into)])


def written(folder: Path, events: list[dict[str, object]], *, lines: str = "") -> Path:
    file = folder / "events.ndjson.gz"
    file.write_bytes(gzip.compress(("\n".join(map(json.dumps, events)) + "\n" + lines).encode()))
    return file


def drafted(folder: Path, events: list[dict[str, object]], *, lines: str = "") -> Contract:
    done = invoked(written(folder, events, lines=lines), folder)
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


def test_of_types_that_say_how_something_ended_the_failed_ones_are_a_share(tmp_path: Path) -> None:
    ends = {"charge.started": 4, "charge.finished": 3, "charge.failed": 1, "chargeAborted": 1, "meter.failed": 1}
    types = [name for name, times in ends.items() for _ in range(times)]
    events = [{**each, "type": types[i % len(types)]} for i, each in enumerate(rides(2_000))]
    rates = {each.name: each for each in drafted(tmp_path, events).metrics if each.name.endswith("_failure_rate")}
    assert list(rates) == ["charge_failure_rate"]
    rate = rates["charge_failure_rate"]
    assert rate.kind == "ratio"
    assert rate.where == "event_type IN ('charge.failed', 'charge.finished', 'chargeAborted')"
    assert rate.numerator == "event_type IN ('charge.failed', 'chargeAborted')"
    assert rate.direction == "up"


def test_what_is_always_the_same_is_no_rate(tmp_path: Path) -> None:
    events = [{**each, "failed": False} for each in rides(2_000)]
    assert not [each.name for each in drafted(tmp_path, events).metrics if each.kind == "ratio"]


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


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels + "\n"


@pytest.mark.parametrize("levels", [21, 900, 5_000])
def test_events_nested_too_deeply_are_counted_and_not_looked_at(tmp_path: Path, levels: int) -> None:
    done = invoked(written(tmp_path, rides(300), lines=nested(levels)), tmp_path)
    assert done.exit_code == 0, done.exception
    assert "1 lines were no JSON objects, or nested too deeply" in done.stdout
    (tmp_path / "deep.ndjson").write_text(nested(levels))
    alone = invoked(tmp_path / "deep.ndjson", tmp_path / "alone")
    assert isinstance(alone.exception, UsageError)
    assert "nested at most 20 deep" in str(alone.exception)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    sample = written(tmp_path, rides(300))
    for into in (Path("/proc/nope"), sample):
        refused = invoked(sample, into).exception
        assert isinstance(refused, UsageError)
        assert str(into) in refused.what
    assert sample.is_file()


def test_a_mark_of_the_encoding_is_no_part_of_the_first_event(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text("\ufeff" + "\n".join(map(json.dumps, rides(300))), encoding="utf-8")
    done = invoked(file, tmp_path)
    assert done.exit_code == 0, done.exception
    assert "drafted from 300 events" in done.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"a": {"b": 3}, "a_b": 4}, "left out: $.a_b, it would be the same column as $.a.b"),
        ({"App_Build": 3}, "left out: $.app.build, it would be the same column as $.App_Build"),
        ({"batch_id": 4}, "left out: $.batch_id, PulseIQ has a column of its own called batch_id"),
        ({"platform": 4}, "left out: $.platform, a dimension is called platform"),
    ],
)
def test_of_two_fields_that_would_be_one_column_one_is_left_out(
    tmp_path: Path, more: dict[str, object], said: str
) -> None:
    done = invoked(written(tmp_path, [{**each, **more} for each in rides(400)]), tmp_path)
    assert done.exit_code == 0, done.exception
    assert said in done.stdout
    contract = contracts.load(tmp_path / "rides")
    assert len({column.lower() for column in contract.columns}) == len(contract.columns)


def test_a_field_that_is_a_value_here_and_an_object_there_is_left_out_where_it_is_seldom(tmp_path: Path) -> None:
    events = [{**each, "car": {"age": 3} if i % 3 else 7} for i, each in enumerate(rides(600))]
    columns = drafted(tmp_path, events).columns
    assert "car_age" in columns
    assert "car" not in columns


def test_types_that_differ_between_event_types_still_make_a_contract(tmp_path: Path) -> None:
    events = [{**each, "load": 7 if each["type"] == "rideRequested" else "7"} for each in rides(600)]
    assert "load" not in drafted(tmp_path, events).columns


def test_a_metric_has_no_name_that_a_column_has(tmp_path: Path) -> None:
    events: list[dict[str, object]] = [{"ts": 1_760_000_000 + i, "amount": i % 77, "count": i % 7} for i in range(500)]
    assert [each.name for each in drafted(tmp_path, events).metrics] == ["count_events", "amount_sum"]


def test_a_sample_of_which_no_contract_loads_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise ContractError(f"{folder}: it does not load")

    sample = written(tmp_path, rides(300))
    monkeypatch.setattr("pipelines.contract.load", refuse)
    refused = invoked(sample, tmp_path).exception
    assert isinstance(refused, UsageError)
    assert "does not load" in refused.what
    assert not (tmp_path / "rides").exists()


MOMENT, SECOND, MILLISECOND = "2026-11-01T10:00:00Z", 1_760_000_000, 1_760_000_000_000


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ({"sentAt": MOMENT, "occurredAt": MILLISECOND}, ("$.occurredAt", "epoch_ms")),
        ({"ingestedAt": MOMENT, "occurredAt": MOMENT}, ("$.occurredAt", "rfc3339")),
        ({"received_at": MOMENT, "ts": SECOND}, ("$.ts", "epoch_s")),
        ({"createdInQueue": MOMENT, "timestamp": MILLISECOND}, ("$.timestamp", "epoch_ms")),
        ({"updated": MOMENT, "eventTime": SECOND}, ("$.eventTime", "epoch_s")),
        ({"number": SECOND, "sentAt": MOMENT}, ("$.sentAt", "rfc3339")),
        ({"time_a": MILLISECOND, "time_b": MOMENT}, ("$.time_b", "rfc3339")),
    ],
)
def test_what_a_time_is_called_decides_before_its_form(
    tmp_path: Path, times: dict[str, object], chosen: tuple[str, str]
) -> None:
    time = drafted(tmp_path, [{**times, "load": i % 7} for i in range(200)]).envelope.event_time
    assert (time.path, time.format) == chosen


def test_times_without_a_zone_are_named(tmp_path: Path) -> None:
    local: list[dict[str, object]] = [{"when": "2026-11-01 10:00:00", "load": i % 7} for i in range(200)]
    refused = invoked(written(tmp_path, local), tmp_path).exception
    assert isinstance(refused, UsageError)
    assert refused.what.endswith("without a zone are $.when")
    assert "with its zone, as 2026-11-23T10:35:00Z" in str(refused.hint)
    done = invoked(written(tmp_path, [{**each, "sent": MOMENT} for each in local]), tmp_path)
    assert "event time: $.sent (rfc3339)" in done.stdout
    assert "no zone, so not taken for the event time: $.when" in done.stdout
