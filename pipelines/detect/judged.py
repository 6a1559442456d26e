"""The tests of one metric's windows, all in arrays: what `evaluate` finds and `evidence` writes down."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.detect.grid import Floats, Grid, Mask
from pipelines.detect.learnt import Learnt
from pipelines.detect.statistics import Sums


@dataclass(frozen=True)
class Judged:
    """Arrays (series, windows) by test, or by test and direction; `limit` (series,) is for all tests together.

    `p` counts both directions where both are looked at. `since` is the index of the window where a deviation began.
    """

    grid: Grid
    learnt: Learnt
    limit: Floats
    sums: dict[str, Sums]
    statistic: dict[tuple[str, str], Floats]
    p: dict[tuple[str, str], Floats]
    fired: dict[tuple[str, str], Mask]
    since: dict[tuple[str, str], Floats]
    effect: dict[str, Floats]
