from __future__ import annotations

import numpy as np
import pytest

from pipelines.detect import statistics

QUIET = [0.3, -0.8, 1.2, 0.1, -0.4, 0.6, -1.0, 0.2]


@pytest.mark.parametrize(
    ("score", "began"),
    [
        ([*QUIET, 2.5, 3.0, 2.2], 8),
        ([*QUIET, 9.0, 2.0, 2.5, 0.5], 8),
        # One ordinary window on the way does not end a deviation.
        ([*QUIET, 3.0, 3.0, 0.4, 3.0], 8),
        # An ordinary high window long before is no part of it.
        ([1.3, *QUIET[3:], 3.0, 3.0], 6),
    ],
)
def test_a_deviation_began_where_the_shift_is_likeliest(score: list[float], began: int) -> None:
    assert statistics.onset(np.array([score]), 8)[0, -1] == began


def test_an_onset_is_at_most_so_many_windows_back_and_never_in_the_future() -> None:
    score = np.random.default_rng(5).normal(size=(4, 60)) + 1.0
    index = np.arange(60)
    found = statistics.onset(score, 8)
    assert ((index - found >= 0) & (index - found < 8)).all()


def test_onsets_of_normal_noise_with_a_shift_are_near_the_truth() -> None:
    score = np.random.default_rng(6).normal(size=(2_000, 40))
    score[:, 34:] += 2.5
    off = statistics.onset(score, 12)[:, -1] - 34
    assert abs(np.median(off)) == 0
    assert (np.abs(off) <= 1).mean() > 0.9


def test_a_run_begins_after_the_last_false() -> None:
    mask = np.array([[True, True, False, True, True, True], [False, False, True, False, True, True]])
    assert statistics.run_start(mask).tolist() == [[0, 0, 2, 3, 3, 3], [0, 1, 2, 3, 4, 4]]
