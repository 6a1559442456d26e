"""Few events: the segment is named as sure as the data allow, and a small segment is not taken for everything."""

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


def ratio(seed: int, events: float, rate: float, moved: dict[str, str], moved_rate: float) -> pd.DataFrame:
    """Leaves of a ratio with `events` in all, `moved_rate` in one segment and `rate` in the rest, a week of history."""
    rng = np.random.default_rng(seed)
    names = list(SHARES)
    rows = []
    for values in product(*SHARES.values()):
        share = float(np.prod([SHARES[name][value] for name, value in zip(names, values, strict=True)]))
        here = dict(zip(names, values, strict=True))
        n, past = rng.poisson(events * share), rng.poisson(200 * events * share)
        now = moved_rate if moved.items() <= here.items() else rate
        counts = (rng.binomial(n, now), n, rng.binomial(past, rate), past)
        rows.append((*values, *counts))
    parts = ["numerator", "denominator", "history_numerator", "history_denominator"]
    return pd.DataFrame(rows, columns=[*names, *parts])


@pytest.mark.parametrize("moved", [{"region": "eu-west", "device": "ios"}, {"region": "eu-central"}])
def test_a_segment_with_some_forty_events_is_named_with_confidence(moved: dict[str, str]) -> None:
    found = [explain(ratio(seed, 320, 0.62, moved, 0.07), list(SHARES), "ratio").causes for seed in range(40)]
    right = [[cause.elements for cause in causes] == [moved] for causes in found]
    assert np.mean(right) >= 0.9
    assert np.mean([causes[0].confident for causes, named in zip(found, right, strict=True) if named]) >= 0.7


def test_a_wrong_segment_is_seldom_named_with_confidence() -> None:
    moved = {"region": "eu-west", "device": "ios"}
    found = [explain(ratio(seed, 120, 0.62, moved, 0.07), list(SHARES), "ratio").causes[0] for seed in range(60)]
    sure = [cause.elements == moved for cause in found if cause.confident]
    assert np.mean(sure) >= 0.9


def test_a_small_segment_that_carries_the_change_is_not_everything() -> None:
    moved = {"region": "us-east", "device": "web"}
    found = [explain(ratio(seed, 700, 0.05, moved, 0.75), list(SHARES), "ratio") for seed in range(30)]
    assert not any(each.everywhere for each in found)
    assert np.mean([[cause.elements for cause in each.causes] == [moved] for each in found]) >= 0.9


def test_many_leaves_that_were_expected_a_fraction_of_an_event_and_had_none_are_no_incident() -> None:
    rng = np.random.default_rng(3)
    rows = []
    for caller, service in product("abcd", range(40)):
        n = 5 if caller == "a" else 40
        rate = 0.12 if caller == "b" else 0.02
        numerator = 0 if caller == "a" else rng.binomial(n, rate)
        rows.append((caller, str(service), numerator, n, 0.02 * 4 * n, 4 * n))
    parts = ["numerator", "denominator", "history_numerator", "history_denominator"]
    frame = pd.DataFrame(rows, columns=["caller", "service", *parts])
    # Of 200 calls of caller a four were expected to fail: that none did is chance, that 40 leaves agree in it no proof.
    assert [cause.elements for cause in explain(frame, ["caller", "service"], "ratio").causes] == [{"caller": "b"}]


def amounts(seed: int, events: float, moved: dict[str, str], factor: float) -> pd.DataFrame:
    """Leaves of a sum over `events` amounts that differ by as much as their mean, which moved in a segment."""
    rng = np.random.default_rng(seed)
    rows = []
    for values in product(*SHARES.values()):
        here = dict(zip(SHARES, values, strict=True))
        share = float(np.prod([SHARES[name][value] for name, value in here.items()]))
        mean = 4500 * (factor if moved.items() <= here.items() else 1.0)
        n = rng.poisson(events * share)
        rows.append((*values, rng.gamma(n, mean) if n else 0.0, 4500 * events * share, events * share))
    return pd.DataFrame(rows, columns=[*SHARES, "actual", "expected", "events"])


def test_a_sum_of_a_handful_of_amounts_is_no_cause_beside_a_segment_that_moved() -> None:
    """Leaves of one amount go up and down by all of it; those of thirty do not."""
    moved = {"region": "us-east"}
    found = [explain(amounts(seed, 400, moved, 0.3), list(SHARES), "sum").causes for seed in range(40)]
    right = [[cause.elements for cause in causes] == [moved] for causes in found]
    assert np.mean(right) >= 0.9


def test_the_unit_of_a_sum_changes_nothing_but_its_figures() -> None:
    frame = amounts(5, 400, {"region": "us-east"}, 0.3)
    cents = frame.assign(actual=frame["actual"] * 100, expected=frame["expected"] * 100)
    (one,), (other,) = (explain(each, list(SHARES), "sum").causes for each in (frame, cents))
    assert (one.elements, other.actual) == (other.elements, pytest.approx(100 * one.actual))
    assert one.gain == pytest.approx(other.gain)
