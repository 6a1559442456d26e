"""The tests of one metric's windows, all in arrays: what `evaluate` finds and `evidence` writes down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from pipelines.detect.grid import Floats, Grid, Mask
from pipelines.detect.learnt import Learnt
from pipelines.detect.statistics import Sums


@dataclass(frozen=True)
class Judged:
    """Arrays (series, windows) by test, or by test and direction; `limit` (series,) is for all tests together.

    `p` counts both directions where both are looked at. `since` is the index of the window where a deviation began.
    `met` has the conditions for firing by name, of which all must hold; windows that are `planned` or `muted` have
    their reason in the contract.
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
    met: dict[tuple[str, str], dict[str, Mask]]
    planned: Mask
    muted: Mask

    def apart(self, rest: Judged) -> Judged:
        """This in planned windows, `rest` in all others."""

        def pick(here: Floats, there: Floats) -> Floats:
            return np.asarray(np.where(self.planned, here, there))

        return replace(
            self,
            sums={
                test: Sums(
                    *(pick(getattr(each, part), getattr(rest.sums[test], part)) for part in ("y", "m", "w", "count"))
                )
                for test, each in self.sums.items()
            },
            statistic=_each(self.statistic, rest.statistic, pick),
            p=_each(self.p, rest.p, pick),
            fired={key: np.where(self.planned, mask, rest.fired[key]) for key, mask in self.fired.items()},
            since=_each(self.since, rest.since, pick),
            effect=_each(self.effect, rest.effect, pick),
            met={
                key: {name: np.where(self.planned, mask, rest.met[key][name]) for name, mask in met.items()}
                for key, met in self.met.items()
            },
        )

    def silenced(self) -> Judged:
        """The same with nothing fired where the series is muted."""
        return replace(self, fired={key: mask & ~self.muted for key, mask in self.fired.items()})


_Key = TypeVar("_Key")


def _each(
    here: dict[_Key, Floats], there: dict[_Key, Floats], pick: Callable[[Floats, Floats], Floats]
) -> dict[_Key, Floats]:
    return {key: pick(value, there[key]) for key, value in here.items()}
