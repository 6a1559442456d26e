"""A frame of leaves -> arrays for the scan: checked, equal leaves added up, dimension values as codes.

What the frame's order of rows, its order of dimensions and the names of its values are makes no difference from here
on: dimensions are taken in the order of their names, leaves in the order of their codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.errors import UsageError
from pipelines.explain.cuboids import Codes, Floats, merged
from pipelines.explain.gains import Kind

# The columns that a metric's kind is explained by.
COLUMNS: dict[Kind, tuple[str, ...]] = {
    "amount": ("actual", "expected"),
    "count": ("actual", "expected"),
    "sum": ("actual", "expected", "events"),
    "ratio": ("numerator", "denominator", "history_numerator", "history_denominator"),
}
# Expected numerator of a ratio's leaf with little history: this many events of the overall ratio are added.
_PRIOR_EVENTS = 100.0


@dataclass(frozen=True)
class Leaves:
    """Leaves that say anything, by codes.

    Attributes:
        dims: the dimensions that tell leaves apart, by name.
        values: the names behind each dimension's codes.
        codes: (leaves, dims).
        actual, expected: (leaves,); never both zero.
        unit: what actual and expected are counted in, see `unit_of`.
        ratio: columns of a ratio, (4, leaves with any event) in the order of `COLUMNS`; None for other kinds.
    """

    dims: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    codes: Codes
    actual: Floats
    expected: Floats
    unit: float
    ratio: Floats | None

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each dimension has."""
        return tuple(len(each) for each in self.values)


def encode(frame: pd.DataFrame, dims: Sequence[str], kind: Kind) -> Leaves:
    """Leaves of a frame with the dimension columns and `COLUMNS[kind]`.

    Raises:
        UsageError: a column is missing, or a number is negative or not finite.
    """
    columns = _columns(frame, dims, kind)
    named = sorted(dims)
    coded = [_codes(frame[name]) for name in named]
    if not len(frame) or not named:
        return Leaves((), (), np.empty((0, 0), dtype=np.int64), np.empty(0), np.empty(0), 1.0, None)
    codes, columns = merged(np.stack([each for each, _ in coded]).T, tuple(len(v) for _, v in coded), columns)
    actual, expected = sides(columns, overall(*columns[2:].sum(axis=1))) if kind == "ratio" else columns[:2]
    unit = unit_of(expected.sum(), columns[2].sum()) if kind == "sum" else 1.0
    keep = actual + expected > 0
    if kind == "ratio":
        keep &= columns[1] > 0
    if not keep.all():
        codes, actual, expected = codes[keep], actual[keep], expected[keep]
    # A dimension with one value, such as the one feature that a ratio exists for, tells nothing apart.
    telling = np.flatnonzero(np.ptp(codes, axis=0) > 0) if len(codes) else np.empty(0, dtype=np.int64)
    return Leaves(
        dims=tuple(named[i] for i in telling),
        values=tuple(coded[i][1] for i in telling),
        codes=codes[:, telling],
        actual=actual,
        expected=expected,
        unit=unit,
        ratio=columns if kind == "ratio" else None,
    )


def _columns(frame: pd.DataFrame, dims: Sequence[str], kind: Kind) -> Floats:
    needed = COLUMNS[kind]
    missing = [name for name in (*dims, *needed) if name not in frame.columns]
    if missing:
        raise UsageError(
            f"leaves of kind {kind} lack column '{missing[0]}'", hint=f"give {', '.join((*dims, *needed))}"
        )
    columns = np.stack([frame[name].to_numpy(dtype=np.float64) for name in needed])
    wrong = np.argwhere(~(np.isfinite(columns) & (columns >= 0)))
    if wrong.size:
        column, row = wrong[0]
        raise UsageError(
            f"leaves: {needed[column]} of row {row} is {columns[column, row]}", hint="give numbers from 0 up"
        )
    return columns


def _codes(column: pd.Series) -> tuple[Codes, tuple[str, ...]]:
    """Codes in the order of the values' names, and those names; values that print alike are one."""
    numbers, uniques = pd.factorize(column)
    # What is missing has -1, the last place; a value that no leaf has would make elements that no leaf is in.
    missing = ["(none)"] if (numbers < 0).any() else []
    names, places = np.unique([*map(str, uniques), *missing], return_inverse=True)
    return places.astype(np.int64)[numbers], tuple(map(str, names))


def unit_of(expected: float, events: float) -> float:
    """What a sum over events is to be counted in so that it varies as a count does, by its own size.

    n amounts of mean m add up with variance n E[x^2] (compound Poisson law: Feller, vol. 1, XII.2), which is 2 n m^2
    where amounts differ by as much as their mean, as exponential ones do. In units of 2 m mean and variance are n / 2.
    """
    return 2 * expected / events if expected > 0 and events > 0 else 1.0


def overall(past_numerator: float, past_denominator: float) -> float:
    """A ratio's value before, all leaves together."""
    return past_numerator / past_denominator if past_denominator > 0 else 0.0


def sides(ratio: Floats, before: float) -> tuple[Floats, Floats]:
    """Actual and expected numerators of a ratio's leaves, (4, leaves) in the order of `COLUMNS`."""
    k, n, past_k, past_n = ratio
    return k, n * (past_k + _PRIOR_EVENTS * before) / (past_n + _PRIOR_EVENTS)
