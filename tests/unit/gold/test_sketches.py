"""A quantile read from the log-bucket histogram is near the true one, and merging histograms changes nothing."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.gold.sketches import GROWTH, UNDERFLOW, bucket_value, quantile


def histogram(values: list[float]) -> Counter[int]:
    return Counter(math.floor(math.log(v) / math.log(GROWTH)) if v > 0 else UNDERFLOW for v in values)


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=200), st.sampled_from([0.1, 0.5, 0.95, 0.99]))
def test_a_quantile_is_within_two_percent(values: list[float], q: float) -> None:
    true = float(np.quantile(values, q, method="lower"))
    assert quantile(histogram(values), q) == pytest.approx(true, rel=math.sqrt(GROWTH) - 1 + 1e-9)


@given(st.lists(st.floats(0.01, 1e6), min_size=1), st.lists(st.floats(0.01, 1e6), min_size=1))
def test_merged_histograms_are_the_histogram_of_all_values(left: list[float], right: list[float]) -> None:
    assert histogram(left) + histogram(right) == histogram(left + right)


def test_what_has_no_logarithm_counts_as_zero() -> None:
    assert quantile(histogram([0.0, -3.0]), 0.5) == 0.0
    assert bucket_value(UNDERFLOW) == 0.0


def test_an_empty_histogram_has_no_quantile() -> None:
    assert math.isnan(quantile({}, 0.95))
