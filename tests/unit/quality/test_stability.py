"""The population stability index: nothing where nothing has changed, plain where a unit or a share has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines import contract as contracts
from quality.suites.usual import MOST_SHIFT, _strata, stability


def counts(now: list[int], usual: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"now": now, "usual": usual}, index=[f"b{i}" for i in range(len(now))])


@pytest.mark.parametrize("rows", [100, 1_000, 30_000])
@pytest.mark.parametrize("buckets", [2, 5, 12])
def test_samples_of_one_distribution_are_stable(rows: int, buckets: int) -> None:
    rng = np.random.default_rng(rows + buckets)
    for _ in range(40):
        shares = rng.dirichlet(np.ones(buckets))
        drawn = counts(list(rng.multinomial(rows, shares)), list(rng.multinomial(7 * rows, shares)))
        found = stability(drawn)
        assert found is not None
        assert found[0].lower <= MOST_SHIFT


def test_the_index_is_the_textbooks() -> None:
    found = stability(counts([400_000, 600_000], [500_000, 500_000]))
    assert found is not None
    assert found[0].value == pytest.approx(0.1 * np.log(600 / 400), rel=1e-3)


def test_a_unit_that_changes_is_a_shift_even_among_few_rows() -> None:
    found = stability(counts([300, 0, 0, 0], [0, 100, 1_500, 200]))
    assert found is not None
    assert found[0].lower > MOST_SHIFT
    assert "b0 0.0% -> " in found[2]


@pytest.mark.parametrize(("now", "usual"), [([99], [10_000]), ([10_000], [199])])
def test_too_few_rows_are_not_judged(now: list[int], usual: list[int]) -> None:
    assert stability(counts(now, usual)) is None


def leaves(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    """Counts of currencies by region, as (region, currency, now, usual); the other dimensions tell nothing apart."""
    found = pd.DataFrame(rows, columns=["region", "bucket", "now", "usual"])
    others = {name: "x" for name in contracts.load("shop").dimensions if name != "region"}
    return found.assign(column="currency", **others)


def regions(counts: pd.DataFrame, *, new: bool = True) -> dict[str, pd.DataFrame]:
    return {
        labels["region"]: buckets
        for labels, buckets in _strata(counts, "currency", contracts.load("shop"), new=new)
        if "region" in labels
    }


def test_a_small_segment_is_not_held_against_what_is_usual_elsewhere() -> None:
    counts = leaves(("eu", "EUR", 1_000, 3_000), ("us", "USD", 60, 190))
    assert set(regions(counts)) == {"eu"}
    assert set(regions(leaves(("eu", "EUR", 1_000, 30_000), ("us", "USD", 60, 1_900)))) == {"eu", "us"}


def test_a_new_segment_has_the_past_of_all_where_that_can_tell_anything() -> None:
    counts = leaves(("eu", "EUR", 1_000, 3_000), ("new", "USD", 500, 3))
    assert regions(counts)["new"].to_dict() == {"now": {"EUR": 0, "USD": 500}, "usual": {"EUR": 3_000, "USD": 3}}
    assert set(regions(counts, new=False)) == {"eu"}
