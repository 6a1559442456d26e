"""Raw events of a cause: its windows and segment only, newest first, and never more than text on the screen."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipelines.incidents import Incident, events
from pipelines.incidents.record import CauseLine, SeverityLine
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

START = datetime(2026, 11, 23, 10, 0)
EVIL = "\x1b[2Jgone [bold red]x[/bold red]\u202e\r"


@dataclass(frozen=True)
class OnDisk(Settings):
    """Settings whose lake is a folder."""

    def table_uri(self, product: str, table: str) -> str:
        return str(self.home / product / table)


def incident(*segments: dict[str, str]) -> Incident:
    causes = [
        CauseLine(elements=each, actual=1, expected=2, share=1, consistency="", confident=True) for each in segments
    ]
    return Incident.model_validate(
        {
            "incident_id": "a", "product": "shop", "verdict": "changed behaviour", "verdict_evidence": (),
            "metric": "traffic", "title": "Traffic", "direction": "down", "change": -0.5, "since": START,
            "until": START + timedelta(minutes=10), "open": True, "state": "confirmed", "candidates": (),
            "causes": causes, "also_moved": (), "p_value": 1e-9, "why": (), "quality": (), "rate_mix": None,
            "severity": SeverityLine(level="SEV3", score=0.5, inputs={}, words={}), "next_steps": (),
            "detector_version": "1",
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """An event every 30 seconds over 20 minutes around the incident, devices in turn."""
    home = Path(tmp_path_factory.mktemp("lake"))
    lake = Lake(OnDisk("local", home, "eu-central-1", None, "", "lake", "artifacts", "reports", ""))
    rows = [
        {
            "event_id": f"e{i}",
            "event_time": (START + timedelta(minutes=-5, seconds=30 * i)).replace(tzinfo=UTC),
            "device": ["ios", "web", None, "tv"][i % 4],
            "amount": float("nan") if i % 2 else 1.5,
            "user": EVIL,
            "kafka_topic": "t",
            "kafka_partition": 0,
            "kafka_offset": i,
        }
        for i in range(40)
    ]
    table = pa.Table.from_pylist(rows)
    at = table.schema.get_field_index("event_time")
    times = table["event_time"].cast(pa.timestamp("us", tz="UTC"))
    lake.replace("shop", "silver", table.set_column(at, "event_time", times), "true")
    return lake


def test_the_newest_events_of_the_segment_within_the_windows(lake: Lake) -> None:
    found = events.newest(lake, incident({"device": "web"}), 3)
    assert [each["event_id"] for each in found] == ["e29", "e25", "e21"]
    assert len(events.newest(lake, incident({"device": "web"}), 100)) == 5


def test_several_causes_an_empty_value_and_no_segment(lake: Lake) -> None:
    def devices(*segments: dict[str, str]) -> set[str | None]:
        return {each["device"] for each in events.newest(lake, incident(*segments), 100)}

    assert devices({"device": "web"}, {"device": "tv"}) == {"web", "tv"}
    assert devices({"device": ""}) == {None}
    assert devices({}) == devices() == {"ios", "web", None, "tv"}


def test_an_event_cannot_change_the_screen(lake: Lake) -> None:
    console = Console(width=200, record=True, file=io.StringIO(), force_terminal=False)
    console.print(events.render(events.newest(lake, incident({"device": "web"}), 1)))
    text = console.export_text()
    assert "user=\\x1b[2Jgone [bold red]x[/bold red]\\u202e\\r" in text
    assert "t[0]@29" in text


def test_events_for_programs_are_json(lake: Lake) -> None:
    found = events.as_json(events.newest(lake, incident({"device": "web"}), 1))
    (event,) = json.loads(json.dumps(found, allow_nan=False))
    assert (event["user"], event["amount"], event["event_time"]) == (EVIL, None, "2026-11-23T10:09:30+00:00")


def test_no_events_are_said_in_words() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(events.render([]))
    assert "no event" in console.export_text()


def test_that_events_are_not_judged_by_the_metrics_condition_is_said(lake: Lake) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    found = events.newest(lake, incident({"device": "web"}), 1)
    console.print(events.render(found, "event_type = 'a'\n  and [x] = 1"))
    assert "the metric counts those where event_type = 'a' and [x] = 1" in console.export_text().splitlines()[0]


@given(st.one_of(st.text(), st.binary()))
def test_nothing_but_printable_text_is_ever_shown(value: object) -> None:
    assert events.printable(value).isprintable()
