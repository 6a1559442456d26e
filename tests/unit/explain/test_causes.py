from __future__ import annotations

import pandas as pd

from pipelines.explain import explain


def checkouts(rate: dict[tuple[str, str], float]) -> pd.DataFrame:
    """Leaves of a ratio that one feature alone has, a thousand checkouts in each, at 60 % before."""
    rows = [
        {
            "region": region,
            "device": device,
            "feature": "checkout",
            "numerator": 1_000 * now,
            "denominator": 1_000.0,
            "history_numerator": 60_000.0,
            "history_denominator": 100_000.0,
        }
        for (region, device), now in rate.items()
    ]
    return pd.DataFrame(rows)


def test_a_dimension_with_one_value_is_no_cause() -> None:
    alike = {(region, device): 0.3 for region in ("north", "south") for device in ("web", "app")}
    found = explain(checkouts(alike), ["region", "device", "feature"], "ratio")
    assert [each.elements for each in (*found.causes, *found.ranked) if "feature" in each.elements] == []
    assert len(found.ranked) > 2


def test_the_segment_that_moved_is_named_without_the_value_that_all_share() -> None:
    rate = {(region, device): 0.6 for region in ("north", "south", "east") for device in ("web", "app")}
    found = explain(checkouts(rate | {("north", "app"): 0.1}), ["feature", "region", "device"], "ratio")
    assert [each.elements for each in found.causes] == [{"region": "north", "device": "app"}]


def test_one_leaf_alone_has_no_segments_to_tell_apart() -> None:
    found = explain(checkouts({("north", "web"): 0.1}), ["region", "device", "feature"], "ratio")
    assert (found.causes, found.ranked) == ((), ())
