"""The series frame as dense arrays: one grid per metric, series by rows, windows by columns.

Owns the way between long frames and arrays, and the names of series. A window without a row is a window without events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

# A series alone needs no contract, and reading contracts takes seconds to import.
if TYPE_CHECKING:
    from pipelines.contract import Metric

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]

# Kinds whose value is 0, not unknown, in a window without events.
ADDITIVE_KINDS = frozenset({"count", "sum", "distinct"})


def series_name(metric: str, dims: Mapping[str, str]) -> str:
    """`metric` for the whole, `metric{dimension=value,...}` for a part of it."""
    inside = ",".join(f"{name}={value}" for name, value in dims.items())
    return f"{metric}{{{inside}}}" if inside else metric


@dataclass(frozen=True)
class Grid:
    """One metric's series over a contiguous stretch of windows.

    `value`, `n`, `numerator`, `denominator` have shape (series, windows); `n` is the number of events behind the value.
    `usual` (series,) is the threshold that a quantile metric's numerator counts above; NaN for the other kinds.
    """

    metric: Metric
    names: tuple[str, ...]
    dims: tuple[Mapping[str, str], ...]
    windows: Times
    value: Floats
    n: Floats
    numerator: Floats
    denominator: Floats
    usual: Floats

    @property
    def whole(self) -> int | None:
        """Row of the series without dimensions."""
        return next((i for i, dims in enumerate(self.dims) if not dims), None)


def window_range(start: np.datetime64, end: np.datetime64, seconds: int) -> Times:
    """Starts of the windows that lie wholly in [start, end)."""
    step = np.timedelta64(seconds, "s")
    return np.asarray(start.astype("datetime64[s]") + np.arange(max(int((end - start) / step), 0)) * step)


def to_grid(frame: pd.DataFrame, metric: Metric, windows: Times, names: tuple[str, ...] | None = None) -> Grid:
    """Arrays of one metric out of a series frame.

    Args:
        frame: series frame (metric, series, dims, window_start, value, n, numerator, denominator, usual).
        metric: whose rows to take.
        windows: starts of the windows wanted, ascending and evenly spaced.
        names: series wanted, in this order; those of the frame, whole first, when None.
    """
    rows = frame[frame["metric"] == metric.name]
    codes, found = pd.factorize(rows["series"])
    first = rows.drop_duplicates("series").set_index("series")
    if names is None:
        names = tuple(sorted(map(str, found), key=lambda name: ("{" in name, name.count("="), name)))
    order = {name: i for i, name in enumerate(names)}
    row = np.array([order.get(str(name), -1) for name in found], dtype=np.int64)[codes] if len(rows) else np.array([])
    starts = rows["window_start"].to_numpy().astype("datetime64[s]")
    column = np.searchsorted(windows, starts)
    inside = (row >= 0) & (column < len(windows))
    inside[inside] &= windows[column[inside]] == starts[inside]
    row, column = row[inside].astype(np.int64), column[inside]

    def dense(name: str, fill: float) -> Floats:
        out = np.full((len(order), len(windows)), fill)
        out[row, column] = rows[name].to_numpy(dtype=np.float64)[inside]
        return out

    present = [name for name in names if name in first.index]
    usual = np.array([float(first["usual"].get(name, np.nan)) if "usual" in first else np.nan for name in names])
    dims = {name: dict(first["dims"][name]) for name in present}
    return Grid(
        metric=metric,
        names=names,
        dims=tuple(dims.get(name, {}) for name in names),
        windows=windows,
        value=dense("value", 0.0 if metric.kind in ADDITIVE_KINDS else np.nan),
        n=np.nan_to_num(dense("n", 0.0)),
        numerator=np.nan_to_num(dense("numerator", 0.0)),
        denominator=np.nan_to_num(dense("denominator", 0.0)),
        usual=usual,
    )
