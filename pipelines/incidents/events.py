"""Raw events of an incident's cause, from silver and without a JVM: what a person compares before asking a team.

What producers sent is shown as data: control characters are written out, so that no event can change the screen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from operator import and_, or_
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType
from rich.text import Text

from pipelines.incidents.record import Incident
from pipelines.platform.lake import Lake

# Newest first, and among events of one time by their place in Kafka.
_ORDER = [(name, "descending") for name in ("event_time", "kafka_topic", "kafka_partition", "kafka_offset")]
# Of the pipeline, not of the event.
_OURS = ("batch_id", "query_id", "kafka_topic", "kafka_partition", "kafka_offset")
_LONGEST = 200


def newest(lake: Lake, incident: Incident, count: int) -> list[dict[str, Any]]:
    """The newest events of the incident's windows that have the dimension values of one of its causes.

    All events of the windows where no segment was found. Rows of silver, at most `count`, newest first.
    """
    if not lake.exists(incident.product, "silver"):
        return []
    where = _within(incident)
    times = lake.read(incident.product, "silver", [name for name, _ in _ORDER], where)
    if not times.num_rows:
        return []
    # Whole rows are read of the newest only: a window may hold millions.
    last = times.sort_by(_ORDER).slice(0, count)["event_time"][-1]
    rows = lake.read(incident.product, "silver", None, where & (pc.field("event_time") >= last))
    found: list[dict[str, Any]] = rows.sort_by(_ORDER).slice(0, count).to_pylist()
    return found


def as_json(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The events for programs: times as text, what is no number as null."""
    return [{name: _plain(value) for name, value in event.items()} for event in events]


def render(events: Sequence[Mapping[str, Any]], counts: str | None = None) -> RenderableType:
    """The events for people: when and where in Kafka, then every field that has a value.

    `counts` is the condition of the events that the metric counts: it is said, for `newest` does not judge by it.
    """
    lines = []
    if events and counts:
        said = " ".join(counts.split())
        lines.append(Text(f"all events of the segment; the metric counts those where {said}"))
    for event in events:
        place = f"{event['kafka_topic']}[{event['kafka_partition']}]@{event['kafka_offset']}"
        fields = [
            f"{name}={printable(value)}"
            for name, value in event.items()
            if value is not None and name not in (*_OURS, "event_time")
        ]
        # Text, and never markup: brackets in an event are the event's.
        lines.append(Text.assemble((f"{event['event_time']:%Y-%m-%d %H:%M:%S} UTC  {printable(place)}", "dim")))
        lines.append(Text("  " + "  ".join(fields)))
    return Group(*lines) if lines else Text("no event of these windows and segments is in silver")


def printable(value: object, longest: int = _LONGEST) -> str:
    """A value as text without anything that a terminal would obey, cut where it is longer."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)
    return shown if len(shown) <= longest else f"{shown[:longest]}... ({len(text):,} characters)"


def _within(incident: Incident) -> pc.Expression:
    start, end = (
        pa.scalar(each.replace(tzinfo=UTC), type=pa.timestamp("us", tz="UTC"))
        for each in (incident.since, incident.until)
    )
    inside = (pc.field("event_time") >= start) & (pc.field("event_time") < end)
    segments = [
        reduce(and_, [_is(name, value) for name, value in cause.elements.items()])
        for cause in incident.causes
        if cause.elements
    ]
    # A cause without elements means everywhere.
    everywhere = not segments or len(segments) < len(incident.causes)
    return inside if everywhere else inside & reduce(or_, segments)


def _is(name: str, value: str) -> pc.Expression:
    """Where a dimension has a value; one that is missing counts as empty."""
    here = pc.field(name) == value
    return here if value else here | pc.field(name).is_null()


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else printable(value)
