"""What the rules of the record detector look at: eleven signals of one series, each to be compared with its own past.

| rule | signal |
|---|---|
| level now | the value |
| level held | median of the last 12 |
| drift | mean of the last 12 less that of the last 144 |
| off season now | the value less the median of the same time on the last 14 days |
| off season shortly | mean of the last 3 of that |
| off season held | mean of the last 24 of that |
| off season spread | highest less lowest of the last 96 of that |
| volatility | mean of the last 48 absolute steps |
| no similar day | distance of the last 24 from the same stretch of the most similar of the last 21 days |
| burst | the last step |
| floor | lowest of the last 48: above its range nothing falls as low as it used to, below it is a new low |

Constants are lengths in points, not in minutes: a detector that knows only one series has no better clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipelines.detect import trailing
from pipelines.detect.grid import Floats

# Earlier values that a range needs before anything can leave it.
LEAST = 50
_SEASON_DAYS = 14
_SIMILAR_DAYS = 21
_LONG, _SHORT = 6000, 500


@dataclass(frozen=True)
class Material:
    """What several signals are made of, (points,): the value, its last step, the value off its season."""

    value: Floats
    step: Floats
    off_season: Floats
    per_day: int

    @classmethod
    def of(cls, value: Floats, per_day: int) -> Material:
        """From the values of a series with so many points a day; NaN before the first step and on the first day."""
        earlier = np.stack([trailing.before(value, day * per_day) for day in range(1, _SEASON_DAYS + 1)])
        step = value - trailing.before(value, 1)
        return cls(value, step, value - trailing.median_of(earlier), per_day)


@dataclass(frozen=True)
class Rule:
    """A signal, the window of its range in points, and the history it needs: `least_days`, at least `LEAST` points."""

    name: str
    signal: Callable[[Material], Floats]
    window: int = _LONG
    least_days: int = 0


def _drift(of: Material) -> Floats:
    return trailing.mean(of.value, 12) - trailing.mean(of.value, 144)


def _no_similar_day(of: Material) -> Floats:
    nearest = np.full(len(of.value), np.nan)
    for day in range(1, _SIMILAR_DAYS + 1):
        apart = np.abs(of.value - trailing.before(of.value, day * of.per_day))
        nearest = np.fmin(nearest, trailing.mean(apart, 24))
    return nearest


RULES = (
    Rule("level now", lambda of: of.value),
    Rule("level held", lambda of: trailing.median(of.value, 12)),
    Rule("drift", _drift),
    Rule("off season now", lambda of: of.off_season),
    Rule("off season shortly", lambda of: trailing.mean(of.off_season, 3)),
    Rule("off season held", lambda of: trailing.mean(of.off_season, 24)),
    Rule("off season spread", lambda of: trailing.highest(of.off_season, 96) - trailing.lowest(of.off_season, 96)),
    Rule("volatility", lambda of: trailing.mean(np.abs(of.step), 48)),
    Rule("no similar day", _no_similar_day, least_days=7),
    Rule("burst", lambda of: of.step, window=_SHORT),
    Rule("floor", lambda of: trailing.lowest(of.value, 48)),
)


def excursions(material: Material) -> tuple[trailing.Excursion, ...]:
    """How far each rule's signal is outside its own past range; one for each of `RULES`."""
    return tuple(
        trailing.excursion(rule.signal(material), rule.window, max(LEAST, rule.least_days * material.per_day))
        for rule in RULES
    )
