"""What becomes of an incident from tick to tick: provisional, confirmed, closed, retracted; and when a person is told.

| state | when |
|---|---|
| provisional | the window that opened it can still change by late data |
| confirmed | that window is final |
| closed | it is over, and so are its last windows; or its windows are no longer judged |
| retracted | later data took it back before it was confirmed, or it turned out to be part of another one |

A person is told once, and again only when it has become more severe; of a planned event and within quiet hours never,
and of one that comes back within a day no more severe than it was not again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from pipelines.contract import Sensitivity
from pipelines.incidents.record import Incident, Level, State, Told

# One that comes back within this time is the same story.
REPEAT = timedelta(days=1)


def state(*, opened: datetime, over: datetime | None, confirmed_until: datetime) -> State:
    """State of an incident that was just found.

    Args:
        opened: end of the window that opened it.
        over: end of the last window that belongs to it, those included that closed it; None while it is open.
        confirmed_until: windows that end by then no longer change.
    """
    if over is not None and over <= confirmed_until:
        return "closed"
    return "confirmed" if opened <= confirmed_until else "provisional"


def quiet(sensitivity: Sensitivity, opened: datetime, until: datetime, level: Level) -> tuple[str | None, bool]:
    """What quiet hours make of an incident, in words, and whether it is held back; times are UTC without zone.

    One that is opened in quiet hours is held back unless it is SEV1 or goes on after them.
    """
    end = sensitivity.quiet_until(opened.replace(tzinfo=UTC))
    if end is None:
        return None, False
    if level == "SEV1":
        return "opened in quiet hours, because it is SEV1", False
    words = f"quiet hours until {end:%Y-%m-%d %H:%M} UTC"
    if until.replace(tzinfo=UTC) <= end:
        return f"held back, {words}", True
    return f"held back at first, {words}; it went on after them", False


def carry_over(found: Sequence[Incident], stored: Iterable[Incident], since: datetime, now: datetime) -> list[Incident]:
    """Incidents as they are known from now on: those found, and stored ones that are no longer found.

    One that overlaps a stored one is that one, however its beginning is dated by now, and keeps its id.

    Args:
        found: of this tick, from `assemble`.
        stored: all that are known.
        since: start of the windows that were judged (UTC).
        now: end of the last one (UTC).
    """
    known = [each for each in stored if each.state != "retracted"]
    same = _same(found, known)
    out = [_continued(each, same[i]) if i in same else each for i, each in enumerate(found)]
    border, at = _naive(since), _naive(now)
    taken = {each.incident_id for each in out}
    for old in known:
        if old.incident_id not in taken:
            host = next((each for each in out if _overlap(each, old) and each.planned == old.planned), None)
            if (gone := _gone(old, host, border)) is not None:
                out.append(gone)
    return [_told(each, known, at) for each in out]


def _same(found: Sequence[Incident], known: Sequence[Incident]) -> dict[int, Incident]:
    """Which stored incident each found one is: the same cause first, then the same metric, then any that overlaps."""
    same: dict[int, Incident] = {}
    for alike in (_alike, _kin, lambda each, old: each.planned == old.planned, lambda *_: True):
        for i, each in enumerate(found):
            taken = {old.incident_id for old in same.values()}
            fits = [old for old in known if old.incident_id not in taken and _overlap(each, old) and alike(each, old)]
            if i not in same and fits:
                same[i] = min(fits, key=lambda old: (old.since, old.incident_id))
    return same


def _alike(one: Incident, other: Incident) -> bool:
    causes = [[line.elements for line in each.causes[:1]] for each in (one, other)]
    return _kin(one, other) and causes[0] == causes[1]


def _kin(one: Incident, other: Incident) -> bool:
    return (one.metric, one.direction, one.planned) == (other.metric, other.direction, other.planned)


def _overlap(one: Incident, other: Incident) -> bool:
    data = (one.metric == "data") == (other.metric == "data")
    return data and other.since < one.until and one.since < other.until


def _continued(new: Incident, old: Incident) -> Incident:
    """A found incident with what only its past knows; what was confirmed or told stays so."""
    confirmed = old.state in ("confirmed", "closed") and new.state == "provisional"
    return new.model_copy(
        update={
            "incident_id": old.incident_id,
            "state": "confirmed" if confirmed else new.state,
            "held_back": new.held_back and not old.told,
            "told": old.told,
            "repeat_of": old.repeat_of,
        }
    )


def _gone(old: Incident, host: Incident | None, border: datetime) -> Incident | None:
    """A stored incident that was not found again; None where nothing changes."""
    if host is not None:
        return old.model_copy(update={"state": "retracted", "open": False, "note": f"part of {host.incident_id}"})
    if old.since >= border and old.state == "provisional":
        note = "taken back: with later data its windows are ordinary"
        return old.model_copy(update={"state": "retracted", "open": False, "note": note})
    if old.open or old.state != "closed":
        return old.model_copy(update={"state": "closed", "open": False})
    return None


def _told(incident: Incident, known: Sequence[Incident], now: datetime) -> Incident:
    """The same with what a person is told of it by now."""
    if not incident.counts:
        return incident
    level = incident.severity.level
    if incident.told:
        if level >= min(each.level for each in incident.told):
            return incident
        return incident.model_copy(update={"told": (*incident.told, Told(at=now, level=level, why="more severe"))})
    before = [each for each in known if _repeats(incident, each) and level >= min(told.level for told in each.told)]
    if before:
        last = max(before, key=lambda each: (each.until, each.incident_id))
        return incident.model_copy(update={"repeat_of": last.incident_id})
    return incident.model_copy(update={"told": (Told(at=now, level=level, why="new"),), "repeat_of": None})


def _repeats(incident: Incident, earlier: Incident) -> bool:
    """Whether a person was told of the same story within the last day."""
    return (
        bool(earlier.told)
        and earlier.incident_id != incident.incident_id
        and (earlier.metric, earlier.direction) == (incident.metric, incident.direction)
        and [each.elements for each in earlier.causes[:1]] == [each.elements for each in incident.causes[:1]]
        and earlier.until <= incident.since <= earlier.until + REPEAT
    )


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
