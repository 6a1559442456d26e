"""Failure rates of calls between services, drawn: some 200 leaves, failures in the tens, faults in one or two elements.

In the style of RobustSpot's data (real video streams, one minute against the four before): leaves of very different
traffic, a rate of failures that differs by service and wanders from minute to minute by more than chance alone, a
history too short to know a leaf's own rate. A fault raises the failures of an element of one to three dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

DIMS = ("caller", "service", "zone", "version")
_SIZES = (5, 5, 4, 2)
_HISTORY = 4  # minutes before the fault
_RATE = 0.02  # of failures, in the middle of the services
_CALLS = 9.0  # a minute, of the middle leaf
# How often a fault fixes one, two or three dimensions, and how often there are two at once; as in RobustSpot's labels.
_DEPTHS = (0.6, 0.3, 0.1)
_TWO = 0.06
# A fault multiplies the failures of its element by a factor from these, log-uniformly (of RobustSpot's, 10 % are below
# 2.5, half below 8.5, 10 % above 21), and is one that detection would see: it adds this part of all usual failures.
_FACTOR = (2.5, 20.0)
_SEEN = 0.4


@dataclass(frozen=True)
class Case:
    """Leaves as `pipelines.explain` takes a ratio's, and the elements that the fault is in."""

    seed: int
    leaves: pd.DataFrame
    truth: tuple[Mapping[str, str], ...]


def draw(seed: int) -> Case:
    """The case of a seed."""
    rng = np.random.default_rng(seed)
    codes = np.array(list(product(*(range(size) for size in _SIZES))))
    frame = pd.DataFrame({name: [f"{name[0]}{code}" for code in codes[:, i]] for i, name in enumerate(DIMS)})
    calls = _CALLS * np.prod([_popularity(rng, size)[codes[:, i]] for i, size in enumerate(_SIZES)], axis=0)
    calls *= rng.lognormal(0, 0.7, len(frame))
    usual = _RATE * rng.lognormal(0, 0.5, _SIZES[1])[codes[:, 1]] * rng.lognormal(0, 0.3, len(frame))
    past = rng.poisson(calls * _HISTORY)
    now = rng.poisson(calls)
    wander = rng.lognormal(0, 0.2) * rng.gamma(4, 1 / 4, len(frame))
    faults = 2 if rng.random() < _TWO else 1
    extra = np.zeros(len(frame))
    truth: list[dict[str, str]] = []
    while len(truth) < faults:
        element, inside = _element(rng, codes)
        failing = float((usual * now)[inside].sum())
        added = (np.exp(rng.uniform(*np.log(_FACTOR))) - 1) * failing
        everything = bool((inside | (extra > 0)).all())
        if added < _SEEN * (usual * now).sum() or element in truth or everything:
            continue
        # Not the same part of each leaf's calls: a fault finds some of them readier than others.
        extra = np.where(inside, added / now[inside].sum() * rng.gamma(4, 1 / 4, len(frame)), extra)
        truth.append(element)
    rate = np.minimum(usual * wander + extra, 0.95)
    return Case(
        seed,
        frame.assign(
            numerator=rng.binomial(now, rate),
            denominator=now,
            history_numerator=rng.binomial(past, np.minimum(usual, 0.95)),
            history_denominator=past,
        ),
        tuple(truth),
    )


def _popularity(rng: np.random.Generator, size: int) -> np.ndarray:
    """How much more or less than the middle each value of a dimension is called."""
    return rng.lognormal(0, 0.5, size)


def _element(rng: np.random.Generator, codes: np.ndarray) -> tuple[dict[str, str], np.ndarray]:
    width = 1 + int(rng.choice(len(_DEPTHS), p=_DEPTHS))
    dims = sorted(rng.choice(len(DIMS), size=width, replace=False))
    values = {int(dim): int(rng.integers(_SIZES[dim])) for dim in dims}
    inside = np.all([codes[:, dim] == value for dim, value in values.items()], axis=0)
    return {DIMS[dim]: f"{DIMS[dim][0]}{value}" for dim, value in values.items()}, inside
