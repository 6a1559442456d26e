"""The formulas of the scan, over arrays of leaves and of elements; `scan` says what they are and what they are for."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pipelines.explain.cuboids import Codes, Floats

Kind = Literal["amount", "count", "ratio", "sum"]

# Sampling variance per unit of 2 / (a + e), and the least spread between leaves, by kind of metric.
NOISE: dict[Kind, tuple[float, float]] = {
    "amount": (0.0, 0.03),
    "count": (1.0, 0.03),
    "sum": (1.0, 0.03),
    "ratio": (1.0, 0.4),
}
_AT_ONCE = 8192  # elements whose gains are computed together: with all steps between in a core's cache
_LOG_TAIL = np.log(1e-30 * np.sqrt(2 * np.pi) / 4)


def shifts(actual: Floats, expected: Floats, direction: int) -> tuple[Floats, Floats]:
    """d, positive where leaves moved in the direction, and x of every leaf."""
    total = actual + expected
    return direction * 2 * (actual - expected) / total, 2 / total


def noise(d: Floats, x: Floats, kind: Kind) -> tuple[float, float]:
    """What leaves add to numerator and denominator of the spread s^2 between sound ones."""
    phi, least = NOISE[kind]
    sound = d < 0
    w0 = 1 / (least**2 + phi * x[sound])
    return float((w0 * (d[sound] ** 2 - phi * x[sound])).sum()), float(w0.sum())


def variance(above: float, below: float, kind: Kind) -> float:
    """s^2 from the sums of `noise`."""
    return max(NOISE[kind][1] ** 2, above / below if below > 0 else 0.0)


def channels(d: Floats, x: Floats, kind: Kind, variance: float) -> Floats:
    """Leaf columns n, w, w d, w d^2 and the log-likelihood part."""
    phi, _ = NOISE[kind]
    w = 1 / (variance + phi * x)
    half = 0.5 * np.log(w)
    null = np.logaddexp(half - w * d**2 / 2, _LOG_TAIL)
    return np.stack([np.ones_like(d), w, w * d, w * d**2, half - null])


def spread_of(mu: Any) -> Any:
    """How far the leaves of one cause may lie apart: beyond it an element is taken for a mixture."""
    return np.maximum(0.05, 0.3 * np.abs(mu))


def gain(sums: Floats, variance: float, widths: Floats | Codes) -> tuple[Floats, Floats]:
    """Gain and shift of elements from their sums (channels, elements); -inf where an element is empty."""
    gained, mu = np.empty(len(widths)), np.empty(len(widths))
    for first in range(0, len(widths), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        gained[part], mu[part] = _gain(sums[:, part], variance, widths[part])
    return gained, mu


def _gain(sums: Floats, variance: float, widths: Floats | Codes) -> tuple[Floats, Floats]:
    n, w, a, b, likelihood = sums
    empty = n < 0.5
    w = np.where(empty, 1.0, w)
    mu = a / w
    rest = np.maximum(b - w * mu**2, 0)
    v = np.where(empty, 1.0, n / w)
    h = np.maximum(v - variance, 0)
    k0 = (0.05**2 + h) / v
    cap = (spread_of(mu) ** 2 + h) / v
    k = np.minimum(np.maximum((rest + 3 * k0) / (n + 3), h / v), cap)
    gained = likelihood - n * np.log(k) / 2 - rest / (2 * k) - widths
    return np.where(empty, -np.inf, gained), mu
