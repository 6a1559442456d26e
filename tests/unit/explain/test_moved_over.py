"""Members who change from one value to another are one cause; a rise here and a fall there are two."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from pipelines.explain import Explanation, explain

DIMS = ["place", "device", "version"]
SIZES = {"place": "abcde", "device": "xyz", "version": "rstuvw"}


def leaves(**factors: float) -> pd.DataFrame:
    """Leaves of 400 events each, Poisson, times the factor of their device, or of `place_device`."""
    rng = np.random.default_rng(3)
    rows = [dict(zip(DIMS, each, strict=True)) for each in product(*SIZES.values())]
    factor = [factors.get(row["device"], factors.get(row["place"] + row["device"], 1.0)) for row in rows]
    return pd.DataFrame(rows).assign(expected=400.0, actual=rng.poisson(400 * np.array(factor)).astype(float))


def causes(found: Explanation) -> list[dict[str, str]]:
    return [each.elements for each in found.causes]


@pytest.mark.parametrize(
    ("factors", "moved"), [({"x": 2.0, "y": 0.5, "z": 0.5}, "x"), ({"x": 0.2, "y": 1.4, "z": 1.4}, "x")]
)
def test_where_members_move_to_or_from_is_the_only_cause(factors: dict[str, float], moved: str) -> None:
    assert causes(explain(leaves(**factors), DIMS, "count")) == [{"device": moved}]


def test_a_rise_and_a_fall_that_leave_the_rest_alone_are_both_causes() -> None:
    found = causes(explain(leaves(ax=2.0, by=0.2), DIMS, "count"))
    assert sorted(map(str, found)) == sorted(map(str, [{"place": "a", "device": "x"}, {"place": "b", "device": "y"}]))
