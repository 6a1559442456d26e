"""What a record says in words: why it alerted, what else moved, how the data stands, what to look at next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pipelines.explain import Explanation
from pipelines.incidents.record import CauseLine, VerdictName
from pipelines.incidents.verdict import Quality

_WHY_LINES = 6
_CLASSES = ("silver", "held", "quarantine", "duplicates", "late")


def why(lead: Any, group: pd.DataFrame) -> tuple[str, ...]:
    """The alerts in words, the leading one first; series that fell silent are counted in one line."""
    others = group[group["series"] != lead["series"]].sort_values(["p_value", "series"])
    silent = _silent(others)
    lines = list(dict.fromkeys([str(lead["words"]), *others.loc[~silent, "words"].astype(str)]))[:_WHY_LINES]
    return (
        (*lines, f"no events in {_series(silent.sum())} that had some at such times") if silent.any() else tuple(lines)
    )


def also_moved(lead: Any, group: pd.DataFrame) -> tuple[str, ...]:
    """The other alerts' series and directions; those that fell silent are counted."""
    others = group[group["series"] != lead["series"]]
    silent = _silent(others)
    moved = list(dict.fromkeys(f"{row.series} {row.direction}" for row in others[~silent].itertuples()))
    return (*moved, f"{_series(silent.sum())} silent") if silent.any() else tuple(moved)


def _silent(alerts: pd.DataFrame) -> pd.Series[bool]:
    return alerts["tests"].map(lambda tests: "missing" in tests).astype(bool)


def _series(count: int) -> str:
    return f"{count:,} other series"


def mix_words(explanation: Explanation) -> str | None:
    split = explanation.rate_mix
    if split is None:
        return None
    return f"of the change of {split.total:+.4f}, {split.rate:+.4f} is rate and {split.mix:+.4f} is mix of segments"


def quality_words(facts: pd.DataFrame) -> tuple[str, ...]:
    """How many events of these facts are in which class."""
    if not len(facts):
        return ()
    totals = facts.groupby("class")["n"].sum()
    return tuple(f"{name} {int(totals.get(name, 0)):,}" for name in _CLASSES)


def next_steps(
    product: str, verdict: VerdictName, causes: Sequence[CauseLine], since: pd.Timestamp, quality: Quality,
    owners: Sequence[str],
) -> tuple[str, ...]:  # fmt: skip
    """What a person should do or look at; `owners` are those of the failed checks."""
    steps = []
    if verdict != "changed behaviour":
        if quality.held:
            steps.append(f"pulseiq quality held list {product}: look at the batch, then release or reject it")
        if owners:
            steps.append(f"tell the owners of the failed checks: {', '.join(owners)}")
        steps.append(
            "look at the producers of the silent partition, and at its broker: why does nothing come through it?"
            if quality.silent
            else "find the producer or release that began to send these events, and stop or roll it back"
        )
    if verdict != "bad data":
        where = causes[0].words if causes and causes[0].elements else "all segments"
        steps.append(f"what changed for {where} shortly before {since:%H:%M} UTC: a release, a setting, an outage?")
        steps.append("compare one raw event of the segment before and after that time")
    return tuple(steps)
