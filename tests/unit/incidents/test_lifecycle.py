"""From tick to tick: confirmed or retracted as late data arrive, closed when over, told once and again if worse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.contract import Sensitivity
from pipelines.contract.sensitivity import Hours
from pipelines.incidents import Incident, lifecycle
from pipelines.incidents.record import CauseLine, SeverityLine

START = datetime(2026, 11, 23, 10, 0)
STEP = timedelta(minutes=5)
BEFORE = START - timedelta(hours=5)


def incident(first: int = 0, last: int = 6, name: str = "", **values: object) -> Incident:
    """An open incident over windows [first, last), opened by its first one."""
    since = START + first * STEP
    level = values.pop("level", "SEV3")
    given = {
        "incident_id": name or f"new-{first}", "product": "shop", "verdict": "changed behaviour",
        "verdict_evidence": (), "metric": "traffic", "title": "Traffic", "direction": "down", "change": -0.5,
        "since": since, "until": START + last * STEP, "open": True, "state": "provisional", "candidates": (),
        "causes": (cause("ios"),), "also_moved": (), "p_value": 1e-9, "why": (), "quality": (), "rate_mix": None,
        "severity": SeverityLine(level=level, score=0.5, inputs={}, words={}), "next_steps": (),
        "detector_version": "1", "opened": since + STEP,
    }  # fmt: skip
    return Incident.model_validate({**given, **values})


def cause(device: str) -> CauseLine:
    return CauseLine(elements={"device": device}, actual=5, expected=9, share=1, consistency="", confident=True)


def step(found: list[Incident], stored: list[Incident], now: int = 6, since: datetime = BEFORE) -> list[Incident]:
    return lifecycle.carry_over(found, stored, since, START + now * STEP)


@pytest.mark.parametrize(
    ("over", "confirmed_until", "state"),
    [
        (None, START, "provisional"),
        (None, START + STEP, "confirmed"),
        (START + 9 * STEP, START + 8 * STEP, "confirmed"),
        (START + 9 * STEP, START + 9 * STEP, "closed"),
    ],
)
def test_states_follow_what_is_final(over: datetime | None, confirmed_until: datetime, state: str) -> None:
    assert lifecycle.state(opened=START + STEP, over=over, confirmed_until=confirmed_until) == state


def test_an_incident_keeps_its_id_and_what_was_told_however_it_is_dated() -> None:
    (first,) = step([incident(2, 5)], [])
    (second,) = step([incident(1, 8)], [first], now=8)
    assert second.incident_id == first.incident_id
    assert second.told == first.told
    assert second.since < first.since


def test_a_provisional_incident_that_later_data_explain_is_retracted_and_says_so() -> None:
    (gone,) = step([], [incident(name="a")])
    assert (gone.state, gone.open) == ("retracted", False)
    assert "later data" in str(gone.note)


@pytest.mark.parametrize("state", ["confirmed", "closed"])
def test_what_was_confirmed_is_never_retracted(state: str) -> None:
    out = step([], [incident(name="a", state=state, open=state == "confirmed")])
    assert [each.state for each in out] == ([] if state == "closed" else ["closed"])


def test_what_was_confirmed_stays_so_when_it_is_found_with_a_later_opening() -> None:
    (again,) = step([incident()], [incident(name="a", state="confirmed")])
    assert again.state == "confirmed"


def test_an_incident_from_before_the_judged_windows_is_closed() -> None:
    (old,) = step([], [incident(name="a")], since=START + 20 * STEP)
    assert (old.state, old.open) == ("closed", False)


def test_two_that_turn_out_to_be_one_become_parts_of_it() -> None:
    stored = [incident(0, 3, "a"), incident(5, 7, "b", causes=(cause("web"),))]
    one, part = step([incident(0, 7)], stored)
    assert one.incident_id == "a"
    assert (part.incident_id, part.state, part.note) == ("b", "retracted", "part of a")


def test_a_planned_story_and_another_one_of_the_same_time_keep_apart() -> None:
    stored = [incident(0, 6, "sale", planned="sale"), incident(1, 6, "fault")]
    found = [incident(0, 7, "x", planned="sale"), incident(0, 7, "y")]
    for order in (found, found[::-1]):
        ids = {each.planned: each.incident_id for each in step(order, stored)}
        assert ids == {"sale": "sale", None: "fault"}


def test_a_person_is_told_once_and_again_when_it_is_worse() -> None:
    (first,) = step([incident(level="SEV3")], [], now=2)
    (same,) = step([incident(level="SEV3")], [first], now=3)
    (worse,) = step([incident(level="SEV2")], [same], now=4)
    (milder,) = step([incident(level="SEV3")], [worse], now=5)
    assert same.told == first.told
    assert milder.told == worse.told
    assert [(each.level, each.why) for each in worse.told] == [("SEV3", "new"), ("SEV2", "more severe")]


@pytest.mark.parametrize(
    ("later", "values", "told"),
    [
        (20, {}, False),
        (20, {"level": "SEV2"}, True),
        (20, {"causes": (cause("web"),)}, True),
        (20, {"direction": "up"}, True),
        (20 + 24 * 12, {}, True),
    ],
)
def test_a_repetition_is_told_only_if_it_is_larger_other_or_long_after(
    later: int, values: dict[str, object], told: bool
) -> None:
    first = step([incident()], [])[0].model_copy(update={"state": "closed", "open": False, "incident_id": "a"})
    found = [each for each in step([incident(later, later + 6, **values)], [first]) if each.open]
    assert bool(found[0].told) == told
    assert found[0].repeat_of == (None if told else "a")
    assert found[0].counts


def test_nobody_is_told_of_what_is_planned_or_held_back() -> None:
    for values in ({"planned": "sale"}, {"held_back": True}):
        (found,) = step([incident(**values)], [])
        assert not found.told
        assert not found.counts
    (found,) = step([incident()], [incident(name="a", held_back=True)], now=9)
    assert found.told


def test_what_was_told_is_not_held_back_any_more() -> None:
    (told,) = step([incident(level="SEV1")], [])
    (milder,) = step([incident(level="SEV2", held_back=True)], [told])
    assert not milder.held_back


def test_a_second_look_at_the_same_changes_nothing() -> None:
    stored = [incident(0, 3, "a"), incident(5, 7, "b", state="confirmed"), incident(20, 24, "c")]
    found = [incident(0, 7), incident(20, 25, level="SEV1")]
    once = step(found, stored, now=25)
    kept = {each.incident_id: each for each in (*stored, *once)}
    again = {each.incident_id: each for each in step(found, list(kept.values()), now=25)}
    assert kept | again == kept


NIGHT = Sensitivity(quiet_hours=(Hours(start="09:00", end="12:00"),))


@pytest.mark.parametrize(
    ("opened", "until", "level", "words", "held_back"),
    [
        (8, 11, "SEV3", None, False),
        (10, 11, "SEV3", "held back, quiet hours until 2026-11-23 12:00 UTC", True),
        (10, 12, "SEV2", "held back, quiet hours until 2026-11-23 12:00 UTC", True),
        (10, 13, "SEV3", "held back at first, quiet hours until 2026-11-23 12:00 UTC; it went on after them", False),
        (10, 11, "SEV1", "opened in quiet hours, because it is SEV1", False),
    ],
)
def test_in_quiet_hours_only_the_worst_is_opened_and_the_rest_waits_for_their_end(
    opened: int, until: int, level: str, words: str | None, held_back: bool
) -> None:
    day = datetime(2026, 11, 23)
    found = lifecycle.quiet(NIGHT, day + timedelta(hours=opened), day + timedelta(hours=until), level)
    assert found == (words, held_back)


def test_times_with_a_zone_are_taken_for_what_they_are() -> None:
    aware = [BEFORE.replace(tzinfo=UTC), (START + 6 * STEP).replace(tzinfo=UTC)]
    assert lifecycle.carry_over([incident()], [], *aware) == step([incident()], [])
