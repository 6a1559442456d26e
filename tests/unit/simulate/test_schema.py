"""Events keep to the product's own JSON Schemas, unless they were broken on purpose."""

from __future__ import annotations

from datetime import timedelta

import jsonschema
import orjson
import pytest

from pipelines.simulate import scenario as scenarios

from .conftest import END, SHOP

# Scenarios that leave out a field on purpose: the version that does, and the field, None where it is any required one.
INCOMPLETE = {"bad-release": ("5.3.0", "session_id"), "schema-break": ("5.1.0", None)}


@pytest.mark.parametrize("name", scenarios.names(SHOP))
def test_every_whole_event_is_valid(make_world, name):
    validators = {
        (event_type, int(version)): jsonschema.Draft202012Validator(orjson.loads(path.read_bytes()))
        for path in SHOP.glob("*.v*.json")
        for event_type, version in [path.stem.split(".v")]
    }
    world = make_world(name, faults=make_world().faults.model_copy(update={"malformed": 0.0}))
    seen, incomplete = set(), 0
    for batch in world.events(END - timedelta(minutes=25), END):
        for value in batch.values:
            record = orjson.loads(value)
            of = (record["event_type"], record["schema_version"])
            problems = list(validators[of].iter_errors(record))
            if name in INCOMPLETE and problems:
                version, field = INCOMPLETE[name]
                (problem,) = problems
                assert problem.validator == "required"
                assert field is None or problem.message == f"'{field}' is a required property"
                assert record.get("app_version", version) == version
                incomplete += 1
                continue
            assert not problems, (problems[0].message, record)
            seen.add(of)
    assert seen == set(validators)
    assert (incomplete > 0) == (name in INCOMPLETE)
