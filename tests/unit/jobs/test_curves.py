"""The roll-up of curves: what was judged stays judged, a day is one file, and no window is there twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipelines import contract as contracts
from pipelines.jobs import curves
from pipelines.platform.lake import Lake
from tests.simulated_lake import settings_of

STEP = timedelta(minutes=5)
START = datetime(2026, 11, 22, tzinfo=UTC)
DAY = 288


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(settings_of(tmp_path))


def windows(first: int, last: int) -> pd.DatetimeIndex:
    return pd.date_range(START.replace(tzinfo=None) + first * STEP, periods=last - first, freq=STEP)


def history(first: int, last: int, value: float = 1.0) -> pd.DataFrame:
    times = windows(first, last)
    whole = pd.DataFrame({"metric": "traffic", "series": "traffic", "window_start": times, "value": value})
    return pd.concat([whole, whole.assign(series="traffic{device=web}", value=0.5)], ignore_index=True)


def evidence(first: int, last: int, value: float = 2.0) -> pd.DataFrame:
    times = windows(first, last)
    return pd.DataFrame(
        {
            "metric": "traffic", "series": "traffic", "window_start": times, "test": "point", "value": value,
            "expected": 2.0, "low": 1.0, "high": 3.0, "p_value": 0.5, "fired": False,
        }
    )  # fmt: skip


def stored(lake: Lake) -> pd.DataFrame:
    return curves.wholes(lake, contracts.load("shop"), START, START + 10 * DAY * STEP)["traffic"]


def judge(lake: Lake, first: int, last: int, since: int, value: float = 2.0) -> None:
    begin, border = START + first * STEP, START + since * STEP
    curves.store_judged(lake, contracts.load("shop"), evidence(first, last, value), begin, border)


def test_history_and_judged_windows_make_one_curve(lake):
    curves.store_learnt(lake, contracts.load("shop"), history(0, 100), START + 100 * STEP)
    judge(lake, 100, 130, since=100)
    found = stored(lake)
    assert found["window_start"].tolist() == windows(0, 130).tolist()
    assert found["judged"].tolist() == [False] * 100 + [True] * 30
    assert found["expected"].isna().tolist() == [True] * 100 + [False] * 30


def test_a_tick_run_again_changes_nothing_and_a_later_one_only_adds(lake):
    judge(lake, 100, 130, since=100)
    before = stored(lake)
    judge(lake, 100, 130, since=100)
    pd.testing.assert_frame_equal(stored(lake), before)
    judge(lake, 100, 131, since=128)
    pd.testing.assert_frame_equal(stored(lake).iloc[:30], before)
    assert len(stored(lake)) == 31


def test_a_new_baseline_leaves_judged_windows_as_they_were_judged(lake):
    curves.store_learnt(lake, contracts.load("shop"), history(0, 100), START + 100 * STEP)
    judge(lake, 100, 130, since=100)
    # The loop stood still for twenty windows, which the next baseline learns from all the same.
    curves.store_learnt(lake, contracts.load("shop"), history(0, 150), START + 150 * STEP)
    found = stored(lake)
    assert found["window_start"].tolist() == windows(0, 150).tolist()
    assert found["judged"].sum() == 30


def test_a_day_is_one_file_however_often_the_loop_turned(lake):
    for last in range(60, DAY + 60, 48):
        judge(lake, 0, last, since=max(0, last - 50))
    files = lake.table("shop", "curves").file_uris()
    assert sorted(each.split("day=")[1][:10] for each in files) == ["2026-11-22", "2026-11-23"]
    assert len(stored(lake)) == last


def test_a_window_is_marked_when_any_test_of_the_whole_fired_in_it(lake):
    rows = evidence(0, 4)
    drift = rows.assign(test="drift", fired=[False, False, True, False])
    part = rows.assign(series="traffic{device=web}", fired=True)
    frame = pd.concat([rows, drift, part], ignore_index=True)
    curves.store_judged(lake, contracts.load("shop"), frame, START, START)
    assert stored(lake)["fired"].tolist() == [False, False, True, False]
