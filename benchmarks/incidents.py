"""The simulator's labelled incidents, alone and overlapping, at three strengths: what is found of them, and how.

    python -m benchmarks.incidents

Every scenario of the product's library, and pairs of them, after a history of five days that differs by seed. The
detector runs as it does in the detect job, with one setting, the contract's; seeds from 1001 on were never looked at
while it was made. Every second seed has noise that its models do not assume (`simulated_product.UNREST`).

| figure | what counts |
|---|---|
| found | a label is told of when an incident overlaps it that is about it: by its cause, or by its metric that moved |
|       | (of bad data: by its verdict) |
| false | an incident about no label, or one more about a label that has been told of |
| delay | windows from the one in which the incident began to the one that opened the alert, both included |
| cause | of changed behaviour: the set of causes of all incidents that tell of the story is the set of the labels' |
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import simulated_product
from benchmarks.goals import Goal, publish, table
from benchmarks.simulated_product import UNREST, History, Recent, floor, history_of, leaves_of, look, recent_of
from pipelines.contract import Contract
from pipelines.incidents import Incident
from pipelines.incidents.find import Asked
from pipelines.simulate import scenario as scenarios
from pipelines.simulate.labels import Label

HELD_OUT = range(1001, 1005)
STRENGTHS = ("weak", "medium", "strong")
# Stories of two incidents: of behaviour alone, up and down, in one metric and in two, and beside bad data.
PAIRS = (
    "conversion-drop+traffic-spike",
    "traffic-drop+traffic-spike",
    "latency-regression+conversion-drop",
    "broken-release+funnel-break",
    "revenue-fall+latency-tail",
    "bot-traffic+latency-regression",
    "conversion-drop+schema-break",
    "latency-regression+silent-partition",
    "broken-release+duplicate-storm",
)
PAIRS_A_SEED = 3
EVENTS = 600_000
HISTORY, RECENT = timedelta(days=5), timedelta(hours=3)
_AFTER = timedelta(seconds=100)
_STRONG = 5.0


@dataclass(frozen=True)
class Told:
    """One label and what a person learns of it. `sigma` is what a window of it stands out by, in standard deviations
    of counting; `delay` in windows, NaN when nobody is told."""

    scenario: str
    strength: str
    seed: int
    label: Label
    sigma: float
    delay: float
    incidents: tuple[Incident, ...]

    @property
    def found(self) -> bool:
        """Whether any incident is about it."""
        return bool(self.incidents)

    @property
    def behaviour(self) -> bool:
        """Whether it has a cause among the product's segments: what the shop did, not what the pipeline got."""
        return self.label.kind not in BAD_DATA

    @property
    def verdict(self) -> bool:
        """Whether all that tells of it says what it is."""
        return {each.verdict for each in self.incidents} == {self.label.verdict}

    @property
    def ranked(self) -> bool:
        """Whether its cause is among the first three that a person is shown."""
        cause = dict(self.label.cause)
        return any(
            cause in [line.elements for line in (*each.causes[:3], *each.candidates[:3])] for each in self.incidents
        )


@dataclass(frozen=True)
class Story:
    """One case: its labels, the incidents that were found, those of them that are false."""

    scenario: str
    strength: str
    seed: int
    told: tuple[Told, ...]
    incidents: tuple[Incident, ...]
    false: tuple[Incident, ...]

    @property
    def exact(self) -> bool:
        """Whether the causes that are named are those that there are."""
        truth = [dict(each.label.cause) for each in self.told if each.behaviour]
        named = {tuple(sorted(line.elements.items())) for each in self._telling for line in each.causes}
        return named == {tuple(sorted(each.items())) for each in truth}

    @property
    def apart(self) -> bool:
        """Whether each label has an incident of its own."""
        return len({each.incidents[0].incident_id for each in self.told if each.found}) == len(self.told)

    @property
    def _telling(self) -> list[Incident]:
        return [each for each in self.incidents if each not in self.false]


# Kinds of incidents whose own scenario says that the data is wrong.
BAD_DATA = frozenset({"bad-release", "schema-break", "duplicate-storm", "late-burst", "silent-partition"})


def cases(contract: Contract, seed: int) -> Iterator[tuple[str, str]]:
    """Scenario and strength of a seed's stories: every scenario alone, and some pairs, their strengths going round."""
    alone = [name for name in scenarios.names(Path(contract.folder)) if name != "none"]
    for i, name in enumerate(alone):
        yield name, STRENGTHS[(seed + i) % len(STRENGTHS)]
    for i in range(PAIRS_A_SEED):
        yield PAIRS[(seed * PAIRS_A_SEED + i) % len(PAIRS)], "medium"


