"""The scan names the segments that moved, all of them and nothing else, on leaves made with a known cause."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UsageError
from pipelines.explain import explain, locate

DIMS = ["a", "b", "c", "d"]
SHAPE = (6, 5, 4, 4)


def leaves(seed: int, noise: float = 0.05) -> pd.DataFrame:
    """Amounts with lognormal sizes and a relative noise of their own."""
    rng = np.random.default_rng(seed)
    rows = list(product(*(range(size) for size in SHAPE)))
    frame = pd.DataFrame([[f"{name}{v}" for name, v in zip(DIMS, row, strict=True)] for row in rows], columns=DIMS)
    frame["expected"] = rng.lognormal(4, 1, len(frame))
    frame["actual"] = frame["expected"] * np.clip(1 + rng.normal(0, noise, len(frame)), 0, None)
    return frame


def members(frame: pd.DataFrame, elements: dict[str, str]) -> pd.Series:
    inside = pd.Series(True, index=frame.index)
    for name, value in elements.items():
        inside &= frame[name] == value
    return inside


@pytest.mark.parametrize("elements", [{"a": "a2"}, {"b": "b1", "c": "c3"}, {"a": "a0", "b": "b4", "d": "d1"}])
@pytest.mark.parametrize("factor", [0.4, 1.9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_one_segment_that_moved_is_named(elements: dict[str, str], factor: float, seed: int) -> None:
    frame = leaves(seed)
    frame.loc[members(frame, elements), "actual"] *= factor
    (cause,) = locate(frame, DIMS, "amount")
    assert cause.elements == elements
    assert cause.confident
    assert cause.leaves == members(frame, elements).sum()
    assert (cause.actual > cause.expected) == (factor > 1)


def test_two_segments_that_moved_are_both_named() -> None:
    frame = leaves(7)
    for elements, factor in (({"a": "a1"}, 0.5), ({"b": "b2", "c": "c0"}, 0.3)):
        frame.loc[members(frame, elements), "actual"] *= factor
    assert [cause.elements for cause in locate(frame, DIMS, "amount")] == [{"a": "a1"}, {"b": "b2", "c": "c0"}]


@pytest.mark.parametrize("fell", [["b1", "b3"], ["b0", "b4"]])
def test_parts_that_moved_are_named_where_the_rest_of_their_segment_stayed(fell: list[str]) -> None:
    """So far from the little noise that their whole segment gains more than either of them."""
    frame = leaves(4, noise=0.02)
    frame.loc[(frame["a"] == "a1") & frame["b"].isin(fell), "actual"] *= 0.3
    causes = locate(frame, DIMS, "amount")
    assert sorted(cause.elements["b"] for cause in causes) == fell
    assert all(cause.elements.keys() == {"a", "b"} and cause.elements["a"] == "a1" for cause in causes)


@pytest.mark.parametrize("rest", [0.3, 0.5])
def test_a_segment_whose_every_part_moved_is_named_as_one(rest: float) -> None:
    frame = leaves(4, noise=0.02)
    frame.loc[members(frame, {"a": "a1"}), "actual"] *= np.where(frame["b"].isin(["b1", "b3"]), 0.3, rest)[
        frame["a"] == "a1"
    ]
    assert locate(frame, DIMS, "amount")[0].elements == {"a": "a1"}


@pytest.mark.parametrize(
    ("factor_of_the_taken", "named"),
    [(1.0, {"a": "a1", "b": "b1", "c": "c1", "d": "d2"}), (0.2, {"a": "a1", "b": "b1", "c": "c1"})],
)
def test_leaves_of_an_earlier_cause_say_how_wide_a_later_one_is(
    factor_of_the_taken: float, named: dict[str, str]
) -> None:
    """Of the segment, one leaf is left and one belongs to an earlier cause: whether it fell as far as the other."""
    frame = leaves(5)
    segment = members(frame, {"a": "a1", "b": "b1", "c": "c1"})
    frame = frame[~segment | frame["d"].isin(["d0", "d2"])].reset_index(drop=True)
    frame.loc[members(frame, {"d": "d0"}), "actual"] *= 0.7
    for value, factor in (("d0", factor_of_the_taken), ("d2", 0.2)):
        frame.loc[members(frame, {"a": "a1", "b": "b1", "c": "c1", "d": value}), "actual"] *= factor
    assert [cause.elements for cause in locate(frame, DIMS, "amount")] == [{"d": "d0"}, named]


def test_a_change_of_everything_names_no_segment() -> None:
    frame = leaves(3)
    frame["actual"] *= 1.8
    (cause,) = locate(frame, DIMS, "amount")
    assert cause.elements == {}
    assert cause.words == "everywhere, no dimension"


def test_sparse_counts_of_an_outage_name_its_segment() -> None:
    rng = np.random.default_rng(5)
    frame = leaves(5)
    frame["expected"] = rng.lognormal(1.2, 0.8, len(frame))
    mean = frame["expected"].where(~members(frame, {"c": "c1"}), frame["expected"] * 0.1)
    frame["actual"] = rng.poisson(mean)
    assert [cause.elements for cause in locate(frame, DIMS, "count")] == [{"c": "c1"}]


def test_a_ratio_that_fell_in_one_segment_is_found_and_its_change_is_rate() -> None:
    rng = np.random.default_rng(11)
    frame = leaves(11)[DIMS]
    frame["denominator"] = rng.poisson(40, len(frame))
    frame["history_denominator"] = frame["denominator"] * 50
    frame["history_numerator"] = (frame["history_denominator"] * 0.6).round()
    rate = np.where(members(frame, {"a": "a3", "d": "d2"}), 0.2, 0.6)
    frame["numerator"] = rng.binomial(frame["denominator"], rate)
    found = explain(frame, DIMS, "ratio")
    assert [cause.elements for cause in found.causes] == [{"a": "a3", "d": "d2"}]
    assert found.rate_mix is not None
    assert abs(found.rate_mix.rate) > 10 * abs(found.rate_mix.mix)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(SHAPE[0])), st.randoms(use_true_random=False))
def test_renaming_values_and_shuffling_rows_changes_nothing(order: list[int], random: object) -> None:
    frame = leaves(2)
    frame.loc[members(frame, {"a": "a4", "b": "b1"}), "actual"] *= 0.5
    names = {f"a{i}": f"z{order[i]}" for i in range(SHAPE[0])}
    seed = random.randint(0, 2**31)  # type: ignore[attr-defined]
    renamed = frame.assign(a=frame["a"].map(names)).sample(frac=1, random_state=seed)
    assert [cause.elements for cause in locate(renamed, DIMS, "amount")] == [{"a": names["a4"], "b": "b1"}]


def test_sparse_and_dense_cubes_agree() -> None:
    frame = leaves(9)
    frame.loc[members(frame, {"b": "b3", "d": "d0"}), "actual"] *= 0.4
    # A dimension with a value of its own for every leaf makes the dense cube far too large.
    sparse = frame.assign(unique=[f"u{i}" for i in range(len(frame))])
    assert [cause.elements for cause in locate(sparse, [*DIMS, "unique"], "amount")] == [{"b": "b3", "d": "d0"}]


def test_leaves_without_events_say_nothing() -> None:
    frame = leaves(1).assign(actual=0.0, expected=0.0)
    assert locate(frame, DIMS, "amount") == []


def test_a_missing_column_and_a_negative_number_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'expected'"):
        locate(leaves(1).drop(columns="expected"), DIMS, "amount")
    frame = leaves(1)
    frame.loc[3, "actual"] = -1
    with pytest.raises(UsageError, match="actual of row 3"):
        locate(frame, DIMS, "amount")
