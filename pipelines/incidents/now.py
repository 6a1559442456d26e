"""The state now: abnormal, normal or unknown, and which incidents make it so. One answer for every view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pipelines.contract import Contract
from pipelines.contract.duration import ago
from pipelines.incidents import responses, store
from pipelines.incidents.record import Incident
from pipelines.incidents.responses import Response
from pipelines.incidents.store import Tick
from pipelines.platform.lake import Lake

State = Literal["normal", "abnormal", "unknown"]
# A tick older than this says nothing about now.
STALE = timedelta(minutes=10)


@dataclass(frozen=True)
class Now:
    """A product's state at a moment.

    `incidents` are those that are open, `counted` those of them that make the product abnormal; the rest is set aside:
    planned, held back, or called a false alarm by a person. `why` says the state in one sentence, without the product.
    """

    product: str
    state: State
    why: str
    tick: Tick | None
    incidents: tuple[Incident, ...]
    counted: tuple[Incident, ...]

    @property
    def aside(self) -> tuple[Incident, ...]:
        """What is open and does not make the product abnormal."""
        return tuple(each for each in self.incidents if each not in self.counted)


def ask(lake: Lake, contract: Contract, at: datetime) -> Now:
    """The state of a product at a moment (aware), from the lake."""
    name = contract.product
    found = [each for each in store.incidents(lake, name) if each.open]
    return judge(contract, store.last_tick(lake, name), found, responses.read(lake, name), at)


def judge(
    contract: Contract, tick: Tick | None, found: Sequence[Incident], said: Sequence[Response], at: datetime
) -> Now:
    """The state from the last tick, the open incidents and what people said of them."""
    refuted = responses.false_alarms(said)
    counted = tuple(each for each in found if each.counts and each.incident_id not in refuted)
    state, why = _state(contract, tick, bool(counted), at)
    aside = [each for each in found if each not in counted]
    return Now(contract.product, state, why + _set_aside(aside, refuted), tick, tuple(found), counted)


def _state(contract: Contract, tick: Tick | None, abnormal: bool, at: datetime) -> tuple[State, str]:
    """Normal is said only when it is known."""
    start = f"Start it with: pulseiq run live {contract.product}"
    if tick is None:
        return "unknown", f"unknown: detect has never run. {start}"
    until = f"{tick.data_until:%Y-%m-%d %H:%M} UTC" if tick.data_until else "no window"
    age = at - tick.tick_at
    seen = f"evaluated up to {until}, {ago(age)} ago"
    if abnormal:
        return "abnormal", f"abnormal, {seen}"
    if contract.clock == "arrival" and age > STALE:
        return "unknown", f"unknown: {seen}. {start}"
    if not tick.caught_up:
        return "unknown", f"unknown: no data since {until}; the streams have not read all that Kafka holds"
    if tick.baseline_until is None:
        return "unknown", f"unknown: no baseline, so nothing was judged. Next: pulseiq run baseline {contract.product}"
    return "normal", f"normal, {seen}"


def _set_aside(aside: Sequence[Incident], refuted: frozenset[str]) -> str:
    named = [each for each in aside if each.incident_id in refuted]
    rest = [each for each in aside if each not in named]
    planned = list(dict.fromkeys(each.planned for each in rest if each.planned))
    held_back = sum(each.held_back and not each.planned for each in rest)
    parts = [f"planned: {', '.join(planned)}"] if planned else []
    parts += [f"{held_back} held back in quiet hours"] if held_back else []
    parts += [f"{len(named)} called a false alarm"] if named else []
    return f" ({'; '.join(parts)})" if parts else ""
