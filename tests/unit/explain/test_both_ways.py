"""Two incidents at once, one up and one down: both are named; noise of heavy tails is not taken for a second one."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from pipelines.explain import Kind, explain

DIMS = ("caller", "service", "zone", "version")
SIZES = (8, 6, 5, 4)


def leaves() -> pd.DataFrame:
    rows = [[f"{dim[0]}{code}" for dim, code in zip(DIMS, codes, strict=True)] for codes in product(*map(range, SIZES))]
    return pd.DataFrame(rows, columns=list(DIMS))


def with_changes(seed: int, kind: Kind, changes: list[tuple[dict[str, str], float]]) -> pd.DataFrame:
    """Leaves whose named segments were multiplied."""
    rng = np.random.default_rng(seed)
    frame = leaves()
    factor = np.ones(len(frame))
    for elements, by in changes:
        factor[np.all([frame[name] == value for name, value in elements.items()], axis=0)] *= by
    size = rng.lognormal(4, 1, len(frame))
    if kind == "amount":
        return frame.assign(expected=size, actual=size * factor * np.exp(rng.normal(0, 0.1, len(frame))))
    if kind == "count":
        return frame.assign(expected=size, actual=rng.poisson(size * factor))
    now, past = rng.poisson(size), rng.poisson(size * 20)
    figures = {"numerator": rng.binomial(now, 0.3 * factor), "denominator": now}
    return frame.assign(**figures, history_numerator=rng.binomial(past, 0.3), history_denominator=past)


@pytest.mark.parametrize("kind", ["amount", "count", "ratio"])
@pytest.mark.parametrize(
    ("up", "down"),
    [
        (({"caller": "c1"}, 2.5), ({"service": "s2", "zone": "z0"}, 0.2)),
        (({"service": "s4", "version": "v1"}, 3.0), ({"caller": "c6"}, 0.3)),
        (({"zone": "z1", "version": "v2"}, 2.2), ({"zone": "z3", "version": "v0"}, 0.4)),
    ],
)
def test_what_rose_and_what_fell_are_both_named(
    kind: Kind, up: tuple[dict[str, str], float], down: tuple[dict[str, str], float]
) -> None:
    right = 0
    for seed in range(10):
        causes = explain(with_changes(seed, kind, [up, down]), DIMS, kind).causes
        named = {tuple(each.elements.items()): each.shift > 0 for each in causes}
        right += named == {tuple(up[0].items()): True, tuple(down[0].items()): False}
    assert right >= 9


@pytest.mark.parametrize("freedom", [2.5, 4])
def test_heavy_tails_are_no_second_incident(freedom: float) -> None:
    """An incident of 48 leaves amid relative noise of Student's law, the same on both sides."""
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        frame = with_changes(seed, "amount", [({"caller": "c1"}, 0.4)])
        noise = np.clip(0.1 * rng.standard_t(freedom, len(frame)), -1.5, 1.5)
        frame["actual"] *= np.exp(noise)
        found.append([each for each in explain(frame, DIMS, "amount").causes if each.shift > 0])
    assert sum(map(bool, found)) <= 1
