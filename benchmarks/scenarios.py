"""The demo's answers for many seeds, without its services.

    python -m benchmarks.scenarios --seeds 10 --segments
    python -m benchmarks.scenarios --seeds 10 --scenario conversion-drop --set where.region=us-east

Draws the events that `pulseiq demo` would send, sums them up as gold does, learns the baseline, lets the gate judge the
recent stretch as one batch, and evaluates it with the code of the detect job. Each seed looks at another hour of
another day, as the demo is run at any time. Nothing is written.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

import numpy as np
import pandas as pd

from benchmarks.simulated_product import History, history_of, look, recent_of
from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.incidents import Incident
from pipelines.incidents.find import Findings
from pipelines.jobs.demo import EVENTS, HISTORY, PRODUCT, RECENT
from pipelines.simulate.labels import Label
from quality.gate import Gate

SCENARIOS = ("conversion-drop", "traffic-spike", "latency-regression", "regional-outage", "bad-release", "none")
# Other segments than the scenarios' own, as overrides, for `--segments`.
SEGMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "conversion-drop": (
        ("where.region=us-east", "where.device=android"),
        ("where.region=eu-central", "where.device="),
        ("where.region=", "where.device=web"),
    ),
    "traffic-spike": (
        ("where.region=eu-central", "where.device=ios"),
        ("where.region=", "where.device=android"),
        ("where.region=ap-south", "where.device="),
    ),
    "latency-regression": (
        ("where.app_version=5.2.0",),
        ("where.app_version=5.0.2",),
        ("where.app_version=", "where.region=us-east", "where.device=web"),
    ),
    "regional-outage": (
        ("where.region=eu-west",),
        ("where.region=ap-south",),
        ("where.region=", "where.device=android"),
    ),
}
# The demo detects so long after the end of its world.
_AFTER = timedelta(seconds=100)


@dataclass(frozen=True)
class Result:
    """One scenario judged: what was injected, what was found. `delay` in minutes to the end of the first window that
    fired; NaN when none did."""

    scenario: str
    seed: int
    label: Label | None
    gate: str
    incidents: tuple[Incident, ...]
    delay: float

    @property
    def own(self) -> list[Incident]:
        """Incidents that overlap the injected one."""
        if self.label is None:
            return []
        first, last = (each.astimezone(UTC).replace(tzinfo=None) for each in (self.label.start, self.label.end))
        return [each for each in self.incidents if each.since < last and first < each.until]

    @property
    def segment(self) -> str:
        """Where the incident was injected."""
        return ", ".join(f"{name}={value}" for name, value in self.label.cause.items()) if self.label else "-"

    @property
    def began(self) -> float:
        """Minutes from the injected start to the reported one, negative where too early; NaN when nothing was found."""
        if self.label is None or not self.own:
            return float("nan")
        start = self.label.start.astimezone(UTC).replace(tzinfo=None)
        return (min(each.since for each in self.own) - start) / timedelta(minutes=1)

    @property
    def false(self) -> int:
        """Incidents beyond the one that tells of the injected one."""
        return len(self.incidents) - min(len(self.own), 1)

    @property
    def named(self) -> str:
        """How the first overlapping incident's causes stand to the injected one: exactly, superset, wrong or none."""
        if self.label is None or not self.own or not any(each.causes for each in self.own):
            return "-" if self.label is None else "none"
        cause = dict(self.label.cause)
        found = [line.elements for each in self.own for line in each.causes]
        if all(each == cause for each in found):
            return "exactly"
        if cause in found:
            return "among others"
        return "superset" if any(each.items() <= cause.items() for each in found) else "wrong"

    @property
    def right(self) -> bool:
        """Whether a person reads the truth, and nothing else."""
        if self.label is None:
            return not self.incidents
        verdicts = {each.verdict for each in self.own}
        named = self.named == "exactly" or self.label.verdict == "bad data"
        return named and verdicts == {self.label.verdict} and not self.false


