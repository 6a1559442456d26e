"""`pulseiq now` and `pulseiq incidents list`: what counts, what was set aside, and in which state everything is."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines import contract as contracts
from pipelines.cli.answers import ABNORMAL, NORMAL
from pipelines.cli.main import build
from pipelines.errors import UsageError
from pipelines.incidents import Incident, responses, store
from pipelines.incidents.record import SeverityLine

START = datetime(2026, 11, 23, 10, 0)


def incident(name: str, **values: object) -> Incident:
    given = {
        "incident_id": name, "product": "shop", "verdict": "changed behaviour", "verdict_evidence": (),
        "metric": "traffic", "title": f"Traffic of {name}", "direction": "down", "change": -0.5, "since": START,
        "until": START + timedelta(minutes=30), "open": True, "state": "confirmed", "candidates": (), "causes": (),
        "also_moved": (), "p_value": 1e-9, "why": (), "quality": (), "rate_mix": None, "next_steps": (),
        "severity": SeverityLine(level="SEV3", score=0.5, inputs={}, words={}), "detector_version": "1",
    }  # fmt: skip
    return Incident.model_validate({**given, **values})


PLANNED = incident("p", planned="sale [big]")
HELD_BACK = incident("h", held_back=True, quiet="held back, quiet hours until 2026-11-24 07:00 UTC")
RETRACTED = incident("r", state="retracted", open=False)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch):
    """Runs a command over given incidents, evaluated just now."""
    now = datetime.now(UTC)
    monkeypatch.setattr("pipelines.cli.answers._lake", lambda _: (None, contracts.load("shop")))
    monkeypatch.setattr(responses, "read", lambda *_: [])
    monkeypatch.setattr(store, "last_tick", lambda *_: store.Tick(now, now, now, True, 12, now))

    def run(found: list[Incident], *arguments: str):
        def stored(*_: object, retracted: bool = False) -> list[Incident]:
            return [each for each in found if retracted or each.state != "retracted"]

        monkeypatch.setattr(store, "incidents", stored)
        return CliRunner().invoke(build(), [*arguments], env={"COLUMNS": "120"})

    return run


def test_what_is_planned_or_held_back_is_shown_and_is_not_abnormal(answer) -> None:
    result = answer([PLANNED, HELD_BACK], "now", "shop")
    assert result.exit_code == NORMAL
    assert "normal, evaluated up to" in result.stdout
    assert "(planned: sale [big]; 1 held back in quiet hours)" in " ".join(result.stdout.split())
    assert "planned: sale [big]: Traffic of p" in " ".join(result.stdout.split())


def test_another_incident_beside_a_planned_one_is_abnormal(answer) -> None:
    result = answer([PLANNED, incident("x")], "now", "shop", "--output", "json")
    assert result.exit_code == ABNORMAL
    said = json.loads(result.stdout)
    assert said["state"] == "abnormal"
    assert {each["incident_id"]: each["planned"] for each in said["incidents"]} == {"p": "sale [big]", "x": None}


def test_the_list_is_whole_in_a_pipe_and_on_a_narrow_terminal(answer, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [incident("20261125-2255-b94f7f", title="Traffic" + " of a shop of a long name" * 9)]
    assert found[0].headline in answer(found, "incidents", "list", "shop").stdout.splitlines()[1]
    out = io.StringIO()
    narrow = Console(file=out, width=60, force_terminal=True, color_system=None)
    monkeypatch.setattr("pipelines.cli.tables.console", lambda: narrow)
    answer(found, "incidents", "list", "shop")
    assert out.getvalue().count("long") == 9
    heading, *lines = out.getvalue().splitlines()
    first, after = heading.index("incident"), heading.index("verdict")
    assert "".join(line[first:after].strip() for line in lines) == "20261125-2255-b94f7f"


def test_raw_events_are_said_to_be_more_than_the_metric_counts(answer, monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"event_time": START, "kafka_topic": "t", "kafka_partition": 0, "kafka_offset": 1}
    monkeypatch.setattr("pipelines.incidents.events.newest", lambda *_: [event])
    text = answer([incident("x", metric="conversion_rate")], "incidents", "show", "shop", "x", "--events", "1").stdout
    assert "the metric counts those where event_type = " in text


def test_the_list_shows_the_state_of_each_and_retracted_ones_when_asked(answer) -> None:
    found = [
        PLANNED,
        HELD_BACK,
        RETRACTED,
        incident("c", state="closed", open=False),
        incident("v", state="provisional"),
    ]
    text = answer(found, "incidents", "list", "shop").stdout
    assert all(word in text for word in ("planned", "held back", "closed", "provisional"))
    assert "retracted" not in text
    assert "retracted" in answer(found, "incidents", "list", "shop", "--all").stdout


@pytest.mark.parametrize(
    ("found", "said"),
    [([], "no incident of shop begins with 'x'"), (["x1", "x2"], "2 incidents of shop begin with 'x'")],
)
def test_an_id_that_is_not_that_of_one_incident_is_refused(answer, found: list[str], said: str) -> None:
    refused = answer([incident(name) for name in found], "incidents", "show", "shop", "x").exception
    assert isinstance(refused, UsageError)
    assert refused.what == said
