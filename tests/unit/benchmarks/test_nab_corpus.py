"""The score of NAB by file: what an early, a late, a false and a missing alert are worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import nab_corpus
from benchmarks.nab_corpus import Counts, File
from pipelines.errors import UsageError

NAME = "family/series.csv"


@pytest.fixture
def file(tmp_path: Path) -> File:
    """1,000 points whose window is 500 to 599; 150 are probation."""
    time = pd.date_range("2026-11-01", periods=1_000, freq="5min").strftime("%Y-%m-%d %H:%M:%S")
    (tmp_path / "data" / "family").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    pd.DataFrame({"timestamp": time, "value": np.arange(1_000.0)}).to_csv(tmp_path / "data" / NAME, index=False)
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps({NAME: [[time[500], time[599]]]}))
    (loaded,) = nab_corpus.load(tmp_path)
    return loaded


def score(file: File, *alerts: int) -> float:
    return nab_corpus.score(nab_corpus.counts(file, np.array(alerts, dtype=np.int64)))


def test_a_silent_detector_has_nothing_and_an_early_one_everything(file: File):
    assert score(file) == 0
    assert score(file, 500) == pytest.approx(100)
    assert 0 < score(file, 590) < score(file, 550) < score(file, 510) < 100


def test_only_the_first_alert_in_a_window_counts(file: File):
    assert score(file, 510, 520, 599) == score(file, 510)


def test_a_false_alert_costs_and_one_just_behind_the_window_hardly(file: File):
    assert score(file, 500) - score(file, 300, 500) == pytest.approx(100 * 0.11 / 2)
    assert score(file, 500) - score(file, 500, 601) < 0.5


def test_probation_neither_helps_nor_harms(file: File):
    assert score(file, 10, 149) == 0
    assert score(file, 150) < 0


def test_counts_add_up(file: File):
    early, false = nab_corpus.counts(file, np.array([500])), nab_corpus.counts(file, np.array([300, 400]))
    assert early + false == Counts(pytest.approx(1.0), 1, -2.0, 2, 2)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"combined_windows\.json: no such file"):
        nab_corpus.load(tmp_path)
