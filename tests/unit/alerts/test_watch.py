"""Who is told that the detect loop itself is silent: everybody, once, and once more when it is heard again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.alerts import watch
from pipelines.alerts.outbox import Entry
from pipelines.incidents.store import Tick
from tests.unit.alerts.test_outbox import shop

LAST = datetime(2026, 11, 20, 12, tzinfo=UTC)
CHANNELS = [{"name": "on-call", "to": "sns", "least": "SEV1"}, {"name": "mail", "to": "sns", "digest": True}]


def tick(data_until: datetime | None = LAST, *, caught_up: bool = True) -> Tick:
    return Tick(tick_at=LAST, now=LAST, data_until=data_until, caught_up=caught_up, windows=3, baseline_until=LAST)


def told(last: Tick | None, after: timedelta, known: list[Entry] | None = None) -> list[Entry]:
    return watch.new_entries(shop(channels=CHANNELS), last, known or [], LAST + after)


def test_nobody_is_told_of_a_loop_that_turns_or_that_was_never_started() -> None:
    assert told(tick(), timedelta(minutes=9)) == []
    assert told(None, timedelta(days=9)) == []


def test_every_channel_is_told_of_a_silence_once() -> None:
    first = told(tick(), timedelta(minutes=11))
    assert {each.channel for each in first} == {"on-call", "mail"}
    assert "silent since 2026-11-20 12:00 UTC: the detect loop does not turn" in first[0].message.text
    assert told(tick(), timedelta(hours=5), first) == []


def test_a_loop_that_turns_but_does_not_catch_up_is_as_good_as_silent() -> None:
    behind = Tick(
        tick_at=LAST + timedelta(hours=1), now=LAST, data_until=LAST, caught_up=False, windows=0, baseline_until=LAST
    )
    (first, _) = told(behind, timedelta(hours=1))
    assert "the streams have not read all that Kafka holds" in first.message.text


def test_its_return_is_told_once_and_another_silence_anew() -> None:
    silent = told(tick(), timedelta(minutes=11))
    back = tick(LAST + timedelta(minutes=30))
    heard = told(back, timedelta(minutes=31), silent)
    assert [each.message.kind for each in heard] == ["heard", "heard"]
    assert told(back, timedelta(minutes=32), [*silent, *heard]) == []
    again = told(back, timedelta(hours=2), [*silent, *heard])
    assert [each.message.kind for each in again] == ["silent", "silent"]
