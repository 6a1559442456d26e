"""Stretches of event time: what they cover, and how they are cut."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipelines import contract as contracts
from pipelines.errors import UsageError
from pipelines.replay.recorded import Stretch, settled

DAY = timedelta(days=1)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_pieces_lie_end_to_end_and_the_last_one_is_cut():
    pieces = Stretch(NOON, NOON + 2.5 * DAY).pieces(DAY)
    assert [(each.start, each.end) for each in pieces] == [
        (NOON, NOON + DAY),
        (NOON + DAY, NOON + 2 * DAY),
        (NOON + 2 * DAY, NOON + 2.5 * DAY),
    ]


def test_pieces_need_both_ends():
    with pytest.raises(UsageError, match="a start and an end"):
        Stretch(NOON).pieces(DAY)


def test_a_bound_within_a_window_is_refused():
    contract = contracts.load("shop")
    with pytest.raises(UsageError, match=r"the end .* lies within a window"):
        Stretch(NOON, NOON + timedelta(minutes=7)).checked(contract)
    assert Stretch(NOON, NOON + contract.window).checked(contract) == Stretch(NOON, NOON + contract.window)


def test_an_end_before_the_start_is_refused():
    with pytest.raises(UsageError, match="nothing lies between"):
        Stretch(NOON, NOON - DAY).checked(contracts.load("shop"))


def test_an_open_end_has_no_condition():
    assert Stretch().condition("t") == "true"
    assert Stretch(NOON).condition("t") == "t >= TIMESTAMP '2026-11-20 12:00:00 UTC'"
    assert Stretch(None, NOON).condition("t") == "t < TIMESTAMP '2026-11-20 12:00:00 UTC'"


def test_rows_of_a_command_that_is_still_writing_are_not_settled():
    assert settled([]).endswith("query_id IN (''))")
    assert settled(["command:b", "command:a"]).endswith("IN ('command:a', 'command:b'))")
