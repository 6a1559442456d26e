"""The record detector: one series, point by point, judged by nothing but its own past.

Eleven rules (`signals`) say by how much a signal leaves the range it has kept; a law per rule (`returns`) says how
seldom that is. What is seldom by several rules is more so: the return periods join as the root of the sum of their
squares. An alert fires where that reaches the limit, a person's wish: at most one alert of a kind in so much time.

    series frame -> values -> excursions -> return periods -> alerts -> frame with evidence and reasons
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.detect import series, signals
from pipelines.detect.grid import Floats, Ints
from pipelines.detect.reasons import reason
from pipelines.detect.returns import FITTED, LONGEST, ReturnLaw
from pipelines.detect.signals import RULES, Material
from pipelines.detect.standing import standing
from pipelines.detect.trailing import Excursion
from pipelines.errors import UsageError

# One for each rule, fitted without labels to NAB's 58 series; `returns.fit` gives those of a product's own history.
LAWS = (
    ReturnLaw(1530, 0.025, 0.624),
    ReturnLaw(1140, 0.042, 0.936),
    ReturnLaw(882, 0.047, 1.39),
    ReturnLaw(1300, 0.048, 0.812),
    ReturnLaw(1090, 0.06, 1.06),
    ReturnLaw(707, 0.052, 1.74),
    ReturnLaw(2100, 0.1, 0.854),
    ReturnLaw(917, 0.022, 1.09),
    ReturnLaw(2090, 0.058, 1.36),
    ReturnLaw(310, 0.095, 1.09),
    ReturnLaw(1660, 0.016, 0.645),
)
# Points: the best on NAB, as every figure on its leaderboard. `benchmarks.nab_crossfit` has it chosen on other files.
LIMIT = 4200.0
# An alert speaks for so many points; within them only what is three times as seldom speaks again.
HOLDS = 90
_LOUDER = 3.0
COLUMNS = ("timestamp", "value", "evidence", "return_period", "return_period_days", "alert", "rule", "reason")


@dataclass(frozen=True)
class Judged:
    """Excursions by rule, their return periods (rules, points), the joined ones (points,), the points of alerts."""

    excursions: tuple[Excursion, ...]
    periods: Floats
    joined: Floats
    alerts: Ints


def judge(material: Material, limit: float = LIMIT, laws: Sequence[ReturnLaw] = LAWS) -> Judged:
    """Judge every point by those before it; `limit` in points."""
    found = signals.excursions(material)
    periods = np.stack([law.period(each.share) for law, each in zip(laws, found, strict=True)])
    joined = join(periods)
    return Judged(found, periods, joined, alerts(joined, limit))


def join(periods: Floats) -> Floats:
    """Return periods (rules, points) as one, (points,): the root of the sum of squares, at most `LONGEST`."""
    return np.asarray(np.minimum(np.sqrt(np.square(periods).sum(axis=0)), LONGEST))


def alerts(joined: Floats, limit: float) -> Ints:
    """Points where an alert fires: at the limit, within `HOLDS` points of the last only if three times as seldom."""
    fired: list[int] = []
    for point in np.flatnonzero(joined >= limit):
        if not fired or point - fired[-1] > HOLDS or joined[point] > _LOUDER * joined[fired[-1]]:
            fired.append(int(point))
    return np.array(fired, dtype=np.int64)


def score(
    frame: pd.DataFrame, limit_days: float | None = None, laws: Sequence[ReturnLaw] = LAWS, where: str = "series"
) -> pd.DataFrame:
    """Evidence and alerts of one series.

    Args:
        frame: `timestamp` and `value`, or `numerator` and `denominator` whose ratio is the value; in the order of time.
            Rules count points, not time: a window without events should be a row.
        limit_days: at most one alert of a kind in so many days; None is `LIMIT` points.
        laws: one for each rule, from `returns.fit`.
        where: name of the series for messages, such as its file.

    Returns:
        One row a point: timestamp, value, evidence (continuous, `standing`), return_period in points and in days,
        alert, rule (of the longest return period, "" inside all ranges), reason (in words, of alerts). The first m
        rows are those of the first m points.

    Raises:
        UsageError: the frame or the limit cannot be used; the message says where and what to do.
    """
    timestamp, value = series.values(frame, where)
    per_day = series.points_a_day(timestamp)
    limit = _limit(limit_days, per_day, where)
    material = Material.of(value, per_day)
    judged = judge(material, limit, laws)
    alert = np.zeros(len(value), dtype=bool)
    alert[judged.alerts] = True
    names = np.array([rule.name for rule in RULES], dtype=object)
    reasons = np.full(len(value), "", dtype=object)
    for point in judged.alerts:
        reasons[point] = reason(judged.excursions, judged.periods, judged.joined, int(point), limit, per_day)
    return pd.DataFrame(
        {
            "timestamp": timestamp,
            "value": value,
            "evidence": standing(material),
            "return_period": judged.joined,
            "return_period_days": judged.joined / per_day,
            "alert": alert,
            "rule": np.where(judged.joined > 0, names[judged.periods.argmax(axis=0)], ""),
            "reason": reasons,
        },
        columns=list(COLUMNS),
    )


def _limit(days: float | None, per_day: int, where: str) -> float:
    """The limit in points; refused where no history could have told the law."""
    if days is None:
        return LIMIT
    points = days * per_day
    if not FITTED[0] <= points < LONGEST:
        often = points < FITTED[0]
        raise UsageError(
            f"{where}: a limit of {days:g} days is {points:g} points at {per_day} a day, and "
            + (
                f"what comes more often than once in {FITTED[0]:g} points is ordinary noise here, not an alert"
                if often
                else f"nothing can be told to be more seldom than once in {LONGEST:g} points"
            ),
            hint=f"a limit of at least {np.ceil(FITTED[0] / per_day):g} days"
            if often
            else f"a limit of less than {LONGEST / per_day:g} days",
        )
    return points
