"""The baseline: what is normal for every series, learnt from the windows before `until`, and how normal windows err.

A window that is tested is never in its own baseline: `evaluate` refuses windows before `until`, and the errors that
calibrate the tests are those of predictions one window ahead, over profiles that were fitted without their day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipelines.contract import Contract
from pipelines.detect import calibration, exempt, families, level, profile, statistics
from pipelines.detect.calibration import Tail
from pipelines.detect.families import Family
from pipelines.detect.grid import Floats, Grid, Mask, to_grid, window_range
from pipelines.detect.learnt import COLUMNS, Learnt, to_rows
from pipelines.detect.profile import Calendar

# Fewer windows than these are no history: nothing is learnt, and nothing will be said.
FEWEST_WINDOWS = 24
_FOLDS = 7
# Silence is never taken for more certain than this dispersion of the volume allows.
_LEAST_VOLUME_DISPERSION = 0.02


@dataclass(frozen=True)
class _Observed:
    """A metric's history: y, w, eta fitted without the window's own day, and levels predicted one window ahead.

    `absent` windows say nothing of how normal ones err.
    """

    family: Family
    y: Floats
    w: Floats
    eta: Floats
    predicted: Floats
    warm: Mask
    absent: Mask


def fit(series: pd.DataFrame, contract: Contract, until: datetime) -> pd.DataFrame:
    """Learn the baseline from a series frame.

    Args:
        series: series frame of the history; rows at or after `until` are not looked at.
        contract: names the metrics, the window and the planned events, from whose windows nothing is learnt.
        until: end of the history (UTC); the first window that may be tested starts here or later.

    Returns:
        One row per series with `learnt.COLUMNS`; nothing where there are fewer than `FEWEST_WINDOWS`.
    """
    seconds = int(contract.window.total_seconds())
    end = np.datetime64(int(pd.Timestamp(until).timestamp()) // seconds * seconds, "s")
    rows = series[series["window_start"] < pd.Timestamp(end)]
    empty = pd.DataFrame(columns=list(COLUMNS))
    if not len(rows):
        return empty
    windows = window_range(rows["window_start"].min().to_datetime64(), end, seconds)
    if len(windows) < FEWEST_WINDOWS:
        return empty
    grids = [grid for metric in contract.metrics if (grid := to_grid(rows, metric, windows)).names]
    parts = [
        to_rows(
            learn(
                grid,
                end,
                seconds,
                exempt.planned(contract.sensitivity, grid.metric.name, grid.names, windows, seconds),
            )
        )
        for grid in grids
    ]
    return pd.concat(parts, ignore_index=True) if parts else empty


def learn(grid: Grid, until: np.datetime64, seconds: int, absent: Mask | None = None) -> Learnt:
    """Everything about one metric, from its history; nothing from windows of `absent`, (series, windows)."""
    calendar = Calendar.of(grid.windows, seconds)
    absent = np.zeros(grid.n.shape, dtype=bool) if absent is None else absent
    grid = exempt.filled(grid, absent, calendar)
    week = calendar.of_week()
    family = families.family_of(grid.metric)
    events = grid.denominator if grid.metric.kind == "ratio" else grid.n
    volume_table = _table("count", events, np.ones_like(events), calendar, grid.whole)
    volume = np.exp(volume_table)
    logarithmic = bool(grid.metric.kind == "mean" and _all_positive(grid))
    y, w = families.observed(grid, volume[:, week], logarithmic)
    table = volume_table if family == "count" else _table(family, y, w, calendar, grid.whole)
    outside = _without_own_day(family, y, w, calendar, grid.whole, table)
    if family == "amount":
        counts = _without_own_day("count", events, np.ones_like(events), calendar, grid.whole, volume_table)
        y, w = families.observed(grid, np.exp(counts), logarithmic)
    keep = level.memory(seconds)
    plain = _dispersion(family, y, families.mean(family, outside, w), w, ~absent)
    drift = level.choose_drift(family, y, w, outside, plain, keep)
    followed = level.follow(family, y, w, outside, plain, drift, keep)
    warm = np.arange(len(grid.windows)) >= min(len(grid.windows) // 4, int(86_400 / seconds))
    history = _Observed(family, y, w, outside, followed.predicted, warm, absent)
    dispersion, tail = _errors(history, statistics.hurting(grid.metric))
    shown, shown_dispersion = _shown(grid, calendar)
    spread = families.dispersion("count", events, volume[:, week], np.ones_like(events))
    return Learnt(
        metric=grid.metric,
        family=family,
        names=grid.names,
        dims=grid.dims,
        until=until,
        start=grid.windows[0],
        windows=len(grid.windows),
        window_seconds=seconds,
        logarithmic=logarithmic,
        usual=grid.usual,
        table=table,
        volume=volume,
        shown=shown,
        shown_dispersion=shown_dispersion,
        volume_dispersion=np.maximum(spread, _LEAST_VOLUME_DISPERSION),
        drift=drift,
        state=followed.state,
        variance=followed.variance,
        dispersion=dispersion,
        tail=tail,
    )


def _errors(history: _Observed, directions: tuple[str, ...]) -> tuple[dict[str, Floats], dict[tuple[str, str], Tail]]:
    """Dispersion per test, and tails per test and direction, over the warm windows."""
    dispersion: dict[str, Floats] = {}
    tail: dict[tuple[str, str], Tail] = {}
    warm = history.warm
    known = ~history.absent[:, warm]
    usable = (history.w[:, warm] > 0) & known
    data = (history.y, history.w, history.eta, history.predicted)
    for test in statistics.CALIBRATED:
        sums = statistics.sums_of(test, history.family, *data)
        y, m, w = (each[:, warm] for each in (sums.y, sums.m, sums.w))
        dispersion[test] = _dispersion(history.family, y, m, w, known)
        for direction, value in statistics.values(test, history.family, sums, dispersion[test], directions).items():
            tail[test, direction] = calibration.fit(value[:, warm], usable)
    return dispersion, tail


def _dispersion(family: Family, y: Floats, m: Floats, w: Floats, known: Mask) -> Floats:
    """As `families.dispersion`, of the windows that are known."""
    return families.dispersion(family, y * known, m * known, w * known)


def _table(family: Family, y: Floats, w: Floats, calendar: Calendar, whole: int | None) -> Floats:
    """Weekly tables of all series; parts start from the whole's shape."""
    if whole is None:
        return profile.fit(family, y, w, calendar)
    base = profile.fit(family, y[[whole]], w[[whole]], calendar)
    table = profile.fit(family, y, w, calendar, base)
    table[whole] = base[0]
    return table


