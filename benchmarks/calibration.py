"""False alerts a week beside the rate that was asked for, on streams in which nothing happens.

    python -m benchmarks.calibration

A stream is a week of history and some weeks that are judged, a baseline learnt anew at the beginning of each from all
that was before. Every incident that is found is false, whatever it says. Seeds from 1001 on were never looked at while
the detector was made; every second one has noise that its models do not assume (`simulated_product.UNREST`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
from scipy import stats

from benchmarks import simulated_product
from benchmarks.goals import Goal, publish, table
from benchmarks.simulated_gold import Gold, accepted, sent
from benchmarks.simulated_product import FACTS_BEFORE, RESULTS, UNREST, facts_of
from pipelines.contract import Contract
from pipelines.detect import baseline
from pipelines.incidents.find import by_leaves, find, usual_of
from pipelines.simulate.run import world_of
from pipelines.simulate.spec import Unrest

HELD_OUT = range(1001, 1005)
ASKED = (0.5, 2.0, 8.0)
WITHIN = 1.5
WEEK = timedelta(days=7)
WEEKS = 3
EVENTS_A_DAY = 60_000
_FIRST = datetime(2026, 8, 3, tzinfo=UTC)
_STEP = timedelta(days=1, hours=5)


@dataclass(frozen=True)
class Week:
    """One judged week: so many alerts where `asked` were allowed, and which."""

    seed: int
    number: int
    asked: float
    alerts: int
    words: tuple[str, ...]


def stream(contract: Contract, seed: int, weeks: int) -> Iterator[Week]:
    """All weeks of a seed, at every rate that can be asked for."""
    start = _FIRST + seed * _STEP
    end = start + WEEK * (1 + weeks)
    unrest = UNREST if seed % 2 else Unrest()
    events = round(EVENTS_A_DAY * ((end - start) / timedelta(days=1)))
    world = world_of(contract, seed, "none", start=start, end=end, events=events, unrest=unrest)
    parts, counts = [], []
    for day in range(7 * (1 + weeks)):
        # Day by day, so that memory holds one day of events.
        drawn = sent(world, contract, start + timedelta(days=day), start + timedelta(days=day + 1))
        parts.append(Gold.of(accepted(drawn), contract))
        counts.append(facts_of(drawn, contract))
    gold, facts = Gold.sum(parts), pd.concat(counts, ignore_index=True)
    for week in range(weeks):
        border = start + WEEK * (1 + week)
        learnt = baseline.fit(gold.during(start, border).series(start, border, {}), contract, border)
        frame = gold.during(border, border + WEEK).series(border, border + WEEK, usual_of(learnt))
        first = _naive(border - FACTS_BEFORE)
        known = facts[(facts["window_start"] >= first) & (facts["window_start"] < _naive(border + WEEK))]
        for asked in ASKED:
            told = contract.sensitivity.model_copy(update={"false_alerts_per_week": asked})
            product = contract.model_copy(update={"sensitivity": told})
            none = pd.DataFrame(columns=RESULTS)
            found = find(product, frame, learnt, known, none, by_leaves(product, gold.leaves), border + WEEK).incidents
            words = tuple(f"{each.metric} in {each.where} at {each.since:%a %H:%M}" for each in found)
            yield Week(seed, week, asked, len(found), words)


def goals(weeks: Sequence[Week]) -> list[Goal]:
    """Figures beside their goals: how many times the rate that was asked for, or how many times less."""
    found = []
    for asked in ASKED:
        own = [each for each in weeks if each.asked == asked]
        n = sum(each.alerts for each in own)
        low, high = (stats.chi2.ppf(q, 2 * n + more) / 2 if n + more else 0.0 for q, more in ((0.05, 0), (0.95, 2)))
        found += [
            Goal(f"asked {asked:g} a week: alerts in {len(own)} weeks", n),
            Goal(f"asked {asked:g} a week: obtained a week", n / len(own)),
            Goal(f"asked {asked:g} a week: factor off", _factor(n / len(own), asked), WITHIN, at_most=True),
            Goal(f"asked {asked:g} a week: least that 90 % of such counts allow", low / len(own)),
            Goal(f"asked {asked:g} a week: most", high / len(own)),
        ]
    for name, odd in (("with unrest", 1), ("without unrest", 0)):
        own = [each for each in weeks if each.seed % 2 == odd]
        if own:
            share = sum(each.alerts for each in own) / sum(each.asked for each in own)
            found.append(Goal(f"{name}: obtained over asked, all rates", share))
    return found


def _factor(obtained: float, asked: float) -> float:
    return max(obtained / asked, asked / obtained) if obtained else float("inf")


def run(seeds: Iterable[int], weeks: int) -> Iterator[Week]:
    """Stream by stream."""
    contract = simulated_product.shop()
    for seed in seeds:
        for week in stream(contract, seed, weeks):
            print(f"seed {week.seed} week {week.number} asked {week.asked:g}: {week.alerts}  {'; '.join(week.words)}")
            sys.stdout.flush()
            yield week


def _naive(moment: datetime) -> pd.Timestamp:
    return pd.Timestamp(moment).tz_convert(None)


def main() -> int:
    """0 when every goal is met; seeds other than the held-out ones are printed and not published."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", help="others than the held-out ones, to look at")
    parser.add_argument("--weeks", type=int, default=WEEKS, help="judged of each stream")
    args = parser.parse_args()
    started = time.process_time()
    weeks = list(run(args.seeds or HELD_OUT, args.weeks))
    print(f"\n{len(weeks) // len(ASKED)} weeks in {time.process_time() - started:.0f} s of one core\n")
    if args.seeds or args.weeks != WEEKS:
        print(table(goals(weeks)))
        return 0
    command = f"python -m benchmarks.calibration (seeds {HELD_OUT[0]}-{HELD_OUT[-1]}, {WEEKS} weeks each)"
    rows = [{"seed": each.seed, "week": each.number, "asked": each.asked, "alerts": each.alerts} for each in weeks]
    return publish("calibration", command, goals(weeks), {"weeks": rows})


if __name__ == "__main__":
    sys.exit(main())
