"""One cause is one story, with its parents, its children and all metrics that it moved; another cause is another."""

from collections.abc import Mapping
from datetime import datetime

import pandas as pd
import pytest

from pipelines import contract as contracts
from pipelines.contract import Metric
from pipelines.explain import Cause, Explanation
from pipelines.incidents.stories import Stories, Story

START = pd.Timestamp("2026-11-23 10:00")
STEP = pd.Timedelta(minutes=5)
SHOP = contracts.load("shop")
NOWHERE = Explanation((), (), everywhere=False, rate_mix=None)


def cause(shift: float = 1.0, **elements: str) -> Cause:
    return Cause(
        elements=elements, gain=100.0, shift=shift, actual=2.0, expected=1.0, share=1.0, lift=1.0, surprise=1.0,
        leaves=4, consistent=4, consistency="", confident=True,
    )  # fmt: skip


def because(*causes: Cause) -> Explanation:
    return Explanation(causes, causes, everywhere=False, rate_mix=None)


def alert(metric: str, direction: str = "up", begin: int = 0, p: float = 1e-9, **dims: str) -> dict[str, object]:
    inside = ",".join(f"{name}={value}" for name, value in dims.items())
    return {
        "metric": metric, "series": f"{metric}{{{inside}}}" if inside else metric, "dims": dims, "p_value": p,
        "direction": direction, "start": START + begin * STEP, "end": START + 12 * STEP, "tests": ("point",),
    }  # fmt: skip


def stories(alerts: list[dict[str, object]], causes: Mapping[str, Explanation]) -> list[Story]:
    """The stories of alerts whose metrics have these causes."""

    def explain(metric: Metric, _start: datetime, _end: datetime) -> Explanation:
        return causes.get(metric.name, NOWHERE)

    dims = {str(each["series"]): each["dims"] for each in alerts}
    found = Stories(SHOP.metrics, explain, dims, 3 * STEP)  # type: ignore[arg-type]
    return found.of(pd.DataFrame(alerts).drop(columns="dims"))


def series(story: Story) -> set[str]:
    return set(story.alerts["series"])


def test_parents_children_and_other_metrics_of_one_cause_are_one_story_led_by_the_first() -> None:
    outage = because(cause(-1.0, region="us-west"))
    (found,) = stories(
        [
            alert("error_rate", region="us-west", p=1e-20),
            alert("traffic", "down"),
            alert("traffic", "down", region="us-west", p=1e-30),
            alert("traffic", "down", device="web"),
            alert("revenue", "down", region="us-west"),
        ],
        {"traffic": outage, "error_rate": because(cause(region="us-west", feature="checkout")), "revenue": outage},
    )
    assert found.lead["series"] == "traffic"
    assert len(found.alerts) == 5
    assert [each.elements for each in found.explanation.causes] == [{"region": "us-west"}]


@pytest.mark.parametrize(("later", "leads"), [(3, "traffic"), (4, "error_rate")])
def test_what_moved_long_after_the_first_does_not_lead(later: int, leads: str) -> None:
    (found,) = stories(
        [
            alert("error_rate", region="us-west", device="ios"),
            alert("traffic", "down", begin=later, region="us-west"),
        ],
        {
            "traffic": because(cause(-1.0, region="us-west")),
            "error_rate": because(cause(region="us-west", device="ios")),
        },
    )
    assert found.lead["metric"] == leads


def test_two_metrics_with_different_causes_are_two_stories() -> None:
    spike, drop = stories(
        [
            alert("traffic", region="us-east"),
            alert("conversion_rate", "down", region="eu-west", device="ios"),
            alert("conversion_rate", "down"),
        ],
        {
            "traffic": because(cause(region="us-east", device="web")),
            "conversion_rate": because(cause(-1.0, region="eu-west", device="ios")),
        },
    )
    assert (spike.lead["metric"], drop.lead["metric"]) == ("traffic", "conversion_rate")
    assert len(drop.alerts) == 2


def test_one_metric_that_rises_here_and_falls_there_is_two_stories_with_an_id_each() -> None:
    up, down = stories(
        [alert("traffic", region="us-east"), alert("traffic", "down", region="eu-central")],
        {"traffic": because(cause(region="us-east"), cause(-1.0, region="eu-central"))},
    )
    assert (series(up), series(down)) == ({"traffic{region=us-east}"}, {"traffic{region=eu-central}"})
    assert (up.part, down.part) == ("", "region = eu-central")


@pytest.mark.parametrize(("begin", "many"), [(2, 1), (6, 2)])
def test_two_segments_of_one_metric_are_two_stories_only_when_they_began_apart(begin: int, many: int) -> None:
    found = stories(
        [alert("traffic", region="us-east"), alert("traffic", region="eu-central", begin=begin)],
        {"traffic": because(cause(region="us-east"), cause(region="eu-central"))},
    )
    assert len(found) == many


def test_a_change_of_everything_does_not_swallow_what_happened_in_one_segment() -> None:
    found = stories(
        [alert("traffic"), alert("error_rate", device="android", app_version="5.2.0")],
        {"traffic": because(cause()), "error_rate": because(cause(device="android", app_version="5.2.0"))},
    )
    assert len(found) == 2


def test_a_rate_of_which_no_events_came_is_not_searched_for_a_cause_and_goes_with_the_count_that_fell() -> None:
    silent = {**alert("error_rate", "down", region="eu-central"), "tests": ("missing",)}
    elsewhere = because(cause(feature="home"))
    fall = alert("traffic", "down", region="eu-central")
    (found,) = stories([silent, fall], {"traffic": because(cause(-1.0, region="eu-central")), "error_rate": elsewhere})
    assert found.lead["metric"] == "traffic"
    (alone,) = stories([silent], {"error_rate": elsewhere})
    assert not alone.explanation.causes
    (moved,) = stories([{**silent, "tests": ("missing", "point")}], {"error_rate": elsewhere})
    assert moved.explanation == elsewhere


def test_what_cannot_be_localised_goes_with_what_it_fits_and_never_stands_alone() -> None:
    spike, drop = stories(
        [
            alert("traffic", region="us-east"),
            alert("conversion_rate", "down", region="eu-west"),
            alert("revenue", "down", region="eu-west"),
        ],
        {
            "traffic": because(cause(region="us-east")),
            "conversion_rate": because(cause(-1.0, region="eu-west")),
        },
    )
    assert series(drop) == {"conversion_rate{region=eu-west}", "revenue{region=eu-west}"}
    assert len(spike.alerts) == 1


def test_alerts_of_which_none_can_be_localised_are_one_story_led_by_the_first_metric() -> None:
    (found,) = stories([alert("revenue", "down"), alert("traffic", "down", device="ios")], {})
    assert found.lead["metric"] == "traffic"
    assert len(found.alerts) == 2
