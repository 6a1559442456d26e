"""How far the true value behind a batch's statistic can be: limits that only one batch in a thousand million crosses.

A batch is a sample of what the product sends. A share of 2 % among 50 rows says little about a bound of 1 %, a share of
2 % among 50,000 rows says it all. So a check is failed by the limit that is kindest to the batch, never by the value
alone: data whose true statistic keeps the bound fail a check with a probability of at most ALPHA per stratum. Exact for
shares and medians whatever the distribution, asymptotic for means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

# With 5 checks of 5 strata on a batch every 2 seconds: less than one false hold in 130 weeks, were every true value
# exactly at its bound; the further inside it is, the rarer still.
ALPHA = 1e-9


@dataclass(frozen=True)
class Estimate:
    """A statistic of one stratum, and the limits (may be infinite) between which the true value lies."""

    value: float
    lower: float
    upper: float
    rows: int


def exactly(value: float, rows: int) -> Estimate:
    """An estimate without sampling error: a property of the rows themselves, such as their smallest value."""
    return Estimate(value, value, value, rows)


def share(hits: int, rows: int) -> Estimate:
    """Limits of a proportion (Clopper, Pearson: "The use of confidence or fiducial limits", Biometrika 1934)."""
    if rows == 0:
        return Estimate(math.nan, 0.0, 1.0, 0)
    lower = 0.0 if hits == 0 else float(special.betaincinv(hits, rows - hits + 1, ALPHA))
    upper = 1.0 if hits == rows else float(special.betainccinv(hits + 1, rows - hits, ALPHA))
    return Estimate(hits / rows, lower, upper, rows)


def median(values: NDArray[np.float64]) -> Estimate:
    """Limits of a median: two order statistics, chosen by the binomial law (David, Nagaraja: "Order Statistics", 7.1).

    Fewer than 30 values cannot exclude anything at ALPHA; their limits are infinite.
    """
    rows = int(values.size)
    if rows == 0:
        return Estimate(math.nan, -math.inf, math.inf, 0)
    ordered = np.sort(values)
    rank = _median_rank(rows)
    lower, upper = (float(ordered[rank - 1]), float(ordered[rows - rank])) if rank else (-math.inf, math.inf)
    return Estimate(float(np.median(ordered)), lower, upper, rows)


def mean(values: NDArray[np.float64]) -> Estimate:
    """Limits of a mean by Student's t; infinite for fewer than two values, none where the mean itself is infinite."""
    rows = int(values.size)
    if rows < 2:
        return Estimate(float(values[0]) if rows else math.nan, -math.inf, math.inf, rows)
    middle = float(values.mean())
    if not math.isfinite(middle):
        return exactly(middle, rows)
    return mean_of(middle, float(values.std(ddof=1)), rows)


def mean_of(middle: float, deviation: float, rows: int) -> Estimate:
    """The same from what is already summed up: mean, standard deviation (of `rows - 1`) and number of values."""
    if rows < 2:
        return Estimate(middle, -math.inf, math.inf, rows)
    reach = float(stats.t.isf(ALPHA, rows - 1)) * deviation / math.sqrt(rows)
    return Estimate(middle, middle - reach, middle + reach, rows)


@lru_cache(maxsize=65_536)
def _median_rank(rows: int) -> int:
    """Greatest rank, from 1, that lies above the true median with a probability below ALPHA; 0: none."""
    return max(int(stats.binom.ppf(ALPHA, rows, 0.5)), 0)
