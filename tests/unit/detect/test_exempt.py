"""Planned events explain and are not learnt; muted series say nothing and leave their allowance to the others."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.contract.sensitivity import Mute, Planned
from pipelines.detect.alerts import alerts
from pipelines.detect.learnt import Crowd

# The third part of the first day after the history.
FIRST, LAST = 8 * 48 + 10, 8 * 48 + 16
FALL = {"traffic{device=ios}": (slice(FIRST, LAST), 0.3)}
LASTING = {"traffic{device=ios}": (slice(FIRST, LAST + 20), 0.3)}


def sale(made, first: int = FIRST, last: int = LAST, **which: object) -> Planned:
    return Planned(name="sale", start=made.until(first), end=made.until(last), **which)


def fired(evidence: pd.DataFrame) -> set[tuple[str, int]]:
    rows = evidence[evidence["fired"]]
    window = (rows["window_start"] - pd.Timestamp("2026-11-02")) // pd.Timedelta(minutes=30)
    return set(zip(rows["series"], window, strict=True))


def test_a_fall_fires_while_it_lasts(product) -> None:
    made = product()
    windows = {window for series, window in fired(made.evidence(faults=FALL)) if series == "traffic{device=ios}"}
    assert windows >= set(range(FIRST, LAST))


def test_an_alert_of_a_planned_event_bears_its_name_and_ends_with_it(product) -> None:
    plain = product()
    made = product(planned=(sale(plain, metrics="traffic"),))
    evidence = made.evidence(learnt=plain.learnt(), faults=FALL)
    own = {window for series, window in fired(evidence) if series == "traffic{device=ios}"}
    assert own == set(range(FIRST, LAST))
    found = alerts(evidence, made.contract)
    assert set(found.loc[found["series"] == "traffic{device=ios}", "planned"]) == {"sale"}
    assert "traffic{device=ios}" in set(found["series"])


def test_what_outlasts_a_planned_event_is_an_alert_of_its_own(product) -> None:
    plain = product()
    made = product(planned=(sale(plain),))
    found = alerts(made.evidence(learnt=plain.learnt(), faults=LASTING), made.contract)
    own = found[found["series"] == "traffic{device=ios}"]
    assert list(own.sort_values("start")["planned"]) == ["sale", ""]
    assert own[own["planned"] == ""]["opened"].min() > pd.Timestamp("2026-11-02") + LAST * pd.Timedelta(minutes=30)


def test_other_series_are_judged_as_ever(product) -> None:
    plain = product()
    made = product(planned=(sale(plain, series="traffic{device=web}"),))
    known = plain.learnt()
    rows = [each.evidence(learnt=known, faults=FALL) for each in (plain, made)]
    before, after = (each[each["series"] == "traffic{device=ios}"].reset_index(drop=True) for each in rows)
    pd.testing.assert_frame_equal(before, after)


def test_a_planned_event_is_not_learnt(product) -> None:
    """The baseline is nearly that of a history without the event, and far from one that has learnt it."""
    first, last = 6 * 48, 7 * 48
    fault = {"traffic{device=ios}": (slice(first, last), 4.0)}
    plain = product()
    told = product(planned=(sale(plain, first, last, metrics="traffic"),))
    without, learnt_it, not_learnt = plain.learnt(), plain.learnt(faults=fault), told.learnt(faults=fault)

    def of(frame: pd.DataFrame, column: str) -> np.ndarray:
        return np.asarray(frame.set_index("series").loc["traffic{device=ios}", column], dtype=float)

    def off(frame: pd.DataFrame) -> float:
        return float(np.abs(of(frame, "profile") - of(without, "profile")).mean())

    assert off(not_learnt) < 0.03
    assert abs(of(not_learnt, "level") - of(without, "level")) < 0.05
    assert abs(of(learnt_it, "level") - of(without, "level")) > 0.08
    spread = [dict(each.set_index("series").loc["traffic{device=ios}", "dispersions"])["point"] for each in
              (without, learnt_it, not_learnt)]  # fmt: skip
    assert abs(spread[2] - spread[0]) < 0.001 < spread[1] - spread[0]


def test_the_level_does_not_follow_a_planned_event(product) -> None:
    plain = product()
    known = plain.learnt()
    faults = {"traffic{device=ios}": (slice(8 * 48, 8 * 48 + 24), 1.08)}
    told = product(planned=(sale(plain, 8 * 48, 8 * 48 + 24),))

    def expected(made, **more) -> float:
        rows = made.evidence(windows=26, learnt=known, **more)
        own = rows[(rows["series"] == "traffic") & (rows["test"] == "point")]
        return float(own["expected"].iloc[-1])

    untouched = expected(told)
    assert expected(told, faults=faults) == pytest.approx(untouched)


def test_a_muted_series_never_fires_and_the_rest_still_does(product) -> None:
    made = product(mute=(Mute(series="traffic{device=ios}"),))
    series = {series for series, _ in fired(made.evidence(faults=FALL))}
    assert "traffic{device=ios}" not in series
    assert "traffic" in series


def test_a_mute_ends_when_it_was_to_end(product) -> None:
    plain = product()
    middle = FIRST + 3
    made = product(mute=(Mute(series="traffic{device=ios}", until=plain.until(middle)),))
    windows = {window for series, window in fired(made.evidence(faults=FALL)) if series == "traffic{device=ios}"}
    assert min(windows) == middle


def test_the_allowance_of_muted_series_goes_to_the_others(product) -> None:
    def limit(made) -> pd.Series:
        rows = made.evidence()
        return rows.groupby("series")["limit"].first()

    plain, one = limit(product()), limit(product(mute=(Mute(series="traffic{device=ios}"),)))
    assert one["traffic"] == pytest.approx(plain["traffic"] * 4 / 3)
    metric = limit(product(mute=(Mute(metrics="conversion_rate"),)))
    assert metric["traffic"] == pytest.approx(plain["traffic"] * 2)
    until = product().until() + timedelta(hours=1)
    assert limit(product(mute=(Mute(metrics="traffic", until=until),)))["traffic"] == pytest.approx(plain["traffic"])


def test_the_weights_of_an_allowance_add_up_to_one() -> None:
    dims = ({}, {"a": "1"}, {"a": "2"}, {"a": "1", "b": "1"}, {"a": "2", "b": "1"})
    assert Crowd.of(dims).weights(dims).sum() == pytest.approx(1)
    assert Crowd.of(dims[:3]).weights(dims[:3]) == pytest.approx([1 / 3] * 3)
