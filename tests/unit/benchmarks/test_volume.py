"""VUS-PR is that of TSB-AD: the expected numbers are what its own code says of the same labels and scores."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.volume import period, vus_pr


@pytest.mark.parametrize(
    ("points", "anomalies", "buffer", "coarse", "expected"),
    [
        (600, [(100, 130), (400, 420)], 20, False, 0.46050249673020427),
        # At both ends, with equal scores.
        (500, [(0, 30), (60, 80), (480, 499)], 41, True, 0.5934320734098757),
        (800, [(300, 400)], 0, False, 0.6147653022441169),
        # Buffers that touch.
        (700, [(10, 20), (33, 50), (600, 640)], 60, False, 0.6721521859695413),
        (400, [(200, 200)], 5, True, 0.01298701298701299),
    ],
)
def test_the_volume_is_that_of_tsb_ad(points, anomalies, buffer, coarse, expected):
    labels = np.zeros(points, dtype=np.int64)
    for first, last in anomalies:
        labels[first : last + 1] = 1
    at = np.arange(points)
    score = np.sin(at * at * 0.37) + labels * 0.9
    assert vus_pr(labels, np.round(score, 1) if coarse else score, buffer) == pytest.approx(expected, abs=1e-12)


def test_only_the_order_of_the_score_counts():
    rng = np.random.default_rng(4)
    score = rng.normal(size=400)
    labels = (np.arange(400) // 50 == 3).astype(np.int64)
    assert vus_pr(labels, score, 30) == vus_pr(labels, np.exp(3 * score), 30)


def test_the_period_is_the_lag_of_the_strongest_likeness():
    at = np.arange(3_000)
    noise = np.random.default_rng(2).normal(0, 0.1, 3_000)
    assert period(np.sin(2 * np.pi * at / 48) + noise) == 48
    assert period(np.full(500, 3.0)) == 125
