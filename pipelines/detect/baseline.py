"""The baseline: what is normal for every series, learnt from the windows before `until`, and how normal windows err.

A window that is tested is never in its own baseline: `evaluate` refuses windows before `until`, and the errors that
calibrate the tests are those of predictions one window ahead, over profiles that were fitted without their day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipelines.contract import Contract
from pipelines.detect import calibration, exempt, families, level, profile, statistics
from pipelines.detect.calibration import Tail
from pipelines.detect.families import Family
from pipelines.detect.grid import Floats, Grid, Ints, Mask, to_grid, window_range
from pipelines.detect.learnt import COLUMNS, Learnt, to_rows
from pipelines.detect.profile import Calendar

# Fewer windows than these are no history: nothing is learnt, and nothing will be said.
FEWEST_WINDOWS = 24
_FOLDS = 7
# Silence is never taken for more certain than this dispersion of the volume allows.
_LEAST_VOLUME_DISPERSION = 0.02
# What series share is learnt from the metric's largest ones, so that no number of series asks for more memory.
_MOST_POOLED = 250
_POOLED_CELLS = 5_000_000


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


@dataclass(frozen=True)
class Shared:
    """What all series of a metric share: whether their logarithm is judged, and their tails by test and direction."""

    logarithmic: bool
    tails: dict[tuple[str, str], calibration.Common]


def pool_size(windows: int) -> int:
    """How many series of a metric, its largest, say what all of them share, given a history of so many windows."""
    return max(1, min(_MOST_POOLED, _POOLED_CELLS // max(windows, 1)))


def fit(
    series: pd.DataFrame, contract: Contract, until: datetime, shared: Mapping[str, Shared] | None = None
) -> pd.DataFrame:
    """Learn the baseline from a series frame.

    Args:
        series: series frame of the history; rows at or after `until` are not looked at.
        contract: names the metrics, the window and the planned events, from whose windows nothing is learnt.
        until: end of the history (UTC); the first window that may be tested starts here or later.
        shared: by metric, what its series share, when the frame has only some of them beside the whole.

    Returns:
        One row per series with `learnt.COLUMNS`; nothing where there are fewer than `FEWEST_WINDOWS`.
    """
    parts = [to_rows(each) for each in learnt_metrics(series, contract, until, shared or {})]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))


def share(series: pd.DataFrame, contract: Contract, until: datetime) -> dict[str, Shared]:
    """By metric, what its series share, from a frame of its `pool_size` largest ones."""
    return {
        each.metric.name: Shared(
            each.logarithmic, {key: tail.common for key, tail in each.tail.items() if tail.common is not None}
        )
        for each in learnt_metrics(series, contract, until, {})
    }


def learnt_metrics(
    series: pd.DataFrame, contract: Contract, until: datetime, shared: Mapping[str, Shared]
) -> Iterator[Learnt]:
    """What `fit` learns, metric by metric."""
    seconds = int(contract.window.total_seconds())
    end = np.datetime64(int(pd.Timestamp(until).timestamp()) // seconds * seconds, "s")
    rows = series[series["window_start"] < pd.Timestamp(end)]
    if not len(rows):
        return
    windows = window_range(rows["window_start"].min().to_datetime64(), end, seconds)
    if len(windows) < FEWEST_WINDOWS:
        return
    for metric in contract.metrics:
        grid = to_grid(rows, metric, windows)
        if grid.names:
            absent = exempt.planned(contract.sensitivity, metric.name, grid.names, windows, seconds)
            yield learn(grid, end, seconds, absent, shared.get(metric.name))


def learn(
    grid: Grid, until: np.datetime64, seconds: int, absent: Mask | None = None, shared: Shared | None = None
) -> Learnt:
    """Everything about one metric, from its history; nothing from windows of `absent`, (series, windows)."""
    calendar = Calendar.of(grid.windows, seconds)
    absent = np.zeros(grid.n.shape, dtype=bool) if absent is None else absent
    logarithmic = shared.logarithmic if shared else grid.metric.kind == "mean" and _all_positive(grid)
    pooled = _largest(grid, pool_size(len(grid.windows)))
    grid = exempt.filled(grid, absent, calendar)
    week = calendar.of_week()
    family = families.family_of(grid.metric)
    events = grid.denominator if grid.metric.kind == "ratio" else grid.n
    volume_table = _table("count", events, np.ones_like(events), calendar, grid.whole)
    volume = np.exp(volume_table)
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
    dispersion, tail = _errors(history, statistics.hurting(grid.metric), shared, pooled)
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


def _errors(
    history: _Observed, directions: tuple[str, ...], shared: Shared | None, pooled: Ints
) -> tuple[dict[str, Floats], dict[tuple[str, str], Tail]]:
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
            common = shared.tails.get((test, direction)) if shared else None
            tail[test, direction] = calibration.fit(value[:, warm], usable, common, pooled)
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


def _largest(grid: Grid, count: int) -> Ints:
    """Rows of the series with most events, the whole first; of equal ones those whose names come first."""
    size = grid.n.sum(axis=1)
    if grid.whole is not None:
        size[grid.whole] = np.inf
    return np.sort(np.lexsort((np.array(grid.names, dtype=str), -size))[:count])


def _all_positive(grid: Grid) -> bool:
    known = grid.value[np.isfinite(grid.value)]
    return bool(len(known) and (known > 0).all())
