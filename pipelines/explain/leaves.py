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
from pipelines.explain.scan import Kind

# The columns that a metric's kind is explained by.
COLUMNS: dict[Kind, tuple[str, ...]] = {
    "amount": ("actual", "expected"),
    "count": ("actual", "expected"),
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
        ratio: columns of a ratio, (4, leaves with any event) in the order of `COLUMNS`; None for other kinds.
    """

    dims: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    codes: Codes
    actual: Floats
    expected: Floats
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
        return Leaves((), (), np.empty((0, 0), dtype=np.int64), np.empty(0), np.empty(0), None)
    codes, columns = merged(np.stack([each for each, _ in coded], axis=1), tuple(len(v) for _, v in coded), columns)
    actual, expected = _sides(columns) if kind == "ratio" else columns
    keep = actual + expected > 0
    if kind == "ratio":
        keep &= columns[1] > 0
    codes, actual, expected = codes[keep], actual[keep], expected[keep]
    # A dimension with one value, such as the one feature that a ratio exists for, tells nothing apart.
    telling = np.flatnonzero(np.ptp(codes, axis=0) > 0) if len(codes) else np.empty(0, dtype=np.int64)
    return Leaves(
        dims=tuple(named[i] for i in telling),
        values=tuple(coded[i][1] for i in telling),
        codes=codes[:, telling],
        actual=actual,
        expected=expected,
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
    # What is missing gets -1, the last place.
    numbers, uniques = pd.factorize(column)
    names, places = np.unique([*map(str, uniques), "(none)"], return_inverse=True)
    return places.astype(np.int64)[numbers], tuple(map(str, names))


def _sides(ratio: Floats) -> tuple[Floats, Floats]:
    """Actual and expected numerators of a ratio's leaves."""
    k, n, past_k, past_n = ratio
    overall = past_k.sum() / past_n.sum() if past_n.sum() > 0 else 0.0
    return k, n * (past_k + _PRIOR_EVENTS * overall) / (past_n + _PRIOR_EVENTS)
