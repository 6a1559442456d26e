"""Tells people when the detect loop itself falls silent, and when it is heard again.

The loop cannot tell of its own end, so whoever outlives it does: the dashboard looks once a minute. Its messages are
its own and the loop's are the loop's, so none goes out twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pipelines.alerts import message as messages
from pipelines.alerts import outbox, send
from pipelines.alerts.message import OF_THE_LOOP
from pipelines.alerts.outbox import Entry
from pipelines.contract import Contract
from pipelines.incidents import store
from pipelines.incidents.now import STALE
from pipelines.incidents.store import Tick
from pipelines.platform.lake import Lake
from pipelines.platform.lease import Lease
from pipelines.platform.settings import Settings


def run(settings: Settings, lake: Lake, contract: Contract, now: datetime) -> int:
    """Look once; returns how many messages went out.

    Raises:
        StateError: another one is looking at this moment.
        ServiceError: the lake does not answer.
    """
    # A log of the past has no loop that could be late.
    if not contract.alerting.channels or contract.clock != "arrival":
        return 0
    tick = store.last_tick(lake, contract.product)
    if not _to_do(contract, tick, outbox.entries(lake, contract), now):
        return 0
    with Lease(settings, f"{contract.product}-watch"):
        known = outbox.entries(lake, contract)
        new = new_entries(contract, tick, known, now)
        outbox.store(lake, contract, new)
        own = [each for each in (*known, *new) if each.message.kind in OF_THE_LOOP]
        return send.deliver(settings, lake, contract, own, now)


def new_entries(contract: Contract, tick: Tick | None, known: Sequence[Entry], now: datetime) -> list[Entry]:
    """What is to be told of the loop and is not in the outbox yet. Pure.

    Args:
        contract: whose channels; every one of them is told, whatever levels it hears of.
        tick: the loop's last one. A product that was never watched is not missed.
        known: the outbox so far.
        now: the wall clock (UTC).
    """
    if tick is None:
        return []
    last = tick.data_until or tick.tick_at
    found = []
    for channel in contract.alerting.channels:
        own = {each.message_id for each in known if each.channel == channel.name}
        told = [each.message for each in known if each.channel == channel.name and each.message.kind == "silent"]
        if now - last > STALE:
            message = messages.of_silence(contract.product, last, tick.caught_up)
        elif told:
            since = max(datetime.fromisoformat(each.sent_for) for each in told)
            message = messages.of_return(contract.product, since, now)
        else:
            continue
        identity = messages.message_id(contract, channel.name, message)
        if identity not in own:
            found.append(Entry(identity, channel.name, message, "due", now, now))
    return found


def _to_do(contract: Contract, tick: Tick | None, known: Sequence[Entry], now: datetime) -> bool:
    waiting = (each for each in known if each.message.kind in OF_THE_LOOP and each.state == "due")
    return any(each.next_at <= now for each in waiting) or bool(new_entries(contract, tick, known, now))
