"""Evidence in a sentence that a person can check: the number, what was expected, how rare, by which test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pipelines.contract import Metric
from pipelines.detect.figures import duration, number
from pipelines.detect.statistics import POOLED

_LOOKS_AT = {"point": "alone", "drift": "as a slow drift", "missing": "no events"}


def sentence(row: Mapping[str, Any], metric: Metric, window_seconds: int, history_days: float) -> str:
    """One evidence row in words."""
    count = POOLED.get(row["test"], POOLED["long"])
    span = "" if row["test"] in ("point", "missing") else f" over {duration(count * window_seconds)}"
    unit = f" {metric.unit}" if metric.unit else ""
    if row["test"] == "missing":
        text = f"no events where about {number(row['expected'])} were expected"
    else:
        change = "no change" if not math.isfinite(row["effect"]) else f"{row['effect']:+.0%}"
        text = (
            f"{number(row['value'])}{unit}{span}, expected {number(row['expected'])} "
            f"({number(row['low'])} to {number(row['high'])}), {change}"
        )
    rare = how_rare(row["p_value"], window_seconds)
    return f"{row['series']}: {text}; {row['test']} test: {rare} by {history_days:.1f} days of history"


def how_rare(p_value: float, window_seconds: int) -> str:
    """A p-value per window as a return period."""
    if p_value >= 0.05:
        return "ordinary"
    days = window_seconds / 86_400 / max(p_value, 1e-300)
    if days > 365_000:
        return "less than once in a thousand years"
    return f"about once in {duration(days * 86_400)}"
