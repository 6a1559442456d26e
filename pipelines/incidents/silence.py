"""Which partitions of the topic fell silent: hardly anything came through one of them while the others went on.

A partition's usual share of the events says how many were to be expected beside what the others brought, so that an
hour of little traffic is no silence. Where a topic falls silent as a whole, metrics see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from pipelines.refine.facts import PARTITION

# Silent is what brings less than this part of the expected, where at least so many events were expected.
_LEFT = 0.2
_LEAST_EXPECTED = 20.0
_LEAST_HISTORY = 200
_P_VALUE = 1e-6
# Keys come and go together: variance beyond the binomial, as the prior weight of a beta-binomial.
_CONCENTRATION = 200.0


@dataclass(frozen=True)
class Silence:
    """A partition that was silent in some windows: events seen in them and expected, and the chance of so few."""

    partition: str
    windows: tuple[pd.Timestamp, ...]
    seen: int
    expected: float
    p_value: float

    @property
    def words(self) -> str:
        """The finding in a sentence."""
        return (
            f"partition {self.partition} brought {self.seen:,} events where about {self.expected:,.0f} were expected "
            "beside those of the other partitions"
        )

    @property
    def headline(self) -> str:
        """In a few words."""
        return f"partition {self.partition} is silent"


def suspects(rows: pd.DataFrame, windows: Sequence[pd.Timestamp]) -> set[pd.Timestamp]:
    """Windows in which a partition brought little beside the others; `rows` are facts of class `PARTITION`."""
    if not len(rows):
        return set()
    counts = rows.pivot_table(index="window_start", columns="reason", values="n", aggfunc="sum", fill_value=0)
    share = counts.sum() / counts.to_numpy().sum()
    counts = counts[counts.index.isin(list(windows))]
    # The shares here are of all windows, the silent ones among them, so that twice the limit is asked for.
    little = counts.le(2 * _LEFT * counts.sum(axis=1).to_numpy()[:, None] * share.to_numpy())
    return set(counts.index[little.any(axis=1)])


def silences(facts: pd.DataFrame, windows: Sequence[pd.Timestamp]) -> list[Silence]:
    """Partitions that were silent in some of `windows`, beside their shares in the windows before the first of them.

    Args:
        facts: columns window_start, class, reason, n; those of class `PARTITION` have the partition for a reason.
        windows: the windows asked about.
    """
    rows = facts[facts["class"] == PARTITION]
    starts = rows["window_start"].to_numpy()
    wanted = np.unique(np.array(windows, dtype=starts.dtype)) if len(rows) else np.empty(0)
    if not len(wanted):
        return []
    codes, names = pd.factorize(rows["reason"], sort=True)
    place = np.asarray(codes, dtype=np.int64)
    n = rows["n"].to_numpy(dtype=np.float64)
    earlier = starts < wanted[0]
    before = np.bincount(place[earlier], weights=n[earlier], minlength=len(names))
    if (before > 0).sum() < 2 or before.sum() < _LEAST_HISTORY:
        return []
    at = np.minimum(np.searchsorted(wanted, starts), len(wanted) - 1)
    inside = wanted[at] == starts
    seen = np.zeros((len(names), len(wanted)))
    np.add.at(seen, (place[inside], at[inside]), n[inside])
    share = before / before.sum()
    others = seen.sum(axis=0) - seen
    expected = others * (share / np.maximum(1.0 - share, 1e-9))[:, None]
    silent = (expected >= _LEAST_EXPECTED) & (seen <= _LEFT * expected)
    found = []
    for i in map(int, np.flatnonzero(silent.any(axis=1))):
        hit = silent[i]
        few, total = int(seen[i, hit].sum()), int((seen + others)[i, hit].sum())
        alpha = _CONCENTRATION * float(share[i])
        p = float(stats.betabinom.cdf(few, total, alpha, _CONCENTRATION - alpha))
        if p <= _P_VALUE:
            when = tuple(pd.Timestamp(each) for each in wanted[hit])
            found.append(Silence(str(names[i]), when, few, float(expected[i, hit].sum()), p))
    return found
