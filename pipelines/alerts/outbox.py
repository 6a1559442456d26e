"""The outbox: every message is a row before it is sent, and stays one until it was.

A message's id follows from what it says of whom to whom, so a tick that is done again finds its rows already there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa

from pipelines.alerts import message as messages
from pipelines.alerts.message import Message
from pipelines.contract import Contract
from pipelines.contract.alerting import Channel
from pipelines.incidents import Incident
from pipelines.platform.lake import Lake

TABLE = "outbox"
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("message_id", pa.string()),
        ("channel", pa.string()),
        ("kind", pa.string()),
        ("incident_id", pa.string()),
        ("level", pa.string()),
        ("state", pa.string()),
        ("attempts", pa.int32()),
        ("created_at", _TIME),
        ("next_at", _TIME),
        ("sent_at", _TIME),
        ("error", pa.string()),
        ("message", pa.string()),
    ]
)
# A channel that was added today hears nothing of last week.
_NEWS = timedelta(days=1)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
_KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Entry:
    """One message to one channel.

    `due` is to be sent from `next_at` on, `sent` was taken by the receiver, `folded` is told by a storm's message and
    the digest only.
    """

    message_id: str
    channel: str
    message: Message
    state: Literal["due", "sent", "folded"]
    created_at: datetime
    next_at: datetime
    attempts: int = 0
    sent_at: datetime | None = None
    error: str | None = None

    def sent(self, now: datetime) -> Entry:
        """The same, taken by its receiver."""
        return replace(self, state="sent", sent_at=now, attempts=self.attempts + 1, error=None)

    def failed(self, now: datetime, why: str) -> Entry:
        """The same, to be tried again: after 10 s, 20 s, 40 s and so on, at least once an hour."""
        wait = min(_FIRST_WAIT * 2 ** min(self.attempts, 20), _LONGEST_WAIT)
        return replace(self, attempts=self.attempts + 1, next_at=now + wait, error=why[:500])


def entries(lake: Lake, contract: Contract) -> list[Entry]:
    """Everything in a product's outbox, oldest first."""
    rows = lake.read(contract.product, TABLE).to_pylist()
    found = [
        Entry(
            message_id=row["message_id"],
            channel=row["channel"],
            message=Message.from_json(row["message"]),
            state=row["state"],
            created_at=row["created_at"],
            next_at=row["next_at"],
            attempts=row["attempts"],
            sent_at=row["sent_at"],
            error=row["error"],
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.created_at, each.message_id))


def store(lake: Lake, contract: Contract, changed: Sequence[Entry]) -> None:
    """Put entries in the place of those with the same ids."""
    if not changed:
        return
    rows = [
        {
            "message_id": each.message_id,
            "channel": each.channel,
            "kind": each.message.kind,
            "incident_id": each.message.incident_id,
            "level": each.message.level,
            "state": each.state,
            "attempts": each.attempts,
            "created_at": each.created_at,
            "next_at": each.next_at,
            "sent_at": each.sent_at,
            "error": each.error,
            "message": each.message.to_json(),
        }
        for each in changed
    ]
    names = ", ".join(f"'{each.message_id}'" for each in changed)
    old = f"{datetime.now(UTC) - _KEPT:%Y-%m-%dT%H:%M:%SZ}"
    where = f"message_id IN ({names}) OR (state != 'due' AND created_at < '{old}')"
    lake.replace(contract.product, TABLE, pa.Table.from_pylist(rows, schema=SCHEMA), where)


def new_entries(
    contract: Contract, incidents: Iterable[Incident], known: Sequence[Entry], now: datetime
) -> list[Entry]:
    """What is to be told and is not in the outbox yet. Pure.

    Args:
        contract: whose channels and limits.
        incidents: as they are known now; their `told` says when a person is told.
        known: the outbox so far.
        now: the wall clock (UTC).
    """
    found: list[Entry] = []
    incidents = list(incidents)
    for channel in contract.alerting.channels:
        for message in _news(contract, channel, incidents, now):
            identity = messages.message_id(contract, channel.name, message)
            taken = [each for each in (*known, *found) if each.channel == channel.name]
            if any(each.message_id == identity for each in taken):
                continue
            entry = Entry(identity, channel.name, message, "due", now, now)
            if message.kind not in ("digest", "test") and _stormy(contract, taken, now):
                found.append(replace(entry, state="folded"))
                found += _storm(contract, channel, taken, now)
            else:
                found.append(entry)
    return found


def _news(contract: Contract, channel: Channel, incidents: Sequence[Incident], now: datetime) -> list[Message]:
    alerting = contract.alerting
    told = sorted(
        (told.at, incident.incident_id, told.why, incident)
        for incident in incidents
        for told in incident.told
        if told.at.replace(tzinfo=UTC) >= now - _NEWS and told.level <= channel.least and incident.state != "retracted"
    ) if incidents else []  # fmt: skip
    out = [
        messages.of_incident(incident, "new" if why == "new" else "more severe", at, alerting.link)
        for at, _, why, incident in told
    ]
    if channel.digest and (moment := _digest_due(alerting.digest_at, now)) is not None:
        day = [each for each in incidents if _within_day(each, moment) and each.severity.level <= channel.least]
        out.append(messages.of_day(contract.product, moment, day))
    return out


def _digest_due(minutes: int, now: datetime) -> datetime | None:
    """The last time of the digest, while it is less than three hours ago: what was asleep longer says nothing."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    moment = midnight + timedelta(minutes=minutes)
    moment = moment if moment <= now else moment - timedelta(days=1)
    return moment if now - moment < timedelta(hours=3) else None


def _within_day(incident: Incident, moment: datetime) -> bool:
    at = moment.replace(tzinfo=None)
    return incident.state != "retracted" and incident.since <= at and incident.until > at - timedelta(days=1)


def _stormy(contract: Contract, taken: Sequence[Entry], now: datetime) -> bool:
    alerting = contract.alerting
    recent = [
        each
        for each in taken
        if each.created_at > now - alerting.within
        and each.state != "folded"
        and each.message.kind in ("new", "more severe")
    ]
    return len(recent) >= alerting.at_most


def _storm(contract: Contract, channel: Channel, taken: Sequence[Entry], now: datetime) -> list[Entry]:
    """The one message that says so, at most one within the limit's time."""
    alerting = contract.alerting
    if any(each.message.kind == "storm" and each.created_at > now - alerting.within for each in taken):
        return []
    minutes = round(alerting.within / timedelta(minutes=1))
    message = messages.of_storm(contract.product, now, alerting.at_most, minutes)
    return [Entry(messages.message_id(contract, channel.name, message), channel.name, message, "due", now, now)]
