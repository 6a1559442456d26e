"""All of a product wanders from what was expected of it; what one segment did is told beside the rest."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from pipelines.explain import explain

SHARES = {
    "region": {"eu-west": 0.34, "eu-central": 0.20, "us-east": 0.23, "us-west": 0.13, "ap-south": 0.10},
    "device": {"ios": 0.38, "android": 0.34, "web": 0.28},
    "version": {"2": 0.58, "1": 0.29, "0": 0.13},
}


def counts(seed: int, background: float, moved: dict[str, str], factor: float, events: float = 5000) -> pd.DataFrame:
    """Leaves of a count: all are `background` times what was expected, one segment `factor` times that."""
    rng = np.random.default_rng(seed)
    rows = []
    for values in product(*SHARES.values()):
        here = dict(zip(SHARES, values, strict=True))
        expected = events * float(np.prod([SHARES[name][value] for name, value in here.items()]))
        times = background * (factor if moved.items() <= here.items() else 1.0)
        rows.append((*values, float(rng.poisson(expected * times)), expected))
    return pd.DataFrame(rows, columns=[*SHARES, "actual", "expected"])


@pytest.mark.parametrize("background", [0.75, 0.85, 1.15, 1.3])
@pytest.mark.parametrize(
    ("moved", "factor"),
    [({"region": "us-east", "device": "web"}, 8.0), ({"device": "web"}, 2.5), ({"region": "us-west"}, 0.3)],
)
def test_a_segment_is_named_alone_though_all_of_the_rest_wandered(
    background: float, moved: dict[str, str], factor: float
) -> None:
    found = [explain(counts(seed, background, moved, factor), list(SHARES), "count").causes for seed in range(10)]
    assert np.mean([[cause.elements for cause in causes] == [moved] for causes in found]) >= 0.9


def test_a_cause_is_told_in_the_figures_that_were_given() -> None:
    frame = counts(1, 0.7, {"device": "web"}, 3.0)
    (cause,) = explain(frame, list(SHARES), "count").causes
    own = frame[frame["device"] == "web"]
    assert (cause.actual, cause.expected) == (own["actual"].sum(), pytest.approx(own["expected"].sum()))


def test_everything_that_rose_by_a_sixth_is_told_as_everything() -> None:
    found = [explain(counts(seed, 1.17, {}, 1.0), list(SHARES), "count") for seed in range(10)]
    assert all(each.everywhere for each in found)
