"""Events keep to the product's own JSON Schemas, unless they were broken on purpose."""

from __future__ import annotations

from datetime import timedelta

import jsonschema
import orjson
import pytest

from pipelines.simulate import scenario as scenarios

from .conftest import END, SHOP


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
            if name == "bad-release" and problems:
                assert record["app_version"] == "5.3.0"
                assert [p.message for p in problems] == ["'session_id' is a required property"]
                incomplete += 1
                continue
            assert not problems, (problems[0].message, record)
            seen.add(of)
    assert seen == set(validators)
    assert (incomplete > 0) == (name == "bad-release")
