"""What a person is told of an incident: what, where, since when, how sure, what to check, and a link. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from pipelines.contract import Contract
from pipelines.errors import ContractError
from pipelines.incidents import Incident

Kind = Literal["new", "more severe", "storm", "digest", "silent", "heard", "test"]
# What is said of the detect loop, by somebody else than the loop.
OF_THE_LOOP = ("silent", "heard")
_BODIES = Path(__file__).parent / "bodies"
_SUBJECT = 100  # what SNS allows


@dataclass(frozen=True)
class Message:
    """One message, the same for every channel; `lines` are its text, `fields` what machines read.

    `sent_for` is the moment that it is about (UTC, ISO 8601).
    """

    kind: Kind
    product: str
    subject: str
    lines: tuple[str, ...]
    sent_for: str
    level: str = ""
    incident_id: str = ""
    verdict: str = ""
    link: str = ""

    @property
    def text(self) -> str:
        """As plain text."""
        return "\n".join(self.lines)

    def to_json(self) -> str:
        """For the outbox."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Message:
        """Out of the outbox."""
        given: dict[str, Any] = json.loads(text)
        return cls(**{**given, "lines": tuple(given["lines"])})


def of_incident(incident: Incident, kind: Kind, told_at: datetime, link: str | None) -> Message:
    """The message of one incident.

    Args:
        incident: the record.
        kind: why it is told.
        told_at: end of the window at which it is (UTC).
        link: address with `{incident_id}` in it; None for none.
    """
    sure = "" if incident.p_value is None else f", by chance {_chance(incident.p_value)}"
    address = link.replace("{incident_id}", incident.incident_id) if link else ""
    again = "" if kind == "new" else f" ({kind})"
    until = "ongoing" if incident.open else f"until {incident.until:%H:%M}"
    lines = [
        f"{incident.severity.level} {incident.verdict.upper()}{again}: {incident.headline}",
        f"where   {incident.where}",
        f"since   {incident.since:%Y-%m-%d %H:%M} UTC, {until}",
        f"sure    {incident.state}{sure}",
        *(f"check   {step}" for step in incident.next_steps[:3]),
        f"more    {address or f'pulseiq incidents show {incident.product} {incident.incident_id}'}",
    ]
    return Message(
        kind=kind,
        product=incident.product,
        subject=_one_line(f"[{incident.severity.level}] {incident.product}: {incident.headline}"),
        lines=tuple(_one_line(each, 500) for each in lines),
        sent_for=told_at.isoformat(timespec="seconds"),
        level=incident.severity.level,
        incident_id=incident.incident_id,
        verdict=incident.verdict,
        link=address,
    )


def of_storm(product: str, moment: datetime, at_most: int, within_minutes: int) -> Message:
    """That more happens than is told one by one."""
    lines = (
        f"{product}: more than {at_most} messages within {within_minutes} minutes; the rest is not sent one by one",
        f"more    pulseiq incidents list {product}",
    )
    return Message(
        "storm", product, _one_line(f"{product}: many incidents"), lines, moment.isoformat(timespec="seconds")
    )


def of_silence(product: str, since: datetime, caught_up: bool) -> Message:
    """That nobody has judged the product since a moment (UTC)."""
    why = "the detect loop does not turn" if caught_up else "the streams have not read all that Kafka holds"
    lines = (
        f"{product}: PulseIQ itself is silent since {since:%Y-%m-%d %H:%M} UTC: {why}",
        "sure    nobody knows whether anything is abnormal now",
        f"check   does `pulseiq run live {product}` run, and what does its log say last?",
        "check   pulseiq status",
        f"more    pulseiq now {product}",
    )
    subject = _one_line(f"{product}: PulseIQ itself is silent since {since:%H:%M} UTC")
    return Message("silent", product, subject, lines, since.isoformat(timespec="seconds"))


def of_return(product: str, since: datetime, now: datetime) -> Message:
    """That the silence since a moment is over (UTC)."""
    lines = (
        f"{product}: PulseIQ is heard again at {now:%Y-%m-%d %H:%M} UTC, after its silence since {since:%H:%M}",
        f"more    pulseiq now {product}",
    )
    subject = _one_line(f"{product}: PulseIQ is heard again")
    return Message("heard", product, subject, lines, since.isoformat(timespec="seconds"))


def of_day(product: str, moment: datetime, incidents: Sequence[Incident]) -> Message:
    """The digest: what was open within the last day, the most severe first."""
    count = f"{len(incidents)} incident{'s' * (len(incidents) != 1)}" if incidents else "nothing abnormal"
    lines = [f"{product}: {count} within the day before {moment:%Y-%m-%d %H:%M} UTC"]
    for each in incidents:
        since = f"since {each.since:%m-%d %H:%M} ({each.incident_id})"
        lines.append(f"{each.severity.level} {each.standing}: {each.headline}, {since}")
    return Message(
        "digest", product, _one_line(f"{product}: {count}"), tuple(_one_line(each, 500) for each in lines),
        moment.isoformat(timespec="seconds"),
    )  # fmt: skip


def body(message: Message, template: str, contract: Contract) -> str:
    """A webhook's body by the template of that name: the contract's own, else one that comes with PulseIQ.

    Raises:
        ContractError: there is no such template, or it does not give JSON.
    """
    environment = Environment(
        loader=FileSystemLoader([contract.folder, _BODIES]),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  It writes JSON, and every value goes through `tojson`.
    )
    environment.filters["slack"] = _slack
    name = f"{template}.json.j2"
    try:
        text = environment.get_template(name).render(message=message)
        json.loads(text)
    except (TemplateError, ValueError) as error:
        raise ContractError(
            f"{contract.folder}: alerts: the body {name} cannot be made: {type(error).__name__}: {error}",
            hint="put it beside metrics.yaml, and write every value as {{ ... | tojson }}",
        ) from error
    return text


def message_id(contract: Contract, channel: str, message: Message) -> str:
    """The same message to the same channel has the same id, however often it is made."""
    parts = (contract.product, channel, message.kind, message.incident_id, message.sent_for)
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


def _slack(text: str) -> str:
    """Slack's own three characters; everything else is text to it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str, length: int = _SUBJECT) -> str:
    """Printable and on one line: the values of dimensions come from events."""
    clean = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return clean if len(clean) <= length else clean[: length - 3] + "..."


def _chance(p_value: float) -> str:
    return "less than 1 in a million" if p_value < 1e-6 else f"1 in {1 / p_value:,.0f}"
