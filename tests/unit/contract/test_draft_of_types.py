"""A sample whose event types differ in shape, with broken events and twins: its draft refuses the broken ones only."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipelines.contract.draft import sample as samples
from pipelines.contract.draft.outcome import ended_badly
from pipelines.contract.draft.sample import Place
from tests.unit.contract.test_draft import drafted, invoked, written

START = 1_795_281_723


def loans(count: int = 2_000) -> list[dict[str, Any]]:
    """Events of a library: loans, every fourth a return, every tenth of a shelf; no field is called an id."""
    draw = random.Random(7)
    events = []
    for i in range(count):
        kind = "shelf" if i % 10 == 0 else "return" if i % 4 == 0 else "loan"
        head = {"kind": kind, "at": START + i / 7, "ref": f"{draw.getrandbits(60):015x}", "fmt": 1}
        event: dict[str, Any] = {"msg": head}
        if kind == "shelf":
            event |= {"rack": {"node": draw.choice(["north", "south"]), "lux": draw.random()}}
        else:
            event |= {"desk": draw.choice(["hall", "kiosk", "van"])}
        if kind == "loan":
            end = draw.choices(["approved", "declined", "timed out"], [90, 8, 2])[0]
            event |= {"book": {"genre": draw.choice(["novel", "comic"]), "language": draw.choice(["de", "fr"])}}
            event |= {"result": end, "pages": draw.randrange(90, 900), "score": draw.random()}
        events.append(event)
    for event in (each for each in events[1::90] if "book" in each):
        del event["book"]["language"]
    for event in (each for each in events[7::60] if "score" in each):
        event["score"] = None
    return events


def broken(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of these events: one without a time, which is called otherwise there, and one with a text for a number."""
    loan = next(event for event in events if "pages" in event)
    renamed = {name: value for name, value in loan["msg"].items() if name != "at"} | {"when": loan["msg"]["at"]}
    return [
        {**loan, "msg": {**renamed, "ref": "0a"}},
        {**loan, "msg": {**loan["msg"], "ref": "0b"}, "pages": "x12"},
    ]


def test_a_text_that_only_some_types_have_is_a_dimension_with_a_default(tmp_path: Path) -> None:
    found = drafted(tmp_path, loans()).dimension_sources
    assert {name: (each.path, each.default) for name, each in found.items()} == {
        "desk": ("$.desk", "none"),
        "genre": ("$.book.genre", "none"),
        "language": ("$.book.language", "none"),
        "node": ("$.rack.node", "none"),
    }


def test_of_more_dimensions_than_can_be_read_those_of_most_events_stay(tmp_path: Path) -> None:
    draw = random.Random(1)
    events = [
        {**each, **({f"wide{n}": draw.choice("abc") for n in range(6)} if "rack" not in each else {})}
        for each in loans()
    ]
    for event in events:
        event.pop("desk", None)
    assert set(drafted(tmp_path, events).dimensions) == {f"wide{n}" for n in range(6)}


def test_what_a_few_events_of_every_type_have_is_no_dimension(tmp_path: Path) -> None:
    events = [{**each, **({"coupon": "ab"[i % 2]} if i % 3 == 0 else {})} for i, each in enumerate(loans())]
    assert "coupon" not in drafted(tmp_path, events).dimensions


def test_a_default_is_no_value_that_a_dimension_has(tmp_path: Path) -> None:
    events = [{**each, "desk": "none"} if each.get("desk") == "van" else each for each in loans()]
    assert drafted(tmp_path, events).dimension_sources["desk"].default == "(none)"


def test_without_a_dimension_it_is_said_what_none_is(tmp_path: Path) -> None:
    events = [{"at": START + i, "result": "approved" if i % 9 else "declined"} for i in range(600)]
    said = invoked(written(tmp_path, events), tmp_path).stdout
    assert "dimensions: none: no text but how something ended has 2 to 60 values" in said


def test_an_id_has_nearly_all_different_values_and_equal_ones_in_equal_events_only(tmp_path: Path) -> None:
    events = loans()
    contract = drafted(tmp_path, [*events, *events[::250]])
    assert contract.envelope.event_id.path == "$.msg.ref"


