"""Continuous evidence of one series: how far from its usual level and spread it stands, high through a whole incident.

An alert is one early moment; this is what a chart shows beside it. Causal: each point is judged by the points before
and itself.
"""

from __future__ import annotations

import numpy as np

from pipelines.detect import trailing
from pipelines.detect.grid import Floats
from pipelines.detect.signals import LEAST, Material

_USUAL = 6000
_HELD = 96
_FURTHEST, _WIDEST = 20.0, 5.0
# A median absolute deviation of normal noise times this is its standard deviation.
_NORMAL = 1.4826


def standing(material: Material) -> Floats:
    """hypot(A, B / 2), (points,): A of the level, B of the spread, each of the value plus of what is off its season.

    A is the absolute mean of the last 96 robust z-scores, cut at 20; B the robust z-score of the range of the last 96,
    from 0 to 5. Robust: against median and median absolute deviation of the last 6000.
    """
    level, spread = np.zeros(len(material.value)), np.zeros(len(material.value))
    for signal in (material.value, material.off_season):
        level += np.abs(trailing.mean(np.clip(robust(signal), -_FURTHEST, _FURTHEST), _HELD))
        width = trailing.highest(signal, _HELD) - trailing.lowest(signal, _HELD)
        spread += np.clip(robust(width), 0.0, _WIDEST)
    return np.hypot(level, spread / 2.0)


def robust(signal: Floats) -> Floats:
    """z-scores against median and deviation of the last 6000 points; 0 while fewer than 50 are known."""
    middle = trailing.median(signal, _USUAL, LEAST)
    deviation = trailing.median(np.abs(signal - middle), _USUAL, LEAST)
    scale = _NORMAL * deviation + 1e-9 * np.abs(middle) + 1e-12
    return np.nan_to_num((signal - middle) / scale)