def score(
    contract: Contract, history: History, recent: Recent, found: tuple[Incident, ...], scenario: str, strength: str
) -> Story:
    """What was found of a story beside its truth."""
    about = {label.id: [each for each in found if _about(each, label)] for label in recent.labels}
    telling: set[str] = set()
    told = []
    for label in recent.labels:
        # The one that says most of it: its cause, else the first.
        ranked = sorted(about[label.id], key=lambda each: (not _names(each, label), each.since, each.incident_id))
        own = [each for each in ranked if each.incident_id not in telling] or ranked
        telling |= {own[0].incident_id} if own else set()
        sigma = sigma_of(contract, history, recent, label)
        told.append(
            Told(scenario, strength, history.seed, label, sigma, _delay(own[:1], label, contract), tuple(own[:1]))
        )
    false = tuple(each for each in found if each.incident_id not in telling)
    return Story(scenario, strength, history.seed, tuple(told), found, false)


def _about(incident: Incident, label: Label) -> bool:
    first, last = (_naive(each) for each in (label.start, label.end))
    if incident.since >= last + timedelta(minutes=15) or incident.until <= first:
        return False
    if label.kind in BAD_DATA:
        return incident.verdict != "changed behaviour" or incident.metric in (label.metric, *label.also)
    moved = {incident.metric, *(each.split("{")[0].split(" ")[0] for each in incident.also_moved)}
    return _names(incident, label) or bool(moved & {label.metric, *label.also})


def _names(incident: Incident, label: Label) -> bool:
    if label.kind in BAD_DATA:
        return incident.verdict != "changed behaviour"
    return dict(label.cause) in [line.elements for line in incident.causes]


def _delay(incidents: Sequence[Incident], label: Label, contract: Contract) -> float:
    if not incidents:
        return float("nan")
    start = _naive(floor(label.start, contract))
    opened = [each.opened for each in incidents if each.opened is not None]
    return max(min((each - start) / contract.window for each in opened), 1.0) if opened else float("nan")


def sigma_of(contract: Contract, history: History, recent: Recent, label: Label) -> float:
    """How far a window of the labelled segment stands from its expectation, in standard deviations of counting.

    |a - e| / sqrt(e) for counts and sums (in events of the segment), |a - e| / sqrt(e (1 - e / n)) for shares, over the
    root of the number of windows; 0 where nothing of it reaches gold.
    """
    metric = next(each for each in contract.metrics if each.name == label.metric)
    windows = pd.date_range(floor(label.start, contract), label.end, freq=contract.window, inclusive="left")
    whole = history.learnt[history.learnt["series"] == metric.name]
    usual = float(whole["usual"].iloc[0]) if len(whole) else None
    starts = tuple(each.to_pydatetime() for each in windows)
    border = whole["until"].iloc[0].tz_localize("UTC").to_pydatetime()
    asked = Asked(metric, starts, (history.start, border), None, usual)
    leaves = leaves_of(history, recent, asked)
    for name, value in label.cause.items():
        leaves = leaves[leaves[name] == value] if name in leaves else leaves
    if metric.kind in ("ratio", "quantile"):
        n, past = float(leaves["denominator"].sum()), float(leaves["history_denominator"].sum())
        p = float(leaves["history_numerator"].sum()) / past if past else 0.0
        z = abs(float(leaves["numerator"].sum()) - n * p) / np.sqrt(max(n * p * (1 - p), 1e-9))
    else:
        a, e = float(leaves["actual"].sum()), float(leaves["expected"].sum())
        # A sum's own unit is not counted in; the mean amount is about the same everywhere.
        unit = _unit(history, metric.name) if metric.kind == "sum" else 1.0
        z = abs(a - e) / np.sqrt(max(e * unit, 1e-9))
    return float(z / np.sqrt(len(starts)))


def _unit(history: History, metric: str) -> float:
    cells = history.gold.cells[metric]
    return float(cells["sum"].sum() / max(cells["n"].sum(), 1))


def run(seeds: Iterable[int], only: Sequence[str] = (), verbose: bool = True) -> Iterator[Story]:
    """Seed by seed, so that a seed's history is drawn and learnt once."""
    # It takes seconds to import.
    from quality.gate import Gate

    contract = simulated_product.shop()
    for seed in seeds:
        history = history_of(contract, seed, EVENTS, HISTORY, RECENT, UNREST if seed % 2 else None)
        for scenario, strength in cases(contract, seed):
            if only and scenario not in only:
                continue
            recent = recent_of(
                contract, Gate(contract), history, scenario, (f"strength={strength}",), recent=RECENT, after=_AFTER
            )
            found = tuple(look(contract, history, recent).incidents)
            story = score(contract, history, recent, found, scenario, strength)
            if verbose:
                print(line(story), flush=True)
            yield story


