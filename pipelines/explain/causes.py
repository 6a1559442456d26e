"""Leaves of an incident -> causes a person can read: segment, share of the change, how consistent its parts are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.errors import UsageError
from pipelines.explain.cuboids import Codes, Floats
from pipelines.explain.mix import RateMix, rate_and_mix
from pipelines.explain.scan import Found, Kind, Scanned, scan

__all__ = ["Cause", "Explanation", "Kind", "explain", "locate"]

# Expected numerator of a ratio's leaf with little history: this many events of the overall ratio are added.
_PRIOR_EVENTS = 100.0
_ALL_DIMENSIONS = 6
# A part moved with its segment when its own change has the segment's direction.
_NAMED = 3


@dataclass(frozen=True)
class Cause:
    """One segment that moved: `elements` names its dimension values, empty when everything moved alike.

    `share` is its part of the total change, `lift` that share over its part of the expected total, `shift` its relative
    change in units of the mean of actual and expected, `confident` whether its gain passed the stop.
    """

    elements: dict[str, str]
    gain: float
    shift: float
    actual: float
    expected: float
    share: float
    lift: float
    leaves: int
    consistent: int
    consistency: str
    confident: bool

    @property
    def words(self) -> str:
        """`a = x, b = y`, or that no dimension stands out."""
        return ", ".join(f"{name} = {value}" for name, value in self.elements.items()) or "everywhere, no dimension"


@dataclass(frozen=True)
class Explanation:
    """Causes, the ranked list behind them, and for a ratio the split into rate and mix."""

    causes: tuple[Cause, ...]
    ranked: tuple[Cause, ...]
    everywhere: bool
    rate_mix: RateMix | None


def locate(leaves: pd.DataFrame, dims: Sequence[str], kind: Kind, max_dims: int = 3) -> list[Cause]:
    """The causes of a change; see `explain` for the leaves."""
    return list(explain(leaves, dims, kind, max_dims).causes)


def explain(leaves: pd.DataFrame, dims: Sequence[str], kind: Kind, max_dims: int = 3) -> Explanation:
    """Search the segments that moved.

    Args:
        leaves: one row per combination of dimension values, over the incident's windows. Amounts and counts: columns
            `actual` and `expected`. Ratios: `numerator`, `denominator` now, and `history_numerator`,
            `history_denominator` of the same combination before.
        dims: the dimension columns.
        kind: `amount`, `count` or `ratio`; from the contract, never guessed.
        max_dims: how many dimensions a cause may fix; all of them where there are at most six.

    Raises:
        UsageError: a column is missing, or a number is negative or not finite.
    """
    actual, expected = _sides(leaves, dims, kind)
    keep = (actual + expected) > 0
    if kind == "ratio":
        keep &= leaves["denominator"].to_numpy(dtype=np.float64) > 0
    if not keep.any():
        return Explanation((), (), everywhere=False, rate_mix=None)
    frame = leaves.loc[keep].reset_index(drop=True)
    actual, expected = actual[keep], expected[keep]
    # A dimension with one value, such as the one feature that a ratio exists for, tells nothing apart.
    dims = [name for name in dims if frame[name].nunique(dropna=False) > 1]
    if not dims:
        return Explanation((), (), everywhere=False, rate_mix=None)
    codes, values = _encode(frame, dims)
    depth = len(dims) if len(dims) <= _ALL_DIMENSIONS else max_dims
    shape = tuple(len(each) for each in values)
    scanned = scan(codes, shape, actual, expected, kind, depth)
    build = _Builder(dims, values, codes, actual, expected, scanned)
    causes = (build.everything(),) if scanned.everywhere else tuple(build.cause(each) for each in scanned.causes)
    split = None
    if kind == "ratio":
        names = ("numerator", "denominator", "history_numerator", "history_denominator")
        columns = [leaves[name].to_numpy(dtype=np.float64) for name in names]
        if columns[1].sum() > 0 and columns[3].sum() > 0:
            split = rate_and_mix(*columns)
    ranked = tuple(build.cause(each) for each in scanned.ranked)
    return Explanation(causes, ranked, scanned.everywhere, split)


def _sides(leaves: pd.DataFrame, dims: Sequence[str], kind: Kind) -> tuple[Floats, Floats]:
    ratio = ("numerator", "denominator", "history_numerator", "history_denominator")
    needed = ratio if kind == "ratio" else ("actual", "expected")
    missing = [name for name in (*dims, *needed) if name not in leaves.columns]
    if missing:
        raise UsageError(
            f"leaves of kind {kind} lack column '{missing[0]}'", hint=f"give {', '.join((*dims, *needed))}"
        )
    columns = {name: leaves[name].to_numpy(dtype=np.float64) for name in needed}
    for name, values in columns.items():
        wrong = np.flatnonzero(~np.isfinite(values) | (values < 0))
        if wrong.size:
            raise UsageError(f"leaves: {name} of row {wrong[0]} is {values[wrong[0]]}", hint="give numbers from 0 up")
    if kind != "ratio":
        return columns["actual"], columns["expected"]
    k, n, past_k, past_n = (columns[name] for name in ratio)
    overall = past_k.sum() / past_n.sum() if past_n.sum() > 0 else 0.0
    return k, n * (past_k + _PRIOR_EVENTS * overall) / (past_n + _PRIOR_EVENTS)


def _encode(frame: pd.DataFrame, dims: Sequence[str]) -> tuple[Codes, list[list[str]]]:
    columns, values = [], []
    for name in dims:
        codes, uniques = pd.factorize(frame[name].astype("string").fillna("(none)"), sort=True)
        columns.append(codes.astype(np.int64))
        values.append([str(each) for each in uniques])
    return np.stack(columns, axis=1), values


class _Builder:
    """Turns elements of codes into causes with names and figures."""

    def __init__(
        self,
        dims: Sequence[str],
        values: list[list[str]],
        codes: Codes,
        actual: Floats,
        expected: Floats,
        scanned: Scanned,
    ) -> None:
        self._dims, self._values, self._codes = dims, values, codes
        self._actual, self._expected = actual, expected
        self._scanned = scanned
        self._delta = float((actual - expected).sum())

    def cause(self, found: Found) -> Cause:
        """The cause of one element."""
        members = (self._codes[:, list(found.dims)] == np.array(found.code)).all(axis=1)
        elements = {self._dims[dim]: self._values[dim][code] for dim, code in zip(found.dims, found.code, strict=True)}
        confident = self._scanned.confident and found.gain >= self._scanned.stop
        return self._cause(elements, members, found.gain, found.shift, confident)

    def everything(self) -> Cause:
        """The cause that names no dimension: all segments moved alike."""
        members = np.ones(len(self._actual), dtype=bool)
        total = self._actual.sum() + self._expected.sum()
        shift = abs(2 * self._delta / total)
        return self._cause({}, members, float("inf"), float(shift), confident=True)

    def _cause(
        self, elements: dict[str, str], members: np.ndarray, gain: float, shift: float, confident: bool
    ) -> Cause:
        actual, expected = self._actual[members], self._expected[members]
        delta = float((actual - expected).sum())
        share = delta / self._delta if self._delta else 0.0
        part = expected.sum() / self._expected.sum() if self._expected.sum() > 0 else 0.0
        moved = np.sign(actual - expected) == np.sign(delta)
        return Cause(
            elements=elements,
            gain=gain,
            shift=shift * self._scanned.direction,
            actual=float(actual.sum()),
            expected=float(expected.sum()),
            share=share,
            lift=share / part if part > 0 else float("inf"),
            leaves=int(members.sum()),
            consistent=int(moved.sum()),
            consistency=_consistency(actual, expected, moved, delta),
            confident=confident,
        )


def _consistency(actual: Floats, expected: Floats, moved: np.ndarray, delta: float) -> str:
    """`31 of 32 sub-segments fell, by 34 % (middle half: 29 to 38 %)`."""
    usual = expected > 0
    verb = "rose" if delta >= 0 else "fell"
    if not usual.any():
        return f"{int(moved.sum())} of {len(moved)} sub-segments {verb}, from nothing"
    change = np.abs(actual[usual] / expected[usual] - 1)
    low, middle, high = np.quantile(change, [0.25, 0.5, 0.75])
    return (
        f"{int(moved.sum())} of {len(moved)} sub-segments {verb}, by {middle:.0%} "
        f"(middle half: {low:.0%} to {high:.0%})"
    )
