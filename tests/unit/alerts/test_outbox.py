"""What is queued for whom: once for each time that a person is told, folded in a storm, listed once a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines import contract as contracts
from pipelines.alerts import outbox
from pipelines.alerts.outbox import Entry
from pipelines.contract import Contract
from pipelines.contract.alerting import Alerting
from pipelines.incidents import Incident
from pipelines.incidents.record import Told
from tests.unit.alerts.test_message import AT, incident

NOW = AT.replace(tzinfo=UTC) + timedelta(minutes=1)


def shop(**values: object) -> Contract:
    given = {"channels": [{"name": "on-call", "to": "sns"}], **values}
    return contracts.load("shop").model_copy(update={"alerting": Alerting.model_validate(given)})


def told(name: str = "i1", level: str = "SEV2", at: datetime = AT, why: str = "new") -> Incident:
    known = (Told(at=at, level=level, why=why),)
    return incident(name, level).model_copy(update={"told": known})


def new(
    contract: Contract, incidents: list[Incident], known: list[Entry] | None = None, now: datetime = NOW
) -> list[Entry]:
    return outbox.new_entries(contract, incidents, known or [], now)


def test_one_message_for_each_channel_and_none_when_the_tick_is_done_again() -> None:
    contract = shop(channels=[{"name": "on-call", "to": "sns"}, {"name": "team", "to": "webhook", "body": "slack"}])
    first = new(contract, [told()])
    assert sorted(each.channel for each in first) == ["on-call", "team"]
    assert len({each.message_id for each in first}) == 2
    assert new(contract, [told()], first, NOW + timedelta(minutes=5)) == []


def test_more_severe_is_another_message() -> None:
    first = new(shop(), [told()])
    worse = told(level="SEV1").model_copy(
        update={
            "told": (
                Told(at=AT, level="SEV2", why="new"),
                Told(at=AT + timedelta(minutes=5), level="SEV1", why="more severe"),
            )
        }
    )
    (second,) = new(shop(), [worse], first, NOW + timedelta(minutes=5))
    assert second.message.kind == "more severe"
    assert second.message.lines[0].startswith("SEV1 CHANGED BEHAVIOUR (more severe)")


def test_a_channel_hears_of_its_levels_only_and_of_nothing_older_than_a_day() -> None:
    contract = shop(channels=[{"name": "on-call", "to": "sns", "least": "SEV2"}])
    assert new(contract, [told(level="SEV3")]) == []
    assert new(contract, [told(at=AT - timedelta(days=2))]) == []
    assert len(new(contract, [told(level="SEV1")])) == 1


def test_what_was_not_told_or_was_taken_back_is_not_sent() -> None:
    assert new(shop(), [incident(), told().model_copy(update={"state": "retracted"})]) == []


def test_a_storm_is_one_message_that_says_so() -> None:
    contract = shop(at_most=3, within="1 hour")
    found = new(contract, [told(f"i{i}") for i in range(8)])
    states = [each.state for each in found if each.message.kind == "new"]
    assert (states.count("due"), states.count("folded")) == (3, 5)
    assert [each.message.kind for each in found if each.state == "due"].count("storm") == 1
    # The next minute of the storm adds no second word of it, an hour later messages go out again.
    more = new(contract, [told("j1")], found, NOW + timedelta(minutes=1))
    assert [each.state for each in more] == ["folded"]
    later = AT + timedelta(hours=2)
    assert [each.state for each in new(contract, [told("k1", at=later)], found, later.replace(tzinfo=UTC))] == ["due"]


def test_the_digest_lists_the_day_once() -> None:
    contract = shop(channels=[{"name": "mail", "to": "sns", "least": "SEV1", "digest": True}], digest_at="10:00")
    (digest,) = new(contract, [])
    assert digest.message.lines == ("shop: nothing abnormal within the day before 2026-11-23 10:00 UTC",)
    assert new(contract, [], [digest], NOW + timedelta(minutes=30)) == []
    (next_day,) = new(contract, [told(level="SEV1")], [digest], NOW + timedelta(days=1))
    assert next_day.message.kind == "digest"
    assert "1 incident within the day" in next_day.message.text


def test_a_refused_message_waits_twice_as_long_each_time_and_an_hour_at_most() -> None:
    (entry,) = new(shop(), [told()])
    waits = []
    for _ in range(12):
        entry = entry.failed(NOW, "no answer")
        waits.append((entry.next_at - NOW).total_seconds())
    assert waits[:3] == [10, 20, 40]
    assert max(waits) == waits[-1] == 3600
    assert entry.state == "due"