def test_what_is_equal_in_different_events_is_no_id(tmp_path: Path) -> None:
    events = loans()
    other = [
        {**events[i + 1], "msg": {**events[i + 1]["msg"], "ref": events[i]["msg"]["ref"]}} for i in range(0, 60, 2)
    ]
    done = invoked(written(tmp_path, [*events, *other]), tmp_path)
    assert "event id: none: no text or whole number in nearly all events is another one in each" in done.stdout


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"reading": 0, "orderNumber": 0}, "$.orderNumber"),
        ({"reading": 0, "uuid": 0}, "$.uuid"),
        ({"reading": 0}, "$.reading"),
        ({"amount": 0}, None),
        ({"sinceMs": 0}, None),
        ({"expires": START}, None),
    ],
)
def test_a_name_that_speaks_for_an_id_comes_first_and_no_amount_or_time_is_one(
    tmp_path: Path, fields: dict[str, int], path: str | None
) -> None:
    events = [{"at": START + i // 90, **{name: base + 3 * i for name, base in fields.items()}} for i in range(1_200)]
    assert drafted(tmp_path, events).envelope.event_id.path == path


def test_in_a_small_sample_only_a_name_makes_an_id(tmp_path: Path) -> None:
    events: list[dict[str, object]] = [{"at": START + i // 90, "reading": 3 * i} for i in range(300)]
    assert drafted(tmp_path, events).envelope.event_id.position


def test_how_something_ended_is_a_share_and_no_dimension(tmp_path: Path) -> None:
    contract = drafted(tmp_path, loans())
    rate = next(each for each in contract.metrics if each.kind == "ratio")
    assert rate.name == "loan_result_failure_rate"
    assert (rate.numerator, rate.denominator) == ("result IN ('declined', 'timed out')", "NOT result IS NULL")
    assert (rate.where, rate.direction) == ("event_type = 'loan'", "up")
    assert "result" not in contract.dimensions


@pytest.mark.parametrize(
    ("values", "badly"),
    [
        (("approved", "declined", "timeout"), ("declined", "timeout")),
        (("AUTHORISED", "DECLINED_BY_ISSUER", "PENDING"), ("DECLINED_BY_ISSUER",)),
        (("ok", "timed-out", "not failed"), ("timed-out",)),
        (("declined", "refused"), ()),
        (("ok", "completed"), ()),
        (("ok", "it's an error"), ()),
        (("failed", "not approved"), ()),
    ],
)
def test_values_say_badly_where_others_say_well(values: tuple[str, ...], badly: tuple[str, ...]) -> None:
    place = Place("$.result")
    for value in values:
        place.take(value)
    assert ended_badly(place) == badly


def schema_of(folder: Path, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "rides" / f"{kind}.v1.json").read_text())
    return found


def test_what_a_sound_event_lacks_is_not_required_and_null_is_allowed_where_it_was_seen(tmp_path: Path) -> None:
    drafted(tmp_path, loans())
    schema = schema_of(tmp_path, "loan")
    assert schema["properties"]["score"]["type"] == ["number", "null"]
    assert "score" not in schema["required"]
    assert schema["properties"]["book"]["required"] == ["genre"]
    assert schema["properties"]["pages"] == {"type": "integer", "minimum": 0}
    assert {"msg", "desk", "book", "result", "pages"} == {*schema["required"]}


def test_broken_events_make_no_field_optional_and_no_column(tmp_path: Path) -> None:
    events = loans()
    alone, together = tmp_path / "alone", tmp_path / "together"
    for folder, sample in ((alone, events), (together, [*events, *broken(events)])):
        folder.mkdir()
        drafted(folder, sample)
    assert schema_of(together, "loan") == schema_of(alone, "loan")
    assert "when" not in schema_of(together, "loan")["properties"]["msg"]["properties"]


def test_a_draft_refuses_broken_events_and_no_others(tmp_path: Path) -> None:
    events = loans()
    events[9]["book"] = None
    contract = drafted(tmp_path, [*events, *broken(events)])
    said = invoked(tmp_path / "events.ndjson.gz", tmp_path / "again").stdout
    assert "refused by this contract: 2 of these events" in said
    for event in events:
        schema = schema_of(tmp_path, event["msg"]["kind"])
        assert not [fault.message for fault in Draft202012Validator(schema).iter_errors(event)], event
        for name, source in contract.dimension_sources.items():
            assert source.default or samples.value_at(event, source.path or ""), name


def test_a_number_below_zero_behind_many_others_is_allowed(tmp_path: Path) -> None:
    events: list[dict[str, object]] = [{"at": START + i, "level": i} for i in range(5_500)]
    drafted(tmp_path, [*events, {"at": START, "level": -1}])
    assert schema_of(tmp_path, "event")["properties"]["level"] == {"type": "integer"}


def test_a_version_that_some_events_lack_is_the_first(tmp_path: Path) -> None:
    events = [{"at": START + i, "load": i % 7, **({"schema_version": 1} if i % 2 else {})} for i in range(500)]
    found = drafted(tmp_path, events).envelope.schema_version
    assert (found.path, found.default) == ("$.schema_version", 1)


def test_a_field_of_several_types_is_left_out_and_named(tmp_path: Path) -> None:
    events = [{**each, "tags": ["new"] if i % 50 == 0 else "new"} for i, each in enumerate(loans())]
    said = invoked(written(tmp_path, events), tmp_path).stdout
    assert "left out: $.tags, its values are of several types" in said
    assert "tags" not in schema_of(tmp_path, "loan")["properties"]
