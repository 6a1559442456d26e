"""An alert of the record detector in words that a person can check: what left which range, by how much, how seldom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.detect.figures import duration, number
from pipelines.detect.grid import Floats
from pipelines.detect.returns import LONGEST
from pipelines.detect.signals import RULES
from pipelines.detect.trailing import Excursion

_DAY = 86_400.0
# What a rule's signal is called, and what a range of it is made of.
_SPOKEN = {
    "level now": ("", "value"),
    "level held": ("median of the last 12 points ", "such median"),
    "drift": ("mean of the last 12 points less that of the last 144 ", "such difference"),
    "off season now": ("value less its usual at this time of day ", "such difference"),
    "off season shortly": ("the last 3 points less their usual at this time of day ", "such mean"),
    "off season held": ("the last 24 points less their usual at this time of day ", "such mean"),
    "off season spread": ("spread of what the last 96 points are off their usual ", "such spread"),
    "volatility": ("mean step of the last 48 points ", "such mean"),
    "no similar day": ("distance of the last 24 points from the most similar day ", "such distance"),
    "burst": ("step from the point before ", "step"),
    "floor": ("lowest of the last 48 points ", "such lowest"),
}
# A rule that adds less than this share to the joined return period is not worth a word.
_WORTH = 0.3


def reason(
    excursions: Sequence[Excursion], periods: Floats, joined: Floats, point: int, limit: float, per_day: int
) -> str:
    """The sentence of an alert at a point; `limit` in points, `periods` (rules, points), `joined` (points,)."""
    at = periods[:, point]
    order = np.argsort(-at, kind="stable")
    first = int(order[0])
    text = f"{_left(excursions[first], first, point, per_day)}. This goes off so strongly about once in "
    text += _days(at[first], per_day)
    over = [RULES[rule].name for rule in order[1:] if at[rule] >= limit]
    if at[first] < limit:
        others = [rule for rule in order[1:] if at[rule] >= _WORTH * at[first]]
        under = [f"{RULES[rule].name} (once in {_days(at[rule], per_day)})" for rule in others]
        text += f", together with {' and '.join(under)} as seldom as once in {_days(joined[point], per_day)}"
    text += f"; your limit is {_days(limit, per_day)}."
    return text + (f" Also over the limit: {', '.join(over)}." if over else "")


def _left(excursion: Excursion, rule: int, point: int, per_day: int) -> str:
    value, low, high = (float(each[point]) for each in (excursion.signal, excursion.low, excursion.high))
    named, kind = _SPOKEN[RULES[rule].name]
    side, extreme = ("above", "highest") if value > high else ("below", "lowest")
    past = duration(min(RULES[rule].window, point) / per_day * _DAY)
    return (
        f"{named}{number(value)}: {_share(float(excursion.share[point]))} {side} the {extreme} {kind} "
        f"of the last {past} ({number(low)} to {number(high)})"
    )


def _share(share: float) -> str:
    """Of the range's width."""
    if share >= 10:
        return f"{min(share, 9999):,.0f} times the range" if share < 9999 else "out of a range without width,"
    return f"{share:.1%} of the range" if share < 0.1 else f"{share:.0%} of the range"


def _days(points: float, per_day: int) -> str:
    """A return period as people say it."""
    return ("more than " if points >= LONGEST else "") + duration(points / per_day * _DAY)
