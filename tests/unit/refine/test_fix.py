"""A declared fix changes what it says, in order, and leaves out what it cannot be applied to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import UsageError
from pipelines.refine import fix
from pipelines.refine.fix import Fix, UnfixableError


def fixed(event: Any, *steps: dict[str, Any], key: bytes | None = b"u-1", **more: Any) -> Any:
    wanted = Fix.model_validate({"why": "w", "reason": "missing_field", "steps": steps, **more})
    found = wanted.apply(key, json.dumps(event).encode())
    return found and (found[0], json.loads(found[1]))


@pytest.mark.parametrize(
    ("event", "step", "becomes"),
    [
        ({"latency": 7}, {"rename": {"$.latency": "$.latency_ms"}}, {"latency_ms": 7}),
        ({"a": {"b": 1}}, {"rename": {"$.a.b": "$.c.d"}}, {"a": {}, "c": {"d": 1}}),
        ({"n": "12"}, {"cast": {"$.n": "integer"}}, {"n": 12}),
        ({"n": "9007199254740993"}, {"cast": {"$.n": "integer"}}, {"n": 9007199254740993}),
        ({"n": "1.5"}, {"cast": {"$.n": "number"}}, {"n": 1.5}),
        ({"n": 5}, {"cast": {"$.n": "string"}}, {"n": "5"}),
        ({"n": "True"}, {"cast": {"$.n": "boolean"}}, {"n": True}),
        ({"n": None}, {"default": {"$.n": "EUR"}}, {"n": "EUR"}),
        ({}, {"default": {"$.a.n": 1}}, {"a": {"n": 1}}),
        ({"s": "complete"}, {"map": {"$.s": {"complete": "completed"}}}, {"s": "completed"}),
        ({"n": 46}, {"multiply": {"$.n": 100}}, {"n": 4600}),
        ({"a": {"n": 0.29}}, {"multiply": {"$.a.n": 100}}, {"a": {"n": 29}}),
        ({"n": 4600}, {"multiply": {"$.n": 0.01}}, {"n": 46}),
        ({"n": 1}, {"multiply": {"$.n": 0.1}}, {"n": 0.1}),
        ({"n": 1.1}, {"multiply": {"$.n": 1.1}}, {"n": 1.21}),
        ({"n": 9007199254740993}, {"multiply": {"$.n": 10**30}}, {"n": 9007199254740993 * 10**30}),
    ],
)
def test_each_step_does_what_it_says(event: Any, step: dict[str, Any], becomes: Any) -> None:
    assert fixed(event, step) == (b"u-1", becomes)


def test_a_whole_product_is_a_whole_number() -> None:
    assert isinstance(fixed({"n": 12.5}, {"multiply": {"$.n": 100}})[1]["n"], int)


def test_steps_are_taken_in_order() -> None:
    steps = [{"rename": {"$.l": "$.m"}}, {"cast": {"$.m": "number"}}, {"default": {"$.c": "EUR"}}]
    assert fixed({"l": "3"}, *steps)[1] == {"m": 3.0, "c": "EUR"}


def test_the_key_can_be_made_that_of_a_field() -> None:
    assert fixed({"u": "u-7"}, {"key": "$.u"}) == (b"u-7", {"u": "u-7"})


def test_an_event_of_another_kind_is_left_alone() -> None:
    step = {"default": {"$.c": 1}}
    assert fixed({"t": "a"}, step, where={"$.t": "b"}) is None
    assert fixed({"t": "b"}, step, where={"$.t": "b"})[1] == {"t": "b", "c": 1}


@pytest.mark.parametrize(
    ("value", "step", "why"),
    [
        (b"\xff", {"default": {"$.c": 1}}, "not JSON"),
        (b"[1]", {"default": {"$.c": 1}}, "not an object"),
        (b'{"n": "many"}', {"cast": {"$.n": "number"}}, "'many' is no number"),
        (b'{"n": 1.5}', {"cast": {"$.n": "integer"}}, "'1.5' is no integer"),
        (b'{"n": "nan"}', {"cast": {"$.n": "number"}}, "'nan' is no number"),
        (b'{"n": 1e999}', {"default": {"$.c": 1}}, "no word for"),
        (b'{"a": 1, "b": 2}', {"rename": {"$.a": "$.b"}}, "has a value already"),
        (b'{"a": 1}', {"default": {"$.a.b": 1}}, "'a' is no object"),
        (b'{"a": 1}', {"default": {"$.a": 1}}, "no step changes it"),
        (b'{"n": "46"}', {"multiply": {"$.n": 100}}, r"\$.n: '46' is no number"),
        (b'{"n": true}', {"multiply": {"$.n": 100}}, "'True' is no number"),
        (b'{"n": null}', {"multiply": {"$.n": 100}}, "no step changes it"),
    ],
)
def test_what_cannot_be_fixed_says_why(value: bytes, step: dict[str, Any], why: str) -> None:
    wanted = Fix.model_validate({"why": "w", "reason": "r", "steps": [step]})
    with pytest.raises(UnfixableError, match=why):
        wanted.apply(None, value)


def test_without_steps_the_very_bytes_go() -> None:
    value = b'{"a" :  1}'
    assert Fix(why="w", reason="rejected", steps=()).apply(b"k", value) == (b"k", value)


@given(event=st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, 0, 1, "1", "x"])))
def test_a_fixed_event_needs_no_second_fix(event: dict[str, Any]) -> None:
    steps = ({"rename": {"$.a": "$.d"}}, {"default": {"$.b": "x"}}, {"map": {"$.c": {"1": 2}}})
    wanted = Fix.model_validate({"why": "w", "reason": "r", "steps": steps})
    try:
        once = wanted.apply(None, json.dumps(event).encode())
    except UnfixableError:
        return
    assert once is not None
    with pytest.raises(UnfixableError, match="no step changes it"):
        wanted.apply(*once)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("why: w\nreason: r\n", "steps: Field required"),
        ("why: w\nreason: r\nsteps: [{rename: {a: $.b}}]", "String should match pattern"),
        ("why: w\nreason: r\nsteps: [{cast: {$.a: date}}]", "Input should be 'string', 'integer'"),
        ("why: w\nreason: r\nsteps: [{rename: {}, cast: {}}]", "a step is exactly one of rename, cast, default, map"),
        (
            "why: w\nreason: r\nsteps: [{drop: $.a}]",
            "steps.0: 'drop' is no step; steps are rename, cast, default, map, multiply, key",
        ),
        ("why: w\nreason: r\nsteps: [{multiply: {$.a: '100'}}]", r"steps.0.multiply.\$.a: '100' is no number"),
        ("why: w\nreason: r\nsteps: [{multiply: {$.a: .inf}}]", "inf is no number"),
        ("why: [", "not YAML"),
    ],
)
def test_a_wrong_fix_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "fix.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as refused:
        fix.read(file)
    assert str(file) in str(refused.value)
    assert "redrive-quarantined-events" in str(refused.value.hint)


@pytest.mark.parametrize("text", ["", "# to be written\n"])
def test_an_empty_fix_is_told_with_the_smallest_that_works(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fix.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match="is empty") as refused:
        fix.read(file)
    file.write_text(refused.value.what[refused.value.what.index("{") :])
    assert fix.read(file).steps == ()
