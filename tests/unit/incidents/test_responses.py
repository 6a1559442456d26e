"""What people say of incidents: what stands of it, what it mutes from when to when, and that the state hears it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipelines import contract as contracts
from pipelines.detect import exempt
from pipelines.incidents import responses
from pipelines.incidents.responses import Response
from pipelines.platform.lake import Lake
from tests.simulated_lake import settings_of

AT = datetime(2026, 11, 23, 10, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
MUTE = Response(AT, "a", "mute", "Ada", "known", ("errors{place=*}",), since=AT, until=AT + 8 * HOUR)


def word(action: str, hours: float = 0, incident: str = "a") -> Response:
    return Response(AT + hours * HOUR, incident, action, "Ada", "why")


def test_the_last_word_stands_until_it_is_taken_back():
    said = [word("acknowledge"), word("false alarm", 1), word("note", 2)]
    assert responses.standing(said).words == "false alarm by Ada, acknowledged by Ada"
    assert responses.standing([*said, word("withdraw", 3)]).words == ""
    assert responses.standing([*said, word("withdraw", 3), word("acknowledge", 4)]).words == "acknowledged by Ada"


def test_false_alarms_are_counted_by_incident():
    said = [word("false alarm"), word("false alarm", 1), word("false alarm", 0, "b"), word("withdraw", 1, "b")]
    assert responses.false_alarms(said) == {"a"}


@pytest.mark.parametrize(
    ("later", "until"),
    [
        ([], 8),
        ([word("withdraw", 2)], 2),
        ([word("withdraw", 20)], 8),
        ([word("withdraw", 2, "b")], 8),
        ([replace(MUTE, at=AT + HOUR, since=AT + HOUR, until=AT + 2 * HOUR)], 1),
    ],
    ids=["its own end", "taken back", "taken back too late", "another incident's", "replaced by another"],
)
def test_a_mute_lasts_until_its_end_or_until_it_is_taken_back(later, until):
    first = responses.mutes([MUTE, *later])[0]
    assert (first.since, first.until) == (AT, AT + until * HOUR)


def test_the_detector_hears_a_mute_only_in_its_own_windows():
    heard = responses.heard(contracts.load("shop"), [MUTE]).sensitivity
    windows = np.array(
        ["2026-11-23T10:00", "2026-11-23T10:05", "2026-11-23T18:00", "2026-11-23T18:05"], "datetime64[s]"
    )
    names = ("errors", "errors{place=x}")
    assert exempt.muted(heard, "errors", names, windows).tolist() == [[False] * 4, [False, True, True, False]]


def test_a_contract_that_nobody_spoke_of_stays_itself():
    contract = contracts.load("shop")
    assert responses.heard(contract, [word("acknowledge")]) is contract


def test_what_is_kept_is_read_again_in_order(tmp_path):
    lake = Lake(settings_of(tmp_path))
    assert responses.read(lake, "shop") == []
    for each in (word("note", 1), MUTE):
        responses.keep(lake, "shop", each)
    assert responses.read(lake, "shop") == [MUTE, word("note", 1)]
