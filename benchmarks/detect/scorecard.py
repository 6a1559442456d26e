"""False alarms and delays of the detector on drawn worlds.

    python -m benchmarks.detect.scorecard --seeds 20

Every world has seven days of history and two hours to judge; incidents last 40 minutes and start in the eighth of the
24 judged windows. "false" counts worlds with an alert that does not overlap the incident (any alert where there is
none), "found" those with an alert during it, "delay" the windows from its start to the first alert, its own included.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.detect.world import Incident, World, draw
from pipelines import contract as contracts
from pipelines.detect import baseline, evaluate
from pipelines.detect.alerts import alerts

HISTORY = 7 * 288
JUDGED = 24
FIRST = 8
TIMES = {"day": "2026-11-16T15:00:00", "night": "2026-11-17T03:00:00"}
NOISES: dict[str, Mapping[str, float]] = {
    "poisson": {},
    "bursts": {"burst": 0.08, "leaf_noise": 0.15},
    "growth": {"growth_per_day": 0.04},
}
SCENARIOS: dict[str, tuple[Incident, ...]] = {
    "none": (),
    "traffic x2.5": (Incident("spike", {}, FIRST, rate=2.5),),
    "traffic x2.5 in a segment": (Incident("spike", {"region": "us-east", "device": "web"}, FIRST, rate=2.5),),
    "conversion .62 -> .25 in a segment": (
        Incident("conversion", {"region": "eu-west", "device": "ios"}, FIRST, conversion=0.25 / 0.62),
    ),
    "conversion .62 -> .07 in a segment": (
        Incident("conversion", {"region": "eu-west", "device": "ios"}, FIRST, conversion=0.12),
    ),
    "latency x2.5 in a version": (Incident("latency", {"app_version": "5.1.0"}, FIRST, latency=2.5),),
    "outage of a region": (Incident("outage", {"region": "us-west"}, FIRST, rate=0.06, errors=30, latency=5),),
}


@dataclass(frozen=True)
class Score:
    """One judged world."""

    noise: str
    time: str
    scenario: str
    seed: int
    false: int
    found: bool
    delay: float
    words: str


def judge(noise: str, time: str, seed: int) -> list[Score]:
    """All scenarios after one history."""
    contract = contracts.load("shop")
    settings = NOISES[noise]
    until = np.datetime64(TIMES[time]) + np.timedelta64(7, "D")
    world = World(seed=seed, start=until - np.timedelta64(HISTORY * 300, "s"), windows=HISTORY, **settings)  # type: ignore[arg-type]
    history = draw(world, contract)
    usual = {str(k): float(v) for k, v in history.groupby("series")["usual"].first().dropna().items()}
    learnt = baseline.fit(history, contract, pd.Timestamp(until).to_pydatetime())
    grown = world.events_per_day * (1 + world.growth_per_day) ** 7
    scores = []
    for number, (scenario, incidents) in enumerate(SCENARIOS.items()):
        recent = replace(
            world, seed=seed * 1000 + number, start=until, windows=JUDGED, incidents=incidents, events_per_day=grown
        )
        evidence = evaluate.evaluate(draw(recent, contract, usual), learnt, contract)
        found = alerts(evidence, contract)
        scores.append(_score(noise, time, scenario, seed, evidence, found, bool(incidents), until))
    return scores


def _score(
    noise: str, time: str, scenario: str, seed: int, evidence: pd.DataFrame, found: pd.DataFrame, incident: bool,
    until: np.datetime64,
) -> Score:  # fmt: skip
    begin = pd.Timestamp(until) + pd.Timedelta(minutes=5 * FIRST)
    during = evidence[evidence["fired"] & (evidence["window_start"] >= begin)]
    early = evidence[evidence["fired"] & (evidence["window_start"] < begin)]
    if not incident:
        return Score(noise, time, scenario, seed, len(found), False, np.nan, "; ".join(found["words"]))
    delay = (during["window_start"].min() - begin) / pd.Timedelta(minutes=5) + 1 if len(during) else np.nan
    within = bool(len(during) and delay <= 8)
    words = "; ".join(during.loc[during["window_start"] == during["window_start"].min(), "series"]) if within else ""
    return Score(noise, time, scenario, seed, int(len(early) > 0), within, delay if within else np.nan, words)


def table(scores: list[Score]) -> str:
    """The scores as lines."""
    frame = pd.DataFrame(scores)
    lines = [
        f"{'noise':8} {'time':6} {'scenario':36} {'worlds':>6} {'false':>6} {'found':>6} {'delay':>6} {'worst':>6}"
    ]
    for (noise, time, scenario), rows in frame.groupby(["noise", "time", "scenario"], sort=False):
        quiet = scenario == "none"
        found = "" if quiet else f"{rows['found'].mean():.0%}"
        delay = "" if quiet else f"{rows['delay'].median():.0f}"
        worst = "" if quiet else f"{rows['delay'].max():.0f}"
        false = int((rows["false"] > 0).sum())
        lines.append(f"{noise:8} {time:6} {scenario:36} {len(rows):6} {false:6} {found:>6} {delay:>6} {worst:>6}")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--noise", choices=[*NOISES, "all"], default="all")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--verbose", action="store_true", help="print every false alert")
    given = parser.parse_args()
    noises = list(NOISES) if given.noise == "all" else [given.noise]
    work = [
        (noise, time, seed)
        for noise in noises
        for time in TIMES
        for seed in range(given.first_seed, given.first_seed + given.seeds)
    ]
    with ProcessPoolExecutor(given.processes) as pool:
        scores = [score for part in pool.map(judge, *zip(*work, strict=True)) for score in part]
    if given.verbose:
        for score in scores:
            if score.false or (score.scenario == "none" and score.words):
                print(score, file=sys.stderr)
    print(table(scores))


if __name__ == "__main__":
    main()
