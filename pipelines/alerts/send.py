"""Sending what is due. A message that the receiver did not take stays in the outbox and is tried again.

If the driver dies between the receiver's yes and its own note of it, the message goes out again, with the same id: one
that may be lost would be worse, and a receiver that keeps ids can drop the second.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipelines.alerts import message as messages
from pipelines.alerts import outbox
from pipelines.alerts.message import Message
from pipelines.alerts.outbox import Entry
from pipelines.contract import Contract
from pipelines.contract.alerting import Channel
from pipelines.errors import PulseIQError, UsageError
from pipelines.incidents import Incident
from pipelines.platform import notify
from pipelines.platform.lake import Lake
from pipelines.platform.logs import log_event
from pipelines.platform.settings import Settings

# What a tick may spend on receivers that do not answer; the rest waits for the next.
_A_ROUND = 20


def run(settings: Settings, lake: Lake, contract: Contract, incidents: Iterable[Incident], now: datetime) -> int:
    """Queue what is new, send what is due; returns how many messages went out.

    A receiver's failure is no failure of the caller: it is logged, kept with the message and tried again.
    """
    if not contract.alerting.channels:
        return 0
    known = outbox.entries(lake, contract)
    new = outbox.new_entries(contract, incidents, known, now)
    outbox.store(lake, contract, new)
    own = [each for each in (*known, *new) if each.message.kind not in messages.OF_THE_LOOP]
    return deliver(settings, lake, contract, own, now)


def deliver(settings: Settings, lake: Lake, contract: Contract, entries: Iterable[Entry], now: datetime) -> int:
    """Send the entries that are due at `now` (UTC), each noted before the next is sent; returns how many went out."""
    channels = {each.name: each for each in contract.alerting.channels}
    due = [each for each in entries if each.state == "due" and each.next_at <= now and each.channel in channels]
    sent = 0
    for entry in due[:_A_ROUND]:
        try:
            send(settings, contract, channels[entry.channel], entry.message, entry.message_id)
        except PulseIQError as error:
            log_event("alert not sent", product=contract.product, channel=entry.channel, error=str(error))
            outbox.store(lake, contract, [entry.failed(now, str(error))])
            continue
        outbox.store(lake, contract, [entry.sent(now)])
        sent += 1
    return sent


def send(settings: Settings, contract: Contract, channel: Channel, message: Message, identity: str) -> None:
    """Send one message through one channel; PulseIQError when the receiver did not take it."""
    if channel.to == "sns":
        attributes = {"product": message.product, "kind": message.kind, "level": message.level, "message_id": identity}
        notify.publish(settings, message.subject, message.text, attributes)
    else:
        notify.post(settings, channel.name, messages.body(message, channel.body, contract), identity)


def test_message(settings: Settings, contract: Contract, name: str, now: datetime) -> None:
    """Send a message that says that it is a test, past the outbox.

    Raises:
        UsageError: the contract has no such channel.
        PulseIQError: the receiver did not take it.
    """
    channels = {each.name: each for each in contract.alerting.channels}
    if name not in channels:
        known = ", ".join(channels) or "none; add one to `alerts` in metrics.yaml"
        raise UsageError(f"{contract.product} has no channel '{name}'", hint=f"one of: {known}")
    lines = (f"{contract.product}: this is a test of the channel '{name}'", "more    nothing to do")
    moment = now.isoformat(timespec="seconds")
    message = Message("test", contract.product, f"{contract.product}: test of '{name}'", lines, moment, level="SEV4")
    send(settings, contract, channels[name], message, messages.message_id(contract, name, message))
