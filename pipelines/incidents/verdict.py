"""Bad data or changed behaviour: what the pipeline itself knows of the same windows, judged before any metric.

A fact is a count per event-time window and class (silver, late, quarantine, duplicates, held), or per partition. A
share is unusual when it is far above the share in the windows before, by a binomial test that allows for bursts, and
large enough to matter; a partition is silent when it brings hardly anything beside the others (`silence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from pipelines.contract import Metric
from pipelines.detect.alerts import stayed_away
from pipelines.detect.grid import ADDITIVE_KINDS
from pipelines.incidents import silence
from pipelines.incidents.record import VerdictName
from pipelines.refine.facts import PARTITION

# Least share of a window's events that matters, by class, and how many times the usual share it must be.
LEAST_SHARE = {"quarantine": 0.02, "duplicates": 0.05, "late": 0.10}
TIMES_USUAL = 4.0
P_VALUE = 1e-6
# Faults come in bursts: variance beyond the binomial, as the prior weight of a beta-binomial.
_CONCENTRATION = 200.0
# What was seen in so many windows without a finding was there without the bad data.
ENOUGH_WINDOWS = 2
# A metric that falls by more than so many times the share of lost events fell for another reason as well.
_MOST_EXPLAINED = 3.0
_ARRIVED = ("silver", "held", "quarantine", "duplicates")
_WORDS = {
    "quarantine": "went to quarantine",
    "duplicates": "were duplicates",
    "late": "arrived late",
}


@dataclass(frozen=True)
class Quality:
    """What is wrong with the data of some windows: the affected windows, events, and each finding in words.

    `headline` says the first finding in a few words, None where there is none. `held` is whether the gate held events,
    `lost` the share of the events that are missing from the metrics, because they were rejected, came late, or were
    never sent by a partition that fell silent; `share` is that of all affected events, `silent` whether a partition is.
    """

    windows: frozenset[pd.Timestamp]
    affected: int
    findings: tuple[str, ...]
    p_value: float
    headline: str | None = None
    held: bool = False
    lost: float = 0.0
    share: float = 0.0
    silent: bool = False

    @property
    def bad(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.findings)


def inspect(facts: pd.DataFrame, windows: Sequence[pd.Timestamp], results: pd.DataFrame) -> Quality:
    """What is wrong with the data of `windows`, beside the windows before the first of them.

    Args:
        facts: columns window_start, class, reason, n; several rows for a window add up.
        windows: the windows asked about.
        results: failed quality checks of these windows: window_start, check, observed, expected, and judge: what the
            gate says tells why a batch is held, what an audit says is a finding of its own.
    """
    if not len(windows) or not len(facts):
        return Quality(frozenset(), 0, (), 1.0)
    inside = facts[facts["window_start"].isin(list(windows))]
    before = facts[facts["window_start"] < min(windows)]
    totals, usual = _totals(inside), _totals(before)
    arrived, arrived_before = (sum(each.get(name, 0) for name in _ARRIVED) for each in (totals, usual))
    findings: list[str] = []
    named: set[str] = set()
    headlines: list[str] = []
    affected, p_value = 0, 1.0
    hit: set[pd.Timestamp] = set()
    gate, audit = (results[results["judge"] == judge] for judge in ("gate", "audit"))
    held = totals.get("held", 0)
    if held:
        checks = _checks(gate) or "see the held batch"
        findings.append(f"{held:,} of {arrived:,} events are held by the quality gate: {checks}")
        headlines.append(_held_headline(held / arrived, gate))
        affected += held
        p_value = 0.0
        hit |= set(inside.loc[inside["class"] == "held", "window_start"])
    for name, words in _WORDS.items():
        n, usual_share = totals.get(name, 0), (usual.get(name, 0) + 1) / (arrived_before + 200)
        if not arrived or n / arrived < max(LEAST_SHARE[name], TIMES_USUAL * usual_share):
            continue
        alpha = _CONCENTRATION * usual_share
        p = float(stats.betabinom.sf(n - 1, arrived, alpha, _CONCENTRATION - alpha))
        if p <= P_VALUE:
            reasons = inside[inside["class"] == name].groupby("reason")["n"].sum().sort_values(ascending=False)
            most = ", ".join(f"{reason} {count:,}" for reason, count in reasons.head(3).items() if reason)
            findings.append(
                f"{n:,} of {arrived:,} events ({n / arrived:.1%}, usually {usual_share:.2%}) {words}"
                + (f": {most}" if most else "")
            )
            headlines.append(f"{n / arrived:.0%} of the events {words}")
            named.add(name)
            affected += n
            p_value = min(p_value, p)
            hit |= set(inside.loc[inside["class"] == name, "window_start"])
    lost = affected - held - (totals.get("duplicates", 0) if "duplicates" in named else 0)
    silent = silence.silences(facts, windows)
    for each in silent:
        findings.append(each.words)
        headlines.append(each.headline)
        absent = round(each.expected) - each.seen
        affected, lost, arrived = affected + absent, lost + absent, arrived + absent
        p_value = min(p_value, each.p_value)
        hit |= set(each.windows)
    if len(audit):
        p_value = 0.0
        findings.append(f"an audit found bad data: {_checks(audit)}")
        headlines.append(f"failed in an audit: {_names(audit)}")
        hit |= set(audit["window_start"])
    return Quality(
        windows=frozenset(hit),
        affected=affected,
        findings=tuple(findings),
        p_value=p_value,
        headline=headlines[0] if headlines else None,
        held=held > 0,
        lost=lost / max(arrived, 1),
        share=min(1.0, affected / max(arrived, 1)),
        silent=bool(silent),
    )


def suspects(facts: pd.DataFrame, windows: Sequence[pd.Timestamp]) -> list[pd.Timestamp]:
    """The windows that may be bad by themselves: all that `inspect` can find anything in, and few others."""
    if not len(facts) or not len(windows):
        return []
    own = facts[facts["window_start"].isin(list(windows))]
    parts = own["class"] == PARTITION
    counts = own[~parts].pivot_table(index="window_start", columns="class", values="n", aggfunc="sum", fill_value=0)
    arrived = counts.reindex(columns=list(_ARRIVED), fill_value=0).sum(axis=1)
    hit = pd.Series(False, index=counts.index)
    for name, least in {**LEAST_SHARE, "held": 0.0}.items():
        if name in counts:
            hit |= (counts[name] > 0) & (counts[name] >= least * arrived)
    found = set(counts.index[hit]) | silence.suspects(facts[facts["class"] == PARTITION], windows)
    return [window for window in windows if window in found]


def explains(quality: Quality, metric: Metric, direction: str, tests: Sequence[str] = ()) -> bool:
    """Whether the findings can have moved a metric in a direction, as these tests saw it.

    Events that are missing make counts and sums fall, and segments fall silent. They leave rates and latencies where
    they are, and so do duplicates, which are dropped. What the gate holds leaves nothing to judge a metric by.
    """
    fewer = metric.kind in ADDITIVE_KINDS or stayed_away(tests)
    return quality.held or (quality.lost > 0 and direction == "down" and fewer)


def judge(quality: Quality, alert_windows: Sequence[pd.Timestamp], missing: float, beyond: bool = False) -> VerdictName:
    """The verdict on windows in which metrics moved (or none did).

    Args:
        quality: findings on the same windows.
        alert_windows: windows with evidence of a moved metric.
        missing: by what share a count or sum fell short, 0 where none did; held and lost events explain that much.
        beyond: whether a metric moved that the findings do not explain, see `explains`, or had before any of them.

    Behaviour has changed as well when something is beyond the findings, when metrics moved in at least two windows
    without a finding and these are as many as the ones with, or when far more is missing than was held or lost.
    """
    if not quality.bad:
        return "changed behaviour"
    if beyond:
        return "both"
    outside = [window for window in alert_windows if window not in quality.windows]
    if len(outside) >= max(ENOUGH_WINDOWS, len(alert_windows) - len(outside)):
        return "both"
    if not quality.held and missing > _MOST_EXPLAINED * quality.lost:
        return "both"
    return "bad data"


def _held_headline(share: float, results: pd.DataFrame) -> str:
    failed = f", failed check: {_names(results)}" if len(results) else ""
    return f"{share:.0%} of the events held by the quality gate{failed}"


def _checks(results: pd.DataFrame) -> str:
    """Each check once, with what it saw."""
    return "; ".join(f"{row.check} ({row.observed})" for row in results.drop_duplicates("check").itertuples())


def _names(results: pd.DataFrame) -> str:
    checks = list(dict.fromkeys(results["check"]))
    return f"{checks[0]} and {len(checks) - 1} more" if len(checks) > 1 else str(checks[0])


def _totals(facts: pd.DataFrame) -> dict[str, int]:
    return {str(name): int(n) for name, n in facts.groupby("class")["n"].sum().items()}
