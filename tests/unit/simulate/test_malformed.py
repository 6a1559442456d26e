"""Every reason for which row rules reject an event has a kind of broken event, and nothing else is broken."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from pipelines.simulate import spec
from pipelines.simulate.malformed import KINDS, Breaker, Limits

from .conftest import END, SHOP

LIMITS = Limits(max_event_bytes=50_000)


@pytest.fixture(scope="module")
def wholes(make_world) -> list[tuple[bytes, bytes]]:
    faults = make_world().faults.model_copy(update={"malformed": 0.0, "duplicates": 0.0})
    batch = next(make_world(faults=faults).events(END - timedelta(minutes=5), END))
    return list(zip(batch.keys, batch.values, strict=True))[:150]


def broken(kind: str, wholes: list[tuple[bytes, bytes]]):
    breaker = Breaker(spec.load(SHOP).events, LIMITS)
    for i, (key, value) in enumerate(wholes):
        yield orjson.loads(value), key, *breaker.break_event(kind, key, value, np.random.default_rng(i))


def test_values_that_are_no_json(wholes):
    assert all(value is None for _, _, _, value in broken("null_value", wholes))
    assert all(value == b"" for _, _, _, value in broken("empty_value", wholes))
    for kind in ("not_json", "truncated_json"):
        for _, _, _, value in broken(kind, wholes):
            value.decode()
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(value)
    for _, _, _, value in broken("invalid_utf8", wholes):
        with pytest.raises(UnicodeDecodeError):
            value.decode()


def test_values_that_are_too_much(wholes):
    assert all(len(value) > 50_000 for _, _, _, value in broken("too_large", wholes))
    for _, _, _, value in broken("too_deep", wholes):
        assert value.count(b"{") > LIMITS.max_depth


def test_records_that_break_one_rule(wholes):
    for whole, _, _, value in broken("missing_field", wholes):
        assert len(whole.keys() - orjson.loads(value).keys()) == 1
    for kind in ("wrong_type", "out_of_range", "unknown_event_type", "unknown_version"):
        for whole, _, _, value in broken(kind, wholes):
            record = orjson.loads(value)
            assert len([name for name in whole if record[name] != whole[name]]) == 1
            assert record.keys() == whole.keys()
    for whole, _, _, value in broken("wrong_type", wholes):
        record = orjson.loads(value)
        (name,) = (name for name in whole if record[name] != whole[name])
        assert type(record[name]) is not type(whole[name])


def test_times_that_cannot_be(wholes):
    for whole, _, _, value in broken("future_event_time", wholes):
        ahead = datetime.fromisoformat(orjson.loads(value)["event_time"]) - datetime.fromisoformat(whole["event_time"])
        assert ahead > timedelta(days=29)
    for _, _, _, value in broken("before_product", wholes):
        assert datetime.fromisoformat(orjson.loads(value)["event_time"]) < datetime(2020, 1, 1, tzinfo=UTC)


def test_wrong_key_is_present_and_not_the_right_one(wholes):
    for _, key, other, _ in broken("wrong_key", wholes):
        assert other
        assert other != key


def test_faults_have_their_rates_and_all_kinds_occur(make_world):
    faults = make_world().faults.model_copy(update={"malformed": 0.02, "duplicates": 0.01, "late": 0.03})
    counts: Counter[str] = Counter()
    for batch in make_world(faults=faults, limits=LIMITS).events(END - timedelta(hours=12), END):
        counts.update(batch.counts)
    n = counts["events"]
    for name, rate in (("malformed", 0.02), ("duplicates", 0.01), ("late", 0.03)):
        assert counts[name] / n == pytest.approx(rate, rel=0.08), name
    kinds = {name.removeprefix("malformed."): k for name, k in counts.items() if name.startswith("malformed.")}
    assert set(kinds) == set(KINDS)
    assert sum(kinds.values()) == counts["malformed"]
    assert kinds["missing_field"] > kinds["empty_value"]
    assert n == sum(counts[f"type.{name}"] for name in ("user_action", "transaction", "system_metric"))


def test_late_events_are_later_than_allowed_and_others_are_not(make_world):
    limits = Limits(allowed_lateness=timedelta(minutes=10))
    faults = make_world().faults.model_copy(update={"malformed": 0.0, "duplicates": 0.0, "late": 0.05})
    late = counted = 0
    for batch in make_world(faults=faults, limits=limits).events(END - timedelta(hours=3), END):
        delay = batch.send_times - batch.event_times
        assert delay.min() >= 0
        assert not ((delay > 5_000) & (delay <= 600_000)).any()
        late += int((delay > 600_000).sum())
        counted += batch.counts["late"]
    assert late == counted > 500
