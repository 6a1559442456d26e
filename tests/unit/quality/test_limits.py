"""Limits exclude only what the data exclude: the binomial law itself is asked, not the formula again."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from quality import limits

ROWS = st.integers(1, 3000)


@given(rows=ROWS, data=st.data())
def test_a_true_share_at_a_limit_would_show_such_a_batch_once_in_a_thousand_million(
    rows: int, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, rows))
    found = limits.share(hits, rows)
    assert 0 <= found.lower <= found.value <= found.upper <= 1
    if hits:
        assert stats.binom.sf(hits - 1, rows, found.lower) == pytest.approx(limits.ALPHA, rel=1e-3)
    if hits < rows:
        assert stats.binom.cdf(hits, rows, found.upper) == pytest.approx(limits.ALPHA, rel=1e-3)


@given(rows=ROWS)
def test_the_median_lies_below_its_lower_limit_with_less_than_alpha(rows: int) -> None:
    values = np.arange(rows, dtype=float)
    found = limits.median(np.random.default_rng(rows).permutation(values))
    if math.isinf(found.lower):
        assert stats.binom.cdf(0, rows, 0.5) > limits.ALPHA
        return
    below = int(found.lower)  # so many values lie under the lower limit
    assert stats.binom.cdf(below, rows, 0.5) <= limits.ALPHA * (1 + 1e-9)
    assert stats.binom.cdf(below + 1, rows, 0.5) > limits.ALPHA
    assert found.lower + found.upper == rows - 1


def test_thirty_values_are_the_fewest_that_say_anything_of_a_median() -> None:
    assert math.isinf(limits.median(np.ones(29)).lower)
    assert limits.median(np.ones(30)).lower == 1


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=50))
def test_limits_of_a_mean_contain_it_and_move_with_the_data(values: list[float]) -> None:
    found = limits.mean(np.array(values))
    moved = limits.mean(np.array(values) + 1e7)
    assert found.lower <= found.value <= found.upper
    assert moved.upper - found.upper == pytest.approx(1e7, rel=1e-3)


def test_the_mean_of_one_value_excludes_nothing_and_an_infinite_one_is_what_it_is() -> None:
    assert limits.mean(np.array([3.0])).upper == math.inf
    assert limits.mean(np.array([3.0, math.inf])).lower == math.inf


def test_no_rows_exclude_nothing() -> None:
    assert (limits.share(0, 0).lower, limits.share(0, 0).upper) == (0, 1)
    assert math.isinf(limits.median(np.array([])).upper)
