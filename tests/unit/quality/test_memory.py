"""The tail of rows before a batch: bounded, in order, and blind to the batch itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from quality.memory import Memory

START = datetime(2026, 11, 23, tzinfo=UTC)


@given(sizes=st.lists(st.integers(0, 30), max_size=12), limit=st.integers(1, 40))
def test_it_keeps_exactly_the_newest_rows(sizes: list[int], limit: int) -> None:
    memory = Memory(["x"], limit)
    seen: list[int] = []
    for number, size in enumerate(sizes):
        rows = list(range(len(seen), len(seen) + size))
        memory.remember(pd.DataFrame({"x": rows, "other": "unused"}), START + timedelta(seconds=number))
        seen += rows
    kept = memory.before(START + timedelta(days=1))
    assert list(kept["x"]) == seen[-limit:]
    assert list(kept.columns) == ["x"]


def test_a_batch_that_comes_again_does_not_see_itself() -> None:
    memory = Memory(["x"])
    memory.remember(pd.DataFrame({"x": [1]}), START)
    memory.remember(pd.DataFrame({"x": [2]}), START + timedelta(seconds=2))
    assert list(memory.before(START + timedelta(seconds=2))["x"]) == [1]