def _without_own_day(
    family: Family, y: Floats, w: Floats, calendar: Calendar, whole: int | None, table: Floats
) -> Floats:
    """eta of every window from profiles fitted without its day; in sample where there are fewer than three days."""
    week = calendar.of_week()
    eta = table[:, week].copy()
    fold = calendar.day % _FOLDS
    if len(np.unique(fold)) < 3:
        return eta
    for each in np.unique(fold):
        own = fold == each
        others = calendar.only(~own)
        eta[:, own] = _table(family, y[:, ~own], w[:, ~own], others, whole)[:, week[own]]
    return eta


def _shown(grid: Grid, calendar: Calendar) -> tuple[Floats | None, Floats]:
    """For quantiles, the value that people expect to see, by slot of the week, and its noise."""
    if grid.metric.kind != "quantile":
        return None, np.zeros((len(grid.names), 1))
    has = (grid.n > 0) & (grid.value > 0)
    w = np.where(has, grid.n, 0.0)
    y = np.where(has, np.log(np.where(has, grid.value, 1.0)) * w, 0.0)
    table = _table("level", y, w, calendar, grid.whole)
    return np.exp(table), families.dispersion("level", y, w * table[:, calendar.of_week()], w)


def _all_positive(grid: Grid) -> bool:
    known = grid.value[np.isfinite(grid.value)]
    return bool(len(known) and (known > 0).all())
