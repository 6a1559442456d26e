"""What the user said of some windows and series: planned events, which explain them, and mutes, which silence them.

Gives masks (series, windows). A window that has anything in common with a planned event belongs to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from pipelines.contract import Sensitivity
from pipelines.detect.grid import ADDITIVE_KINDS, Floats, Grid, Mask, Times
from pipelines.detect.profile import Calendar


def planned(sensitivity: Sensitivity, metric: str, names: Sequence[str], windows: Times, seconds: int) -> Mask:
    """Where a planned event explains a series."""
    out = np.zeros((len(names), len(windows)), dtype=bool)
    for event in sensitivity.planned if len(windows) else ():
        row = np.array([event.covers(metric, name) for name in names], dtype=bool)
        if row.any():
            first, last = _utc(windows[0]), _utc(windows[-1] + np.timedelta64(seconds, "s"))
            for begin, stop in event.stretches(first, last):
                out |= row[:, None] & within(windows, seconds, begin, stop)
    return out


def plans(sensitivity: Sensitivity, rows: pd.DataFrame, seconds: int) -> pd.Series[str]:
    """Name of the planned event that explains each row (metric, series, window_start); empty where none does."""
    out = pd.Series("", index=rows.index, dtype=object)
    if not len(rows) or not sensitivity.planned:
        return out
    windows = rows["window_start"].to_numpy().astype("datetime64[s]")
    first, last = _utc(windows.min()), _utc(windows.max() + np.timedelta64(seconds, "s"))
    keys = rows[["metric", "series"]].drop_duplicates().itertuples(index=False, name=None)
    known = list(keys)
    # What is listed first explains where several do.
    for event in reversed(sensitivity.planned):
        covered = {series for metric, series in known if event.covers(metric, series)}
        meant = rows["series"].isin(covered).to_numpy()
        for begin, stop in event.stretches(first, last):
            out[meant & within(windows, seconds, begin, stop)] = event.name
    return out


def muted(sensitivity: Sensitivity, metric: str, names: Sequence[str], windows: Times) -> Mask:
    """Where nothing is wanted of a series: in the windows that start within the mute's time."""
    out = np.zeros((len(names), len(windows)), dtype=bool)
    for mute in sensitivity.mute:
        row = np.array([mute.covers(metric, name) for name in names], dtype=bool)
        during = np.ones(len(windows), dtype=bool)
        if mute.since is not None:
            during &= windows >= _second(mute.since)
        if mute.until is not None:
            during &= windows < _second(mute.until)
        out |= row[:, None] & during
    return out


def within(windows: Times, seconds: int, begin: datetime, stop: datetime) -> Mask:
    """Windows that have anything in common with [begin, stop)."""
    return np.asarray((windows < _second(stop)) & (windows + np.timedelta64(seconds, "s") > _second(begin)))


def filled(grid: Grid, absent: Mask, calendar: Calendar) -> Grid:
    """The grid with windows of `absent` as its other windows at the same hour of the day are on average.

    A stretch that nothing is to be learnt from then says what is known anyway; hours that have no other window are
    like all others together.
    """
    if not absent.any():
        return grid
    hours = min(24, calendar.slots)
    hour = np.minimum(calendar.slot, calendar.slots - 1) * hours // calendar.slots
    own = [np.flatnonzero(hour == each) for each in range(hours)]
    here = ~absent

    def by_hour(part: Floats) -> Floats:
        # No matrix product: its last digits depend on how many series there are.
        return np.stack([part[:, at].sum(axis=1) for at in own], axis=1)

    def usual(part: Floats, weight: Floats) -> Floats:
        top, bottom = by_hour(part * weight * here), by_hour(weight * here)
        every = top.sum(axis=1, keepdims=True) / np.maximum(bottom.sum(axis=1, keepdims=True), 1e-300)
        return np.asarray(np.where(bottom > 0, top / np.maximum(bottom, 1e-300), every)[:, hour])

    one = np.ones_like(grid.n)
    n, top, bottom = (usual(part, one) for part in (grid.n, grid.numerator, grid.denominator))
    if grid.metric.kind == "ratio":
        value = np.where(bottom > 0, top / np.maximum(bottom, 1e-300), np.nan)
    else:
        value = usual(np.nan_to_num(grid.value), one if grid.metric.kind in ADDITIVE_KINDS else grid.n)
    return replace(
        grid,
        value=np.where(absent, value, grid.value),
        n=np.where(absent, n, grid.n),
        numerator=np.where(absent, top, grid.numerator),
        denominator=np.where(absent, bottom, grid.denominator),
    )


def _second(moment: datetime) -> np.datetime64:
    return np.datetime64(int(moment.timestamp()), "s")


def _utc(moment: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(moment.astype("datetime64[s]").astype(np.int64)), UTC)
