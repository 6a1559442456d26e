"""Rate and mix add up to the whole change, and each stands alone where only it happened."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.explain import rate_and_mix

counts = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), min_size=1, max_size=6)


@given(counts, st.data())
def test_rate_and_mix_add_up_exactly(now: list[tuple[int, int]], data: st.DataObject) -> None:
    before = data.draw(
        st.lists(st.tuples(st.integers(0, 50), st.integers(1, 100)), min_size=len(now), max_size=len(now))
    )
    k1, n1 = np.array(now, dtype=float).T
    k0, n0 = np.array(before, dtype=float).T
    split = rate_and_mix(k1, n1, k0, n0)
    assert split.total == pytest.approx(k1.sum() / n1.sum() - k0.sum() / n0.sum(), abs=1e-9)


def test_a_shift_of_shares_with_constant_rates_is_all_mix() -> None:
    split = rate_and_mix(
        np.array([10.0, 90.0]), np.array([100.0, 100.0]), np.array([5.0, 135.0]), np.array([50.0, 150.0])
    )
    assert split.rate == pytest.approx(0)
    assert split.mix == pytest.approx(-0.2)
