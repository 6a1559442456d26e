"""An incident as a person reads it at night: the verdict first, then where, how bad, why, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipelines.incidents.record import CauseLine, Incident

_COLOURS = {"SEV1": "bold white on red", "SEV2": "bold red", "SEV3": "bold yellow", "SEV4": "bold cyan"}


def render(incident: Incident) -> RenderableType:
    """One incident on one screen."""
    head = Text.assemble(
        (f" {incident.severity.level} ", _COLOURS[incident.severity.level]),
        (f" {incident.verdict.upper()}", "bold"),
        f"  {incident.product}: {incident.headline}",
    )
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    state = "ongoing" if incident.open else "over"
    _add(rows, "incident", [f"{incident.incident_id}, {incident.state}", *_course(incident)])
    _add(rows, "where", [_cause(each) for each in incident.causes] or ["not localised to a segment"])
    _add(rows, "since", [f"{incident.since:%Y-%m-%d %H:%M} UTC to {incident.until:%H:%M}, {state}"])
    _add(rows, "severity", [f"{incident.severity.level}, score {incident.severity.score:.2f}"])
    for name, words in incident.severity.words.items():
        _add(rows, "", [f"{name} {incident.severity.inputs[name]:.2f}: {words}"])
    _add(rows, "data", incident.verdict_evidence)
    if incident.quality:
        _add(rows, "", [f"events of these windows: {', '.join(incident.quality)}"])
    if incident.verdict_evidence != incident.why:
        _add(rows, "why", incident.why)
    if incident.rate_mix:
        _add(rows, "split", [incident.rate_mix])
    if incident.also_moved:
        _add(rows, "also moved", [_shortened(incident.also_moved)])
    _add(rows, "next", incident.next_steps)
    return Group(head, rows, Text())


def table(incidents: Sequence[Incident]) -> RenderableType:
    """Incidents as a list: only what happened may take several lines; ids begin with the time of the start.

    A planned one is led by the name of its event.
    """
    rows = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "incident", "verdict", "state"):
        rows.add_column(name, no_wrap=True)
    rows.add_column("what")
    for each in incidents:
        rows.add_row(
            Text(each.severity.level, style=_COLOURS[each.severity.level]),
            each.incident_id,
            each.verdict,
            each.standing,
            escape(f"planned: {each.planned}: {each.headline}" if each.planned else each.headline),
        )
    return rows


def _add(rows: Table, name: str, lines: Sequence[str]) -> None:
    for i, line in enumerate(lines):
        rows.add_row(name if i == 0 else "", escape(line))


def _course(incident: Incident) -> list[str]:
    """What the user's words and the incident's past make of it."""
    lines = [f"planned: {incident.planned}"] if incident.planned else []
    lines += [each for each in (incident.quiet, incident.note) if each]
    if incident.repeat_of:
        lines.append(f"repeats {incident.repeat_of}, and is no more severe: nobody is told again")
    if incident.told:
        told = [f"as {each.level} ({each.why}) with the window to {each.at:%H:%M} UTC" for each in incident.told]
        lines.append(f"told {', '.join(told)}")
    return lines


def _cause(cause: CauseLine) -> str:
    doubt = "" if cause.confident else " (low confidence)"
    return f"{cause.words}{doubt}: {cause.share:.0%} of the change; {cause.consistency}"


def _shortened(lines: Sequence[str], most: int = 6) -> str:
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    return ", ".join(lines[:most]) + more
