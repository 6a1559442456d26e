"""Laws of the search: names and orders change nothing, and a change of shares alone is nobody's rate."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.explain import Cause, Kind, explain, rate_and_mix

DIMS = ("caller", "service", "zone")
VALUES = {"caller": "abcd", "service": "klmno", "zone": "xyz"}
PARTS = ["numerator", "denominator", "history_numerator", "history_denominator"]
seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from(["amount", "count", "ratio"])


def leaves(seed: int, kind: Kind) -> pd.DataFrame:
    """Leaves with one or two segments that moved, either way, and some that moved a little."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(list(product(*VALUES.values())), columns=list(DIMS))
    factor = np.ones(len(frame))
    for _ in range(rng.integers(1, 3)):
        row = frame.iloc[rng.integers(len(frame))]
        chosen = rng.choice(DIMS, size=rng.integers(1, 4), replace=False)
        factor[(frame[list(chosen)] == row[list(chosen)]).all(axis=1)] *= rng.uniform(0.2, 3)
    size = rng.lognormal(4, 1, len(frame))
    if kind == "amount":
        return frame.assign(expected=size, actual=size * factor * np.exp(rng.normal(0, 0.1, len(frame))))
    if kind == "count":
        return frame.assign(expected=size, actual=rng.poisson(size * factor).astype(float))
    now, past = rng.poisson(size), rng.poisson(size * 4)
    figures = (rng.binomial(now, np.minimum(0.1 * factor, 1)), now, rng.binomial(past, 0.1), past)
    return frame.assign(**dict(zip(PARTS, figures, strict=True)))


def said(causes: tuple[Cause, ...]) -> list[tuple[frozenset[tuple[str, str]], float]]:
    return [(frozenset(each.elements.items()), pytest.approx(each.gain, rel=1e-6, abs=1e-5)) for each in causes]


@settings(max_examples=60, deadline=None)
@given(seeds, kinds, st.permutations(DIMS))
def test_the_order_of_rows_and_of_dimensions_changes_nothing(seed: int, kind: Kind, dims: list[str]) -> None:
    frame = leaves(seed, kind)
    found = explain(frame, DIMS, kind)
    other = explain(frame.sample(frac=1, random_state=seed), dims, kind)
    assert said(found.causes) == said(other.causes)
    assert said(found.ranked) == said(other.ranked)


@settings(max_examples=60, deadline=None)
@given(seeds, kinds, st.data())
def test_other_names_of_values_change_nothing_but_the_names(seed: int, kind: Kind, data: st.DataObject) -> None:
    frame = leaves(seed, kind)
    names = {dim: dict(zip(values, data.draw(st.permutations(values)), strict=True)) for dim, values in VALUES.items()}
    renamed = frame.assign(**{dim: frame[dim].map(names[dim]) for dim in DIMS})
    expected = [
        (frozenset((dim, names[dim][value]) for dim, value in each.elements.items()), each.confident)
        for each in explain(frame, DIMS, kind).causes
    ]
    found = explain(renamed, DIMS, kind).causes
    assert [(frozenset(each.elements.items()), each.confident) for each in found] == expected


@settings(max_examples=30, deadline=None)
@given(seeds, kinds)
def test_leaves_in_two_rows_are_one_leaf(seed: int, kind: Kind) -> None:
    frame = leaves(seed, kind)
    half = frame.assign(**{name: frame[name] / 2 for name in frame.columns if name not in DIMS})
    assert said(explain(pd.concat([half, half]), DIMS, kind).causes) == said(explain(frame, DIMS, kind).causes)


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from(DIMS))
def test_a_change_of_shares_alone_is_nobodys_rate(seed: int, dim: str) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(list(product(*VALUES.values())), columns=list(DIMS))
    rate = 0.1 + 0.8 * frame[dim].map(dict(zip(VALUES[dim], rng.random(5), strict=False))).to_numpy()
    past = rng.lognormal(9, 0.5, len(frame)).round() + 1_000
    now = (past / 4 * frame[dim].map(dict(zip(VALUES[dim], rng.uniform(0.2, 5, 5), strict=False))).to_numpy()).round()
    found = explain(frame.assign(**dict(zip(PARTS, (rate * now, now, rate * past, past), strict=True))), DIMS, "ratio")
    assert not any(cause.confident for cause in found.causes)
    assert found.rate_mix is not None
    assert found.rate_mix.rate == pytest.approx(0, abs=1e-9)


@given(seeds)
def test_rate_and_mix_are_the_whole_change_exactly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, past_n = rng.integers(0, 100, 6) + np.eye(6)[0], rng.integers(0, 100, 6) + np.eye(6)[1]
    k, past_k = rng.binomial(n.astype(int), 0.3), rng.binomial(past_n.astype(int), 0.6)
    split = rate_and_mix(k.astype(float), n, past_k.astype(float), past_n)
    assert split.total == pytest.approx(k.sum() / n.sum() - past_k.sum() / past_n.sum(), abs=1e-12)
