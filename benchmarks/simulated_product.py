"""A simulated product without its services: its events drawn, summed up as gold, judged by gate, baseline and detector.

What refine would count of the same events is counted here. The detector is the one that runs; it is given what a lake
would give it, and never the labels. Each seed looks at another hour of another day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.simulated_gold import Gold, accepted, sent
from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.detect import baseline
from pipelines.incidents.find import Asked, Findings, by_leaves, find, usual_of
from pipelines.refine.facts import PARTITION, partition_name
from pipelines.simulate.labels import Label
from pipelines.simulate.partition import partitions_of
from pipelines.simulate.run import world_of
from pipelines.simulate.spec import Unrest
from pipelines.simulate.world import World

# Great Expectations takes seconds to import, and only what judges batches needs it.
if TYPE_CHECKING:
    from quality.gate import Gate
    from quality.verdict import Verdict

# The first seed looks back from here, each further one from so much later.
_FIRST = datetime(2026, 11, 16, tzinfo=UTC)
_STEP = timedelta(hours=17, minutes=7, seconds=30)
# Noise that no model of the detector assumes: all traffic wanders by a tenth, in leaps of heavy tails that fade slowly.
UNREST = Unrest(spread=0.1, memory_minutes=45)
PARTITIONS = 4
# Facts of this stretch before the recent one say what is usual, as in the detect job.
FACTS_BEFORE = timedelta(days=1)
RESULTS = ["window_start", "check", "observed", "expected", "owner", "judge"]


@dataclass(frozen=True)
class History:
    """What is known before the recent stretch: events, gold and baseline of one seed."""

    seed: int
    start: datetime
    until: datetime
    events: int
    unrest: Unrest | None
    facts: pd.DataFrame
    gold: Gold
    learnt: pd.DataFrame


@dataclass(frozen=True)
class Recent:
    """The stretch after a history, as the lake would have it: the truth, what the gate said, and all that is known.

    `gold` is that of the stretch alone, None where the gate holds it; `frame`, `facts` and `results` as `find` wants.
    """

    labels: tuple[Label, ...]
    end: datetime
    gate: str
    gold: Gold | None
    frame: pd.DataFrame
    facts: pd.DataFrame
    results: pd.DataFrame


def history_of(
    contract: Contract, seed: int, events: int, history: timedelta, recent: timedelta, unrest: Unrest | None = None
) -> History:
    """A seed's world without incident, as far as the baseline learns from it: all but the `recent` stretch."""
    until = _FIRST + seed * _STEP
    start, border = until - history, until - recent
    world = _world(contract, seed, "none", (), start, until, events, unrest)
    everything = sent(world, contract, start, border)
    gold = Gold.of(accepted(everything), contract)
    frame = gold.series(floor(start, contract), floor(border, contract), {})
    learnt = baseline.fit(frame, contract, floor(border, contract))
    return History(seed, start, until, events, unrest, facts_of(everything, contract), gold, learnt)


def recent_of(
    contract: Contract,
    gate: Gate,
    history: History,
    scenario: str,
    overrides: Sequence[str],
    *,
    recent: timedelta,
    after: timedelta,
) -> Recent:
    """The world with a scenario that ends with it, until so long `after` its end; the gate judges it as one batch."""
    world = _world(
        contract, history.seed, scenario, overrides, history.start, history.until, history.events, history.unrest
    )
    end = history.until + after
    events = sent(world, contract, history.until - recent, end)
    passed = accepted(events)
    verdict = gate.check(silver(passed), rows_total=len(passed), batch_time=end.replace(tzinfo=None))
    held = verdict.outcome == "hold"
    own = None if held else Gold.of(passed, contract)
    start, last = floor(history.until - recent, contract), floor(end, contract)
    # The window that history ends in has events of both.
    border = history.gold.during(start, last)
    return Recent(
        labels=world.labels(),
        end=end,
        gate=verdict.outcome,
        gold=own,
        frame=(border if own is None else Gold.sum([border, own])).series(start, last, usual_of(history.learnt)),
        facts=pd.concat([history.facts, facts_of(events, contract, held=held)], ignore_index=True),
        results=failed(verdict, sorted(passed["at"].unique())),
    )


def look(contract: Contract, history: History, recent: Recent) -> Findings:
    """What the detect job would say of it."""
    return find(
        contract,
        recent.frame,
        history.learnt,
        recent.facts[recent.facts["window_start"] >= recent.frame["window_start"].min() - FACTS_BEFORE],
        recent.results,
        by_leaves(contract, lambda asked: leaves_of(history, recent, asked)),
        recent.end - contract.allowed_lateness,
    )


def leaves_of(history: History, recent: Recent, asked: Asked) -> pd.DataFrame:
    """A metric's leaves, from history and the recent stretch together."""
    return history.gold.leaves(asked, *([] if recent.gold is None else [recent.gold]))


def shop() -> Contract:
    """The product that the scorecards look at."""
    return contracts.load("shop")


def _world(
    contract: Contract,
    seed: int,
    scenario: str,
    overrides: Sequence[str],
    start: datetime,
    until: datetime,
    events: int,
    unrest: Unrest | None,
) -> World:
    return world_of(contract, seed, scenario, overrides, start=start, end=until, events=events, unrest=unrest)


def silver(events: pd.DataFrame) -> pd.DataFrame:
    """What the gate reads of accepted events; row rules have seen to ids and versions, which the simulator numbers."""
    return events.assign(
        event_id=[f"event {i}" for i in range(len(events))],
        event_time=pd.to_datetime(events["event_ms"], unit="ms"),
        schema_version=1,
        **{name: events[name].astype(object) for name in events.select_dtypes("category")},
    )


def failed(verdict: Verdict, windows: Sequence[int]) -> pd.DataFrame:
    """The failed checks of a batch that has events of these windows (epoch seconds)."""
    return pd.DataFrame(
        [
            (pd.Timestamp(at, unit="s"), each.check, each.observed, each.expected, each.owner, "gate")
            for each in verdict.failed
            for at in windows
        ],
        columns=RESULTS,
    )


def facts_of(events: pd.DataFrame, contract: Contract, *, held: bool = False) -> pd.DataFrame:
    """Counts per window and class, as refine keeps them; what is broken counts where it happened."""
    names = np.select([events["second"], events["broken"]], ["duplicates", "quarantine"], "held" if held else "silver")
    first = events[~events["second"]]
    parts = [
        events.assign(**{"class": names}, reason=""),
        first[first["late"] & ~first["broken"]].assign(**{"class": "late"}, reason=""),
        first.assign(**{"class": PARTITION}, reason=_partitions(first, contract)),
    ]
    counts = [each.groupby(["at", "class", "reason"]).size().rename("n").reset_index() for each in parts]
    found = pd.concat(counts, ignore_index=True)
    return found.assign(window_start=pd.to_datetime(found["at"], unit="s")).drop(columns="at")


def _partitions(events: pd.DataFrame, contract: Contract) -> pd.Series[str]:
    """Which partition of the topic each event's key belongs to."""
    out = pd.Series("", index=events.index)
    for name, kind in contract.events.items():
        own = events.loc[events["event_type"] == name, kind.key]
        partition = partitions_of(pa.array(own.astype(str)), PARTITIONS)
        out[own.index] = [partition_name(contract.topic, each) for each in partition]
    return out


def floor(moment: datetime, contract: Contract) -> datetime:
    """Start of the window that a moment lies in."""
    return pd.Timestamp(moment).floor(contract.window).to_pydatetime()
