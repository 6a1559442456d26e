"""How seldom an excursion is: its return period, by a generalised-Pareto tail that the series' own history gives.

The law needs no label: it is fitted to excursions pooled over the series of a product. A return period of R points says
that so strong an excursion of this signal begins about once in R points (Coles 2001, chapter 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.detect import trailing
from pipelines.detect.grid import Floats
from pipelines.errors import StateError

# Longer ones cannot be told apart by any history.
LONGEST = 1e6
# Return periods, in points, between which the law is fitted: ordinary noise is shorter, single events are longer.
FITTED = (700.0, 40_000.0)
# One excursion lasts many points; it counts where it is above all of its last so many.
_CLUSTER = 100
_FEWEST = 8
_START = (np.log(1000.0), np.log(0.05), 0.0)


@dataclass(frozen=True)
class ReturnLaw:
    """R = a (1 + e / b)^c points for an excursion of e widths of the range."""

    a: float
    b: float
    c: float

    def period(self, share: Floats) -> Floats:
        """Return period in points, at most `LONGEST`; 0 where there is no excursion."""
        exponent = np.log(self.a) + self.c * np.log1p(share / self.b)
        return np.where(share > 0, np.exp(np.minimum(exponent, np.log(LONGEST))), 0.0)


def peaks(share: Floats, first: int = 0) -> Floats:
    """Excursions from point `first` on that are above all of their last hundred, in the order of time."""
    earlier = np.nan_to_num(trailing.before(trailing.highest(share, _CLUSTER), 1))
    return share[(share > earlier) & (np.arange(len(share)) >= first)]


def fit(pooled: Sequence[Floats], points: int) -> ReturnLaw:
    """The law of excursions that were seen in `points` points of history, all series together.

    The k-th largest has been reached k times, so its return period is points / k; log R is fitted by soft-L1, which a
    few great incidents in the history do not bend.

    Raises:
        StateError: history has too few excursions.
    """
    share = np.sort(np.concatenate(pooled))[::-1] if pooled else np.empty(0)
    observed = points / np.arange(1, len(share) + 1)
    inside = (observed > FITTED[0]) & (observed < FITTED[1])
    if inside.sum() < _FEWEST:
        raise StateError(
            f"{inside.sum()} excursions with return periods of {FITTED[0]:g} to {FITTED[1]:g} points are in "
            f"{points} points of history, expected {_FEWEST}",
            hint="give more history, or keep the laws that the detector has",
        )
    share, target = share[inside], np.log(observed[inside])

    # Half a second to import, and needed only here.
    from scipy import optimize

    def residual(law: Floats) -> Floats:
        return np.asarray(law[0] + np.exp(law[2]) * np.log1p(share / np.exp(law[1])) - target)

    found = optimize.least_squares(residual, _START, loss="soft_l1").x
    return ReturnLaw(*(float(np.exp(each)) for each in found))
