"""Why a window did or did not alert: every test's numbers, its limit, and the conditions for firing that it missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.contract import Sensitivity
from pipelines.detect import evidence, statistics
from pipelines.detect.figures import number
from pipelines.detect.judged import Judged
from pipelines.detect.words import how_rare


@dataclass(frozen=True)
class Reason:
    """One test of one window: in the unit of the metric, `effect` relative, `p_value` per window beside its `limit`.

    `low` and `high` hold 99 of 100 ordinary windows. `missed` has the conditions that were not met, in words.
    """

    test: str
    direction: str
    value: float
    expected: float
    low: float
    high: float
    effect: float
    p_value: float
    limit: float
    fired: bool
    missed: tuple[str, ...]


def reasons(judged: Judged, series: str, window: np.datetime64, sensitivity: Sensitivity) -> list[Reason]:
    """What each test says of one series in one window; its side that fired, or else the rarer one."""
    row = judged.grid.names.index(series)
    column = int(np.searchsorted(judged.grid.windows, window))
    at = (row, column)
    limit = float(judged.limit[row]) / len(statistics.TESTS)
    found = []
    for test, sums in judged.sums.items():
        sides = [side for side in ("up", "down") if (test, side) in judged.p]
        side = min(sides, key=lambda each: (not judged.fired[test, each][at], judged.p[test, each][at]))
        value, expected = (sums.y, sums.m) if test == "missing" else evidence.shown(judged.grid, judged.learnt, sums)
        low, high = evidence.usual_range(judged.grid, judged.learnt, sums, test)
        p, effect = float(judged.p[test, side][at]), float(judged.effect[test][at])
        met = {name: bool(mask[at]) for name, mask in judged.met[test, side].items()}
        found.append(
            Reason(
                test=test,
                direction=side,
                value=float(value[at]),
                expected=float(expected[at]),
                low=float(low[at]),
                high=float(high[at]),
                effect=effect,
                p_value=p,
                limit=limit,
                fired=bool(judged.fired[test, side][at]),
                missed=_missed(judged, met, at, side, p, limit, effect, sensitivity),
            )
        )
    return found


def _missed(
    judged: Judged,
    met: dict[str, bool],
    at: tuple[int, int],
    side: str,
    p: float,
    limit: float,
    effect: float,
    sensitivity: Sensitivity,
) -> tuple[str, ...]:
    seconds = judged.learnt.window_seconds
    wrong_way = np.isfinite(effect) and effect * (1 if side == "up" else -1) < 0
    change = "unknown" if not np.isfinite(effect) else f"{effect:+.1%}"
    words = {
        "rare": f"not rare enough: {how_rare(p, seconds)}, its limit is {how_rare(limit, seconds)}",
        "large": f"effect too small: {change}{' is the other way' if wrong_way else ''}, "
        f"from {sensitivity.min_effect:.0%} on it matters",
        "many": f"too few events: {number(float(sensitivity.min_count))} are needed",
        "lasting": "one window alone: others before it do not confirm it",
    }
    missed = [words[name] for name, holds in met.items() if not holds]
    return (*missed, "muted") if judged.muted[at] else tuple(missed)
