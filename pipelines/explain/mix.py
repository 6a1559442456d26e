"""A ratio's change split exactly into rate effect (segments changed) and mix effect (their shares changed)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.explain.cuboids import Floats


@dataclass(frozen=True)
class RateMix:
    """`total = rate + mix`, in the ratio's own unit."""

    rate: float
    mix: float

    @property
    def total(self) -> float:
        """Change of the overall ratio."""
        return self.rate + self.mix


def rate_and_mix(
    numerator: Floats,
    denominator: Floats,
    past_numerator: Floats,
    past_denominator: Floats,
    totals: tuple[float, float] | None = None,
) -> RateMix:
    """Split the change of a ratio between two periods over its segments, all arguments (segments,).

    With weights w (share of the denominator) and rates p: sum over segments of (p1 - p0)(w1 + w0) / 2 is the rate
    effect and of (w1 - w0)(p1 + p0) / 2 the mix effect; the midpoints leave no interaction term. A segment without
    events in one of the periods takes its rate of the other, so that its coming or going is mix. Of some segments it is
    their part of the sums, when `totals` are those of all denominators, now and before.
    """
    now, past = totals or (denominator.sum(), past_denominator.sum())
    w1, w0 = denominator / now, past_denominator / past
    with np.errstate(divide="ignore", invalid="ignore"):
        p1 = numerator / denominator
        p0 = past_numerator / past_denominator
    p1, p0 = np.where(np.isfinite(p1), p1, p0), np.where(np.isfinite(p0), p0, p1)
    p1, p0 = np.nan_to_num(p1), np.nan_to_num(p0)
    return RateMix(float(((p1 - p0) * (w1 + w0) / 2).sum()), float(((w1 - w0) * (p1 + p0) / 2).sum()))
