"""What people said of incidents: acknowledged, muted, false alarm, a note; with who, when and why.

Kept in the table `responses` of the lake, append-only: a later word takes back an earlier one, and nothing is lost. A
mute reaches the detector as one more entry of the contract's `mute`; see `heard`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

import pyarrow as pa

from pipelines.contract import Contract
from pipelines.contract.sensitivity import Mute
from pipelines.platform.lake import Lake

Action = Literal["acknowledge", "mute", "false alarm", "note", "withdraw"]
ACTIONS: tuple[Action, ...] = get_args(Action)
TABLE = "responses"

_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("response_id", pa.string()),
        ("at", _TIME),
        ("incident_id", pa.string()),
        ("action", pa.string()),
        ("actor", pa.string()),
        ("note", pa.string()),
        ("mutes", pa.list_(pa.string())),
        ("since", _TIME),
        ("until", _TIME),
    ]
)


@dataclass(frozen=True)
class Response:
    """One word of a person on an incident.

    `withdraw` takes back everything said of the incident before, notes excepted. Of a mute, `mutes` names the series
    (patterns as in the contract), `since` the first window that is silenced and `until` the first one that is not;
    without `until` it is for good.
    """

    at: datetime
    incident_id: str
    action: Action
    actor: str
    note: str = ""
    mutes: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Standing:
    """What stands of all that was said of one incident: who acknowledged, called it a false alarm, and muted it."""

    acknowledged: Response | None = None
    false_alarm: Response | None = None
    muted: Response | None = None

    @property
    def words(self) -> str:
        """What stands in a few words, empty where nothing does."""
        said = (("false alarm", self.false_alarm), ("muted", self.muted), ("acknowledged", self.acknowledged))
        return ", ".join(f"{name} by {each.actor}" for name, each in said if each)


def read(lake: Lake, product: str) -> list[Response]:
    """Everything that was said, oldest first."""
    rows = lake.read(product, TABLE)
    found = [_response(row) for row in rows.to_pylist()]
    return sorted(found, key=lambda each: each.at)


def keep(lake: Lake, product: str, said: Response) -> None:
    """Append one response."""
    name = uuid.uuid4().hex
    row = {
        "response_id": name,
        "at": said.at,
        "incident_id": said.incident_id,
        "action": said.action,
        "actor": said.actor,
        "note": said.note,
        "mutes": list(said.mutes),
        "since": said.since,
        "until": said.until,
    }
    lake.append(product, TABLE, pa.Table.from_pylist([row], schema=SCHEMA), f"response:{name}", 0)


def standing(said: Iterable[Response]) -> Standing:
    """What stands of one incident's responses, oldest first."""
    last: dict[str, Response] = {}
    for each in said:
        if each.action == "withdraw":
            last = {}
        else:
            last[each.action] = each
    return Standing(last.get("acknowledge"), last.get("false alarm"), last.get("mute"))


def of_incidents(said: Sequence[Response]) -> dict[str, list[Response]]:
    """Responses by incident."""
    out: dict[str, list[Response]] = {}
    for each in said:
        out.setdefault(each.incident_id, []).append(each)
    return out


def false_alarms(said: Sequence[Response]) -> frozenset[str]:
    """Ids of the incidents that a person calls a false alarm."""
    return frozenset(name for name, own in of_incidents(said).items() if standing(own).false_alarm)


def mutes(said: Sequence[Response]) -> list[Mute]:
    """Every mute as an entry of the contract; one that was taken back ends where that was said."""
    found = []
    for name, own in of_incidents(said).items():
        for i, each in enumerate(own):
            if each.action != "mute" or not each.mutes:
                continue
            # A later mute of the same incident replaces this one, so that a shorter one can be chosen.
            over = next((later for later in own[i + 1 :] if later.action in ("withdraw", "mute")), None)
            ends = [end for end in (each.until, over.since or over.at if over else None) if end is not None]
            why = f"{each.actor} on incident {name}" + (f": {each.note}" if each.note else "")
            found.append(Mute(series=each.mutes, since=each.since, until=min(ends) if ends else None, why=why))
    return found


def heard(contract: Contract, said: Sequence[Response]) -> Contract:
    """The contract with people's mutes beside its own."""
    more = mutes(said)
    if not more:
        return contract
    told = contract.sensitivity.model_copy(update={"mute": (*contract.sensitivity.mute, *more)})
    return contract.model_copy(update={"sensitivity": told})


def _response(row: dict[str, object]) -> Response:
    times = {name: _utc(row[name]) for name in ("at", "since", "until")}
    assert times["at"] is not None
    mutes_ = row["mutes"]
    return Response(
        at=times["at"],
        incident_id=str(row["incident_id"]),
        action=str(row["action"]),  # type: ignore[arg-type]
        actor=str(row["actor"]),
        note=str(row["note"] or ""),
        mutes=tuple(mutes_) if isinstance(mutes_, list) else (),
        since=times["since"],
        until=times["until"],
    )


def _utc(moment: object) -> datetime | None:
    return moment.astimezone(UTC) if isinstance(moment, datetime) else None
