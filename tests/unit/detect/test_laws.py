"""Laws of detection: what must not matter does not, and what must not be seen is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.contract import Contract
from pipelines.detect import baseline, families, learnt, statistics
from pipelines.detect.evaluate import evaluate, heard_metrics, judge, limits, together
from pipelines.detect.grid import to_grid, window_range
from pipelines.errors import StateError

HISTORY = 8 * 48
FALL = {"traffic{device=ios}": (slice(HISTORY + 10, HISTORY + 16), 0.3)}
FEW = settings(max_examples=5, deadline=None)


@FEW
@given(st.integers(0, 47), st.floats(0, 10))
def test_nothing_from_the_end_of_the_history_on_is_learnt(product, first: int, factor: float) -> None:
    """The tested window is never in its own baseline, whatever is in it."""
    made = product()
    clean = made.frame(0, HISTORY + 48)
    until = made.until(HISTORY)
    spoilt = clean.copy()
    after = spoilt["window_start"] >= pd.Timestamp(until).tz_convert(None) + first * pd.Timedelta(minutes=30)
    for column in ("value", "n", "numerator", "denominator"):
        spoilt.loc[after, column] *= factor
    pd.testing.assert_frame_equal(baseline.fit(clean, made.contract, until), baseline.fit(spoilt, made.contract, until))


def test_a_window_of_the_baseline_is_refused(product) -> None:
    made = product()
    with pytest.raises(StateError, match="is part of the baseline"):
        evaluate(made.frame(HISTORY - 1, HISTORY + 3), made.learnt(), made.contract)


def test_a_verdict_looks_back_only(product) -> None:
    """Later windows change no evidence of earlier ones."""
    made = product()
    known = made.learnt()
    whole = made.evidence(windows=30, learnt=known, faults=FALL)
    for windows in (9, 12, 20):
        part = made.evidence(windows=windows, learnt=known, faults=FALL)
        same = whole[whole["window_start"] <= part["window_start"].max()]
        keys = ["window_start", "series", "test"]
        left, right = (each.sort_values(keys, ignore_index=True) for each in (part, same))
        pd.testing.assert_frame_equal(left, right)


def renamed(frame: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """A series or evidence frame with other dimension values."""
    inside = {f"{{device={old}}}": f"{{device={new}}}" for old, new in names.items()}
    series = frame["series"].str.replace(r"\{.*\}", lambda found: inside[found[0]], regex=True)
    frame = frame.assign(series=series)
    if "dims" not in frame:
        return frame
    return frame.assign(dims=frame["dims"].map(lambda each: {key: names[value] for key, value in each.items()}))


def test_names_of_dimension_values_do_not_matter(product) -> None:
    made = product()
    names = {"ios": "zebra", "web": "apple", "tv": "m"}
    history, recent = made.frame(0, HISTORY), made.frame(HISTORY, HISTORY + 30, FALL)
    plain = evaluate(recent, baseline.fit(history, made.contract, made.until()), made.contract)
    known = baseline.fit(renamed(history, names), made.contract, made.until())
    other = evaluate(renamed(recent, names), known, made.contract)
    back = renamed(other, {new: old for old, new in names.items()})
    keys, numbers = ["window_start", "series", "test"], ["value", "expected", "p_value", "effect", "limit"]
    left, right = (each.sort_values(keys, ignore_index=True) for each in (plain, back))
    pd.testing.assert_frame_equal(left[[*keys, "fired"]], right[[*keys, "fired"]])
    # Sums over series are taken in another order.
    np.testing.assert_allclose(left[numbers].to_numpy(float), right[numbers].to_numpy(float), rtol=1e-6, atol=1e-12)


def test_another_series_changes_nothing_but_the_shares_of_the_allowance(product) -> None:
    """With its share of the allowance given, each series is judged by its own numbers and its own learnt tail."""
    made = product()
    history, recent = made.frame(0, HISTORY), made.frame(HISTORY, HISTORY + 30, FALL)
    known_all = baseline.fit(history, made.contract, made.until())
    windows = window_range(np.datetime64("2026-11-10"), np.datetime64("2026-11-10T15:00"), 1800)
    for metric in made.contract.metrics:
        known = learnt.from_rows(known_all, metric)
        assert known is not None
        count = heard_metrics(known_all, made.contract, recent["window_start"].max())
        limit = limits(known, made.contract.sensitivity, count)
        every = judge(to_grid(recent, metric, windows, known.names), known, made.contract.sensitivity, count, limit)
        for kept in ([0, 1], [1], [3, 0]):
            some = known.only(kept)
            part = judge(
                to_grid(recent, metric, windows, some.names), some, made.contract.sensitivity, count, limit[kept]
            )
            for key, mask in part.fired.items():
                assert (mask == every.fired[key][kept]).all()
                np.testing.assert_allclose(part.p[key], every.p[key][kept], rtol=1e-9)


def test_a_fault_free_series_more_changes_the_other_verdicts_by_its_share_only(product) -> None:
    """What fires with four series and a quarter of the allowance each fires with three and a third each as well."""
    made = product()

    def fired(frame_of) -> set[tuple[object, ...]]:
        known = baseline.fit(frame_of(made.frame(0, HISTORY)), made.contract, made.until())
        rows = evaluate(frame_of(made.frame(HISTORY, HISTORY + 30, FALL)), known, made.contract)
        return set(rows.loc[rows["fired"], ["series", "window_start"]].itertuples(index=False, name=None))

    four = fired(lambda frame: frame)
    three = fired(lambda frame: frame[~frame["series"].str.contains("device=tv")])
    assert {each for each in four if "tv" not in str(each[0])} == three


EXACT = st.integers(2, 50)


@given(EXACT, st.one_of(st.floats(0.3, 0.9), st.floats(1.1, 3.0)))
def test_relative_shifts_of_a_count_do_not_depend_on_its_unit(k: int, ratio: float) -> None:
    """The shift of the level that a window speaks for, (y - M) / M, is the same for k y of k M; its noise is not.

    A Poisson count that is k times as large has k times the information, so a verdict can only be the same where the
    noise is relative too: with d M far above 1 (variance d M^2) the surprise does not change with k, and with d = 0
    the same relative change is never less surprising of more events.
    """
    y, m, w = np.array([[400.0 * ratio]]), np.array([[400.0]]), np.ones((1, 1))
    shifts = [np.divide(*families.score("count", y * times, m * times, w)) for times in (1, k)]
    np.testing.assert_allclose(*shifts, atol=1e-12)
    noisy = np.array([[0.25]])
    few, many = (families.surprise("count", y * times, m * times, w, noisy) for times in (1, k))
    np.testing.assert_allclose(few, many, rtol=0.05, atol=0.02)
    side = 0 if ratio > 1 else 1
    calm = np.zeros((1, 1))
    less, more = (families.surprise("count", y * times, m * times, w, calm)[side] for times in (1, k))
    assert (more >= less - 1e-6).all()


@given(EXACT)
def test_the_unit_of_an_amount_changes_no_verdict(k: int) -> None:
    """Sums are judged relative to their mean alone: the law holds exactly."""
    y, m, w = np.array([[80.0, 130.0]]), np.array([[100.0, 100.0]]), np.array([[50.0, 50.0]])
    d = np.array([[2.0]])
    np.testing.assert_allclose(
        families.surprise("amount", y, m, w, d), families.surprise("amount", y * k, m * k, w, d), rtol=1e-9
    )


def test_more_events_of_the_same_change_fire_no_later(product) -> None:
    """The same relative fall of four times as many events is found at the latest where it was found of fewer."""

    def first(scale: float) -> pd.Timestamp:
        made = product(scale=scale)
        rows = made.evidence(windows=30, faults=FALL)
        own = rows[rows["fired"] & (rows["series"] == "traffic{device=ios}")]
        return own["window_start"].min()

    assert first(1600.0) <= first(400.0)


@FEW
@given(st.permutations(range(4)))
def test_the_order_of_series_and_rows_does_not_matter(product, order: list[int]) -> None:
    made = product()
    known, recent = made.learnt(), made.frame(HISTORY, HISTORY + 20, FALL)
    shuffled = recent.sample(frac=1, random_state=order[0], ignore_index=True)
    pd.testing.assert_frame_equal(evaluate(recent, known, made.contract), evaluate(shuffled, known, made.contract))


def test_the_tests_are_those_that_share_the_limit(product) -> None:
    made = product()
    rows = made.evidence(windows=5)
    contract: Contract = made.contract
    per_window = contract.sensitivity.false_alerts_per_week * 1800 / (7 * 86_400)
    assert rows.loc[rows["series"] == "traffic", "limit"].iloc[0] == pytest.approx(
        together(contract.sensitivity.false_alerts_per_week)
        * per_window
        / len(contract.metrics)
        / 4
        / len(statistics.TESTS)
    )
