"""Statistics per stratum: what each is, which rows it is taken of, and when there are too few."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from pipelines.contract import Check, Condition
from quality.statistics import STATISTICS, Stratum, selected, strata

X = [1.0, 2.0, 2.0, 7.0, None]


def check(statistic: str, **more: Any) -> Check:
    given = {"name": "c", "column": "x", "statistic": statistic, "min": 0, "owner": "o", "why": "w", "minimum_rows": 1}
    return Check.model_validate({**given, **more})


def judged(of: Check, rows: pd.DataFrame, before: pd.DataFrame | None = None, borrow_to: int = 0) -> list[Stratum]:
    return strata(of, rows, pd.DataFrame(columns=rows.columns) if before is None else before, borrow_to=borrow_to)


@pytest.mark.parametrize(
    ("statistic", "more", "value", "rows"),
    [
        ("median", {}, 2.0, 4),
        ("mean", {}, 3.0, 4),
        ("min", {}, 1.0, 4),
        ("max", {}, 7.0, 4),
        ("null_share", {}, 0.2, 5),
        ("in_range_share", {"low": 2, "high": 6}, 0.5, 4),
        ("in_range_share", {"low": 2}, 0.75, 4),
        ("in_set_share", {"values": (1, 7)}, 0.5, 4),
        ("unique_share", {}, 0.75, 4),
    ],
)
def test_each_statistic_over_what_is_not_null(statistic: str, more: dict[str, Any], value: float, rows: int) -> None:
    (found,) = judged(check(statistic, **more), pd.DataFrame({"x": X}))
    assert found.estimate.value == value
    assert found.estimate.rows == rows
    assert found.estimate.lower <= value <= found.estimate.upper


def test_every_statistic_that_a_contract_may_name_is_known() -> None:
    names = Check.model_fields["statistic"].annotation.__args__  # type: ignore[union-attr]
    assert set(STATISTICS) == set(names)


@pytest.mark.parametrize(
    ("op", "value", "chosen"),
    [
        ("=", 2.0, [0, 1, 1, 0, 0]),
        ("!=", 2.0, [1, 0, 0, 1, 0]),
        ("<", 2.0, [1, 0, 0, 0, 0]),
        ("<=", 2.0, [1, 1, 1, 0, 0]),
        (">", 2.0, [0, 0, 0, 1, 0]),
        (">=", 2.0, [0, 1, 1, 1, 0]),
        ("in", [1, 7], [1, 0, 0, 1, 0]),
    ],
)
@pytest.mark.parametrize("kind", [float, object])
def test_a_null_meets_no_condition(op: Any, value: Any, chosen: list[int], kind: type) -> None:
    frame = pd.DataFrame({"x": pd.Series(X, dtype=kind)})
    assert selected([Condition(column="x", op=op, value=value)], frame).tolist() == [bool(c) for c in chosen]


def test_strata_are_told_apart_and_a_missing_label_is_one_of_them() -> None:
    rows = pd.DataFrame({"x": [1.0, 3.0, 10.0, 20.0], "v": ["b", "b", "a", None]})
    found = judged(check("mean", by=("v",)), rows)
    assert [(dict(s.labels), s.estimate.value) for s in found] == [
        ({"v": "(none)"}, 20.0),
        ({"v": "a"}, 10.0),
        ({"v": "b"}, 2.0),
    ]


def test_a_stratum_below_its_minimum_is_not_judged() -> None:
    rows = pd.DataFrame({"x": [1.0] * 5 + [2.0] * 4 + [None] * 9, "v": ["a"] * 5 + ["b"] * 13})
    assert [dict(s.labels) for s in judged(check("mean", by=("v",), minimum_rows=5), rows)] == [{"v": "a"}]


def test_a_small_stratum_borrows_just_enough_of_its_newest_predecessors() -> None:
    before = pd.DataFrame({"x": [100.0, 5.0, 6.0, 50.0], "v": ["a", "a", "a", "b"]})
    rows = pd.DataFrame({"x": [7.0], "v": ["a"]})
    (found,) = judged(check("mean", by=("v",), minimum_rows=3), rows, before)
    assert found.estimate.value == 6.0
    assert found.borrowed == 2
    assert "2 of them from earlier batches" in str(found)


def test_a_stratum_that_this_batch_has_no_rows_of_is_nobodys_fault() -> None:
    before = pd.DataFrame({"x": [9.0] * 50, "v": ["bad"] * 50})
    found = judged(check("mean", by=("v",)), pd.DataFrame({"x": [1.0], "v": ["good"]}), before)
    assert [dict(s.labels) for s in found] == [{"v": "good"}]


def test_a_large_enough_stratum_borrows_nothing() -> None:
    before = pd.DataFrame({"x": [100.0] * 50})
    (found,) = judged(check("mean", minimum_rows=2), pd.DataFrame({"x": [1.0, 3.0]}), before)
    assert found.estimate.value == 2.0
    assert found.borrowed == 0


def test_a_small_batch_is_filled_up_with_its_predecessors() -> None:
    before = pd.DataFrame({"x": [10.0] * 6})
    (found,) = judged(check("mean"), pd.DataFrame({"x": [1.0, 3.0]}), before, borrow_to=4)
    assert found.estimate.value == 6.0
    assert found.borrowed == 2


@pytest.mark.parametrize("statistic", ["min", "max", "unique_share"])
def test_what_is_exact_is_judged_on_the_batchs_own_rows(statistic: str) -> None:
    rows = pd.DataFrame({"x": [4.0, 5.0]})
    (found,) = judged(check(statistic), rows, pd.DataFrame({"x": [4.0, 99.0, -99.0]}), borrow_to=200)
    assert found.estimate.value == {"min": 4.0, "max": 5.0, "unique_share": 1.0}[statistic]
    assert found.borrowed == 0
