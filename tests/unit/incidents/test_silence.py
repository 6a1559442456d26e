"""A partition that brings nothing beside the others is bad data; an hour in which all bring little is not."""

import pandas as pd

from pipelines import contract as contracts
from pipelines.incidents.silence import silences
from pipelines.incidents.verdict import explains, inspect, judge

WINDOWS = list(pd.date_range("2026-11-23 10:00", periods=40, freq="5min"))
NOW = WINDOWS[-4:]
NO_RESULTS = pd.DataFrame(columns=["window_start", "check", "observed", "expected", "owner", "judge"])
USUAL = (40, 30, 20, 10)


def facts(*now: int, usual: tuple[int, ...] = USUAL) -> pd.DataFrame:
    """Events by partition, and as many in silver: as usual, and in the last four windows what is given."""
    rows = []
    for window in WINDOWS:
        counts = now if window in NOW else usual
        rows += [(window, "partition", f"topic-{i}", n) for i, n in enumerate(counts) if n]
        rows.append((window, "silver", "", sum(counts)))
    return pd.DataFrame(rows, columns=["window_start", "class", "reason", "n"])


def test_a_partition_that_brings_nothing_is_silent_and_says_what_was_expected_of_it() -> None:
    (found,) = silences(facts(0, 30, 20, 10), NOW)
    assert (found.partition, found.seen, round(found.expected)) == ("topic-0", 0, 160)
    assert found.windows == tuple(NOW)
    assert "topic-0 brought 0 events where about 160 were expected" in found.words


def test_what_some_producers_of_it_still_send_does_not_hide_a_silence() -> None:
    assert [each.partition for each in silences(facts(4, 30, 20, 10), NOW)] == ["topic-0"]


def test_an_hour_in_which_all_bring_little_is_no_silence() -> None:
    assert not silences(facts(8, 6, 4, 2), NOW)
    assert not silences(facts(0, 0, 0, 0), NOW)


def test_a_partition_of_which_little_is_expected_is_never_called_silent() -> None:
    assert not silences(facts(40, 30, 20, 0, usual=(400, 300, 200, 4)), NOW)


def test_a_topic_of_one_partition_has_nothing_to_compare_with() -> None:
    assert not silences(facts(0, usual=(100,)), NOW)


def test_only_windows_that_are_silent_are_bad() -> None:
    rows = facts(*USUAL)
    rows = rows[~((rows["window_start"] == NOW[2]) & (rows["reason"] == "topic-0"))]
    quality = inspect(rows, NOW, NO_RESULTS)
    assert quality.windows == {NOW[2]}
    assert quality.headline == "partition topic-0 is silent"


def test_a_silence_explains_that_counts_fall_and_nothing_else() -> None:
    shop = contracts.load("shop")
    metrics = {metric.name: metric for metric in shop.metrics}
    quality = inspect(facts(0, 30, 20, 10), NOW, NO_RESULTS)
    assert abs(quality.lost - 0.4) < 0.01
    assert explains(quality, metrics["traffic"], "down")
    assert not explains(quality, metrics["traffic"], "up")
    assert not explains(quality, metrics["error_rate"], "up")
    assert not explains(quality, metrics["conversion_rate"], "down", ("point",))
    # Segments of which all events are lost have no rate at all, which is not a rate that fell.
    assert explains(quality, metrics["conversion_rate"], "down", ("missing",))
    assert judge(quality, NOW, missing=0.4) == "bad data"
    assert judge(quality, NOW, missing=0.4, beyond=True) == "both"
