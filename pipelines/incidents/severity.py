"""How bad: one score from four inputs, each shown, with fixed thresholds. Monotone in every input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from pipelines.incidents.record import Level, SeverityLine

# Parts of the score; they add up to 1.
WEIGHTS = {"impact": 0.40, "confidence": 0.15, "breadth": 0.25, "duration": 0.20}
THRESHOLDS: tuple[tuple[float, Level], ...] = ((0.75, "SEV1"), (0.55, "SEV2"), (0.35, "SEV3"), (0.0, "SEV4"))
# Where an input reaches two thirds of its scale (impact, duration) or its end (confidence).
_IMPACT_SCALE = 0.35
_DURATION_SCALE = timedelta(hours=1)
_CERTAIN = 12.0


@dataclass(frozen=True)
class Inputs:
    """What severity is made of.

    `relative_change` of the whole metric (0.3 is 30 %), `weight` the metric's business weight over the mean weight,
    `p_value` calibrated, `breadth` the cause's share of the traffic (0 to 1), `duration` of the open windows.
    """

    relative_change: float
    weight: float
    p_value: float
    breadth: float
    duration: timedelta


def severity(inputs: Inputs) -> SeverityLine:
    """Score and level: `sum of WEIGHTS[i] * input[i]`, each input mapped to 0..1 without a step."""
    certainty = -math.log10(max(inputs.p_value, 1e-300))
    parts = {
        "impact": 1 - math.exp(-abs(inputs.relative_change) * inputs.weight / _IMPACT_SCALE),
        "confidence": min(1.0, certainty / _CERTAIN),
        "breadth": math.sqrt(min(max(inputs.breadth, 0.0), 1.0)),
        "duration": 1 - math.exp(-max(inputs.duration, timedelta()) / _DURATION_SCALE),
    }
    score = round(sum(WEIGHTS[name] * value for name, value in parts.items()), 4)
    level = next(name for threshold, name in THRESHOLDS if score >= threshold)
    minutes = inputs.duration.total_seconds() / 60
    words = {
        "impact": f"{abs(inputs.relative_change):.0%} of the metric, business weight {inputs.weight:.1f} of the mean",
        "confidence": f"such a window by chance: {_chance(inputs.p_value)}",
        "breadth": f"{inputs.breadth:.0%} of the traffic",
        "duration": f"{minutes:.0f} minutes so far",
    }
    return SeverityLine(level=level, score=score, inputs={k: round(v, 4) for k, v in parts.items()}, words=words)


def _chance(p_value: float) -> str:
    """A p-value as people say it; beyond a million the exact number says no more."""
    return "less than 1 in a million" if p_value < 1e-6 else f"1 in {1 / p_value:,.0f}"