def line(story: Story) -> str:
    """One row of the table."""
    told = "; ".join(
        f"{each.label.metric} {'found' if each.found else 'MISSED'} {each.delay:.0f} w, {each.sigma:.1f} sigma"
        + ("" if not each.found or each.verdict else f", VERDICT {each.incidents[0].verdict}")
        for each in story.told
    )
    behaviour = any(each.behaviour for each in story.told)
    cause = "-" if not behaviour else "exact" if story.exact else "OTHER"
    found = "; ".join(f"{each.metric} in {each.where} ({each.verdict})" for each in story.incidents) or "nothing"
    false = f", {len(story.false)} FALSE" if story.false else ""
    return f"{story.seed:>5} {story.scenario:<36}{story.strength:<7}{told}; cause {cause}{false}: {found}"


def goals(stories: Sequence[Story]) -> list[Goal]:
    """Figures beside their goals."""
    told = [each for story in stories for each in story.told]
    found = [each for each in told if each.found]
    behaviour = [story for story in stories if any(each.behaviour and each.found for each in story.told)]
    recall = len(found) / max(len(told), 1)
    right = sum(len(story.incidents) - len(story.false) for story in stories)
    precision = right / max(sum(len(story.incidents) for story in stories), 1)
    strong = [each.delay for each in told if each.sigma >= _STRONG]
    ranked = [each for each in found if each.behaviour]
    pairs = [story for story in stories if len(story.told) > 1]
    apart = [story for story in pairs if {each.label.verdict for each in story.told} == {"changed behaviour"}]
    return [
        Goal(f"incidents: {len(told)} in {len(stories)} stories; precision", precision),
        Goal("incidents: recall", recall),
        Goal("incidents: F1", 2 * precision * recall / max(precision + recall, 1e-9), 0.90),
        Goal(f"delay in windows, median of the {len(strong)} at 5 sigma and more", _median(strong), 2, at_most=True),
        Goal("verdict right, of those found", _share(each.verdict for each in found), 0.95),
        Goal("cause: exact set, of stories of behaviour found", _share(each.exact for each in behaviour), 0.85),
        Goal("cause: in the first three", _share(each.ranked for each in ranked), 0.95),
        Goal(f"overlapping: told apart, of {len(apart)}", _share(each.apart for each in apart)),
        Goal("weak alone: recall", _share(each.found for each in told if each.strength == "weak")),
        Goal("with unrest: recall", _share(each.found for each in told if each.seed % 2)),
        Goal("with unrest: false incidents a story", _mean(len(each.false) for each in stories if each.seed % 2)),
        Goal(
            "without unrest: false incidents a story", _mean(len(each.false) for each in stories if not each.seed % 2)
        ),
    ]


def _share(held: Iterable[bool]) -> float:
    return _mean(map(float, held))


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return float(np.mean(known)) if known else float("nan")


def _median(delays: Iterable[float]) -> float:
    """The median, one that was never told of counting as endless."""
    known = [each if np.isfinite(each) else np.inf for each in delays]
    return float(np.median(known)) if known else float("nan")


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def rows(stories: Iterable[Story]) -> list[dict[str, object]]:
    """The result's details, one a label."""
    return [
        {
            "seed": each.seed,
            "scenario": each.scenario,
            "strength": each.strength,
            "kind": each.label.kind,
            "sigma": round(each.sigma, 1),
            "delay": each.delay if np.isfinite(each.delay) else None,
            "verdict": each.incidents[0].verdict if each.found else None,
            "exact": story.exact if each.behaviour else None,
            "false": len(story.false),
        }
        for story in stories
        for each in story.told
    ]


def main() -> int:
    """0 when every goal is met; seeds other than the held-out ones are printed and not published."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", help="others than the held-out ones, to look at")
    parser.add_argument("--scenario", nargs="+", default=(), help="only these, to look at")
    args = parser.parse_args()
    started = time.process_time()
    looking = bool(args.seeds or args.scenario)
    stories = list(run(args.seeds or HELD_OUT, args.scenario))
    print(f"\n{len(stories)} stories in {time.process_time() - started:.0f} s of one core\n")
    if looking:
        print(table(goals(stories)))
        return 0
    command = f"python -m benchmarks.incidents (seeds {HELD_OUT[0]}-{HELD_OUT[-1]})"
    return publish("incidents", command, goals(stories), {"labels": rows(stories)})


if __name__ == "__main__":
    sys.exit(main())