def judge(contract: Contract, gate: Gate, history: History, scenario: str, overrides: Sequence[str]) -> Result:
    """What the demo would say of a scenario after this history."""
    recent = recent_of(contract, gate, history, scenario, overrides, recent=RECENT, after=_AFTER)
    found = look(contract, history, recent)
    label = recent.labels[0] if recent.labels else None
    delay = _delay(found, label, contract)
    return Result(scenario, history.seed, label, recent.gate, tuple(found.incidents), delay)


def _delay(found: Findings, label: Label | None, contract: Contract) -> float:
    if label is None:
        return float("nan")
    start = pd.Timestamp(label.start).tz_convert(None)
    fired = found.evidence.loc[found.evidence["fired"], "window_start"]
    after = fired[fired + contract.window > start]
    return float((after.min() + contract.window - start) / timedelta(minutes=1)) if len(after) else float("nan")


def line(result: Result) -> str:
    """One row of the table."""
    found = "; ".join(f"{each.metric}: {each.where}" for each in result.incidents) or "nothing"
    verdicts = "; ".join(each.verdict for each in result.incidents) or "-"
    mark = "" if result.right else "  <-- wrong"
    return (
        f"{result.scenario:<19}{result.seed:>4}  {result.segment:<34}{result.named:<14}{verdicts:<19}"
        f"{result.delay:>5.0f}  {result.began:>+5.0f}  {result.false:>5}  {found}{mark}"
    )


def summary(found: Sequence[Result]) -> str:
    """The table of the scorecard: one row per scenario and segment, in the order of the first seed."""
    rows = [
        "| scenario | segment | seeds | found | right cause | right verdict | false incidents "
        "| median delay, min | start off by, min |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for scenario, segment in dict.fromkeys((each.scenario, each.segment) for each in found):
        own = [each for each in found if (each.scenario, each.segment) == (scenario, segment)]
        truth = own[0].label
        verdicts = sum({each.verdict for each in one.own} == {truth.verdict} for one in own) if truth else "-"
        cells = (
            scenario,
            segment,
            len(own),
            sum(bool(each.own) for each in own) if truth else "-",
            sum(each.named == "exactly" for each in own) if truth and truth.verdict != "bad data" else "-",
            verdicts,
            sum(each.false for each in own),
            _median(each.delay for each in own),
            _median(abs(each.began) for each in own),
        )
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def _median(minutes: Iterable[float]) -> str:
    known = [each for each in minutes if np.isfinite(each)]
    return f"{np.median(known):.0f}" if known else "-"


def results(args: argparse.Namespace) -> Iterator[Result]:
    """Seed by seed, so that a seed's history is drawn and learnt once."""
    contract = contracts.load(PRODUCT)
    more = SEGMENTS if args.segments else {}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        history = history_of(contract, seed, args.events, HISTORY, RECENT)
        for scenario in args.scenario or SCENARIOS:
            for overrides in [args.set if scenario != "none" else (), *more.get(scenario, ())]:
                yield judge(contract, Gate(contract), history, scenario, overrides)


def main() -> int:
    """0 when every answer is right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--scenario", nargs="+", choices=SCENARIOS)
    parser.add_argument("--set", nargs="+", default=[], metavar="path=value", help="as of `pulseiq demo`")
    parser.add_argument("--segments", action="store_true", help="other segments too, and a table of all")
    args = parser.parse_args()
    started = time.monotonic()
    print(
        f"{'scenario':<19}{'seed':>4}  {'injected in':<34}{'named':<14}{'verdict':<19}"
        f"{'delay':>5}  {'began':>5}  {'false':>5}  found"
    )
    found = []
    for result in results(args):
        found.append(result)
        print(line(result), flush=True)
    print(
        f"\n{sum(each.right for each in found)} of {len(found)} right, {sum(each.false for each in found)} false "
        f"incidents, median delay {_median(each.delay for each in found)} min, start off by a median of "
        f"{_median(abs(each.began) for each in found)} min; {args.events:,} events over {HISTORY.days} days, "
        f"in {time.monotonic() - started:.0f} s"
    )
    if args.segments:
        print(f"\n{summary(found)}")
    return 0 if all(each.right for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
