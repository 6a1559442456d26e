"""Bad data or changed behaviour: what the pipeline itself knows of the same windows, judged before any metric.

A fact is a count per event-time window and class (silver, late, quarantine, duplicates, held). A share is unusual when
it is far above the share in the windows before, by a binomial test that allows for bursts, and large enough to matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from pipelines.incidents.record import VerdictName

# Least share of a window's events that matters, by class, and how many times the usual share it must be.
LEAST_SHARE = {"quarantine": 0.02, "duplicates": 0.05, "late": 0.10}
TIMES_USUAL = 4.0
P_VALUE = 1e-6
# Faults come in bursts: variance beyond the binomial, as the prior weight of a beta-binomial.
_CONCENTRATION = 200.0
_WORDS = {
    "quarantine": "were rejected by row rules",
    "duplicates": "were duplicates",
    "late": "arrived late",
}


@dataclass(frozen=True)
class Quality:
    """What is wrong with the data of some windows: the affected windows, events, and each finding in words.

    `headline` says the first finding in a few words, None where there is none.
    """

    windows: frozenset[pd.Timestamp]
    affected: int
    findings: tuple[str, ...]
    p_value: float
    headline: str | None = None

    @property
    def bad(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.findings)


def inspect(facts: pd.DataFrame, windows: Sequence[pd.Timestamp], results: pd.DataFrame) -> Quality:
    """What is wrong with the data of `windows`, beside the windows before the first of them.

    Args:
        facts: columns window_start, class, reason, n; several rows for a window add up.
        windows: the windows asked about.
        results: failed quality checks of the batches that hold them: columns check, observed, expected.
    """
    if not len(windows) or not len(facts):
        return Quality(frozenset(), 0, (), 1.0)
    inside = facts[facts["window_start"].isin(list(windows))]
    before = facts[facts["window_start"] < min(windows)]
    totals, usual = _totals(inside), _totals(before)
    arrived = sum(totals.get(name, 0) for name in ("silver", "held", "quarantine", "duplicates"))
    arrived_before = sum(usual.get(name, 0) for name in ("silver", "held", "quarantine", "duplicates"))
    findings: list[str] = []
    headlines: list[str] = []
    affected, p_value = 0, 1.0
    hit: set[pd.Timestamp] = set()
    held = totals.get("held", 0)
    if held:
        checks = "; ".join(f"{row.check} ({row.observed})" for row in results.itertuples()) or "see the held batch"
        findings.append(f"{held:,} of {arrived:,} events are held by the quality gate: {checks}")
        headlines.append(_held_headline(held / arrived, results))
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
            named = ", ".join(f"{reason} {count:,}" for reason, count in reasons.head(3).items() if reason)
            findings.append(
                f"{n:,} of {arrived:,} events ({n / arrived:.1%}, usually {usual_share:.2%}) {words}"
                + (f": {named}" if named else "")
            )
            headlines.append(f"{n / arrived:.0%} of the events {words}")
            affected += n
            p_value = min(p_value, p)
            hit |= set(inside.loc[inside["class"] == name, "window_start"])
    return Quality(frozenset(hit), affected, tuple(findings), p_value, headlines[0] if headlines else None)


def judge(quality: Quality, alert_windows: Sequence[pd.Timestamp], missing: float) -> VerdictName:
    """The verdict on windows in which metrics moved (or none did).

    Args:
        quality: findings on the same windows.
        alert_windows: windows with evidence of a moved metric.
        missing: by how many events a count fell short, 0 where none did; held and rejected events explain that many.

    Behaviour has changed as well when metrics moved in at least two windows without a finding and these are as many as
    the ones with, or when far more is missing than was held or rejected.
    """
    if not quality.bad:
        return "changed behaviour"
    outside = [window for window in alert_windows if window not in quality.windows]
    if len(outside) >= max(2, len(alert_windows) - len(outside)):
        return "both"
    if missing > 0 and missing > 3 * quality.affected:
        return "both"
    return "bad data"


def _held_headline(share: float, results: pd.DataFrame) -> str:
    checks = list(dict.fromkeys(results["check"])) if len(results) else []
    more = f" and {len(checks) - 1} more" if len(checks) > 1 else ""
    failed = f", failed check: {checks[0]}{more}" if checks else ""
    return f"{share:.0%} of the events held by the quality gate{failed}"


def _totals(facts: pd.DataFrame) -> dict[str, int]:
    return {str(name): int(n) for name, n in facts.groupby("class")["n"].sum().items()}
