"""Incidents as people see them on a screen: in one line, or with every number, word and moment. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.api.model import Brief, Evidence, Full, Moment, NowAnswer, Said, Verdict
from pipelines.contract import Contract
from pipelines.detect.grid import series_name
from pipelines.detect.words import how_rare
from pipelines.incidents import responses
from pipelines.incidents.now import Now
from pipelines.incidents.record import Incident, Level
from pipelines.incidents.responses import Response
from pipelines.platform.lake import Lake

_MOST_EVIDENCE = 8
_LEVELS: tuple[Level, ...] = ("SEV1", "SEV2", "SEV3", "SEV4")
_SPOKEN = {
    "acknowledge": "acknowledged",
    "mute": "muted",
    "false alarm": "called a false alarm",
    "note": "noted",
    "withdraw": "withdrawn",
}


def now_answer(contract: Contract, found: Now, said: Sequence[Response]) -> NowAnswer:
    """The state with its incidents in short."""
    by = responses.of_incidents(said)
    counted = tuple(brief(each, by.get(each.incident_id, ())) for each in found.counted)
    aside = tuple(brief(each, by.get(each.incident_id, ())) for each in found.aside)
    return NowAnswer(
        product=contract.product,
        title=contract.title,
        state=found.state,
        verdict=_verdict(found),
        why=found.why,
        since=min((each.since for each in counted), default=None),
        evaluated_at=found.tick.tick_at if found.tick else None,
        data_until=found.tick.data_until if found.tick else None,
        caught_up=bool(found.tick and found.tick.caught_up),
        by_level={name: sum(each.level == name for each in counted) for name in _LEVELS},
        counted=counted,
        aside=aside,
    )


def brief(found: Incident, said: Sequence[Response]) -> Brief:
    """An incident in one line."""
    return Brief(**_brief(found, said))


def full(contract: Contract, found: Incident, said: Sequence[Response], evidence: Sequence[Mapping[str, Any]]) -> Full:
    """An incident with everything; `evidence` from `fired`."""
    return Full(
        **_brief(found, said),
        change=found.change,
        causes=found.causes,
        candidates=found.candidates,
        also_moved=found.also_moved,
        severity=found.severity,
        p_value=found.p_value,
        why=found.why,
        verdict_evidence=found.verdict_evidence,
        quality=found.quality,
        rate_mix=found.rate_mix,
        next_steps=found.next_steps,
        evidence=tuple(_evidence(row, int(contract.window.total_seconds())) for row in evidence),
        course=_course(contract, found, said),
        responses=tuple(
            Said(at=each.at, action=each.action, actor=each.actor, note=each.note, mutes=each.mutes, until=each.until)
            for each in said
        ),
        detector_version=found.detector_version,
    )


def fired(lake: Lake, found: Incident) -> list[dict[str, Any]]:
    """Of each series and test that fired in the incident's windows the strongest row of evidence, strongest first."""
    if not lake.exists(found.product, "evidence"):
        return []
    first, last = (pa.scalar(_utc(each), type=pa.timestamp("us", tz="UTC")) for each in (found.since, found.until))
    inside = (pc.field("window_start") >= first) & (pc.field("window_start") < last) & pc.field("fired")
    strongest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in lake.read(found.product, "evidence", filter=inside).to_pylist():
        key = (row["series"], row["test"])
        if key not in strongest or row["p_value"] < strongest[key]["p_value"]:
            strongest[key] = row
    order = sorted(strongest.values(), key=lambda row: (row["metric"] != found.metric, row["p_value"], row["series"]))
    return order[:_MOST_EVIDENCE]


def series_of(contract: Contract, found: Incident, elements: Mapping[str, str]) -> str:
    """Name of a segment's series of the incident's metric; a record has its dimensions in the order of their names."""
    return series_name(found.metric, {name: elements[name] for name in contract.dimensions if name in elements})


def mutes_of(contract: Contract, found: Incident, scope: str) -> tuple[str, ...]:
    """Patterns of what a mute of the incident silences: its whole metric, or its segment and what moved beside it."""
    if scope == "metric" or not found.causes or not found.causes[0].elements:
        return (found.metric,) if found.metric == "data" else (found.metric, f"{found.metric}{{*}}")
    moved = [each.rpartition(" ")[0] for each in found.also_moved if "{" in each]
    return tuple(dict.fromkeys([series_of(contract, found, found.causes[0].elements), *moved]))


def _verdict(found: Now) -> Verdict:
    if found.state != "abnormal":
        return found.state
    names = {each.verdict for each in found.counted}
    return names.pop() if len(names) == 1 else "both"


def _brief(found: Incident, said: Sequence[Response]) -> dict[str, Any]:
    stands = responses.standing(said)
    return {
        "incident_id": found.incident_id,
        "verdict": found.verdict,
        "level": found.severity.level,
        "headline": found.headline,
        "metric": found.metric,
        "title": found.title,
        "since": _utc(found.since),
        "until": _utc(found.until),
        "open": found.open,
        "state": found.state,
        "standing": "false alarm" if stands.false_alarm else found.standing,
        "counts": found.counts and stands.false_alarm is None,
        "acknowledged": stands.acknowledged is not None,
        "false_alarm": stands.false_alarm is not None,
        "said": stands.words,
    }


def _evidence(row: Mapping[str, Any], window_seconds: int) -> Evidence:
    names = ("series", "test", "value", "expected", "low", "high", "effect", "p_value", "limit", "words")
    return Evidence(
        **{name: row[name] for name in names},
        window=_utc(row["window_start"]),
        how_rare=how_rare(row["p_value"], window_seconds),
    )


def _course(contract: Contract, found: Incident, said: Sequence[Response]) -> tuple[Moment, ...]:
    """Everything that happened to the incident, in order of time."""
    out = [Moment(at=_utc(found.since), what="began", words="start of the first window that belongs to it")]
    if found.opened is not None:
        opened = _utc(found.opened)
        out.append(Moment(at=opened, what="opened", words="end of the first window in which a test fired"))
        final = opened + contract.allowed_lateness if contract.clock == "arrival" else opened
        if found.state in ("confirmed", "closed"):
            out.append(Moment(at=final, what="confirmed", words="from then on no late event changes that window"))
    out += [
        Moment(at=_utc(each.at), what="told", words=f"as {each.level}, {each.why}, with the window that ended then")
        for each in found.told
    ]
    if found.state == "retracted":
        out.append(Moment(at=_utc(found.until), what="retracted", words=found.note or "later data took it back"))
    elif not found.open:
        over = _utc(found.until)
        out.append(Moment(at=over, what="ended", words="end of its last window with notable evidence"))
    for each in said:
        until = f" until {each.until:%Y-%m-%d %H:%M} UTC" if each.until else ""
        what = f"{', '.join(each.mutes)}{until}" if each.mutes else ""
        words = "; ".join(filter(None, (f"by {each.actor}", what, each.note)))
        out.append(Moment(at=each.at, what=_SPOKEN[each.action], words=words))
    return tuple(sorted(out, key=lambda each: each.at))


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
