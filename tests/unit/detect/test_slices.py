"""Series learnt and judged in slices, as executors take them: to the last digit what all of them together are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.contract.sensitivity import Mute
from pipelines.detect import baseline, exempt
from pipelines.detect.evaluate import Allowance, evaluate
from pipelines.detect.learnt import Crowd

HISTORY = 8 * 48
FALL = {"traffic{device=ios}": (slice(HISTORY + 10, HISTORY + 16), 0.3)}


@pytest.fixture(scope="module")
def made(product):
    return product(mute=(Mute(series="traffic{device=tv}"),))


@pytest.fixture(scope="module")
def history(made) -> pd.DataFrame:
    return made.frame(0, HISTORY)


def largest(frame: pd.DataFrame, most: int) -> pd.DataFrame:
    sizes = frame.groupby(["metric", "series"])["n"].sum().reset_index()
    ranked = sizes.sort_values(["metric", "n", "series"], ascending=[True, False, True])
    return frame[frame["series"].isin(ranked.groupby("metric").head(most)["series"])]


@pytest.mark.parametrize("most", [2, 250])
def test_slices_beside_the_whole_are_learnt_as_all_together(
    made, history: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(baseline, "_MOST_POOLED", most)
    together = baseline.fit(history, made.contract, made.until())
    shared = baseline.share(largest(history, most), made.contract, made.until())
    whole = ~history["series"].str.contains("{", regex=False)
    for device in ("ios", "web", "tv"):
        own = history["series"].str.contains(f"device={device}", regex=False)
        slice_ = baseline.fit(history[whole | own], made.contract, made.until(), shared)
        wanted = together[together["series"].isin(slice_["series"])].reset_index(drop=True)
        for name in together.columns:
            for left, right in zip(slice_[name], wanted[name], strict=True):
                np.testing.assert_equal(left, right)


def test_what_series_share_is_learnt_from_the_largest_alone(
    made, history: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "_MOST_POOLED", 2)
    few = baseline.share(largest(history, 2), made.contract, made.until())
    assert few == baseline.share(history, made.contract, made.until())
    monkeypatch.undo()
    assert few != baseline.share(history, made.contract, made.until())


def test_slices_are_judged_as_all_together(made, history: pd.DataFrame) -> None:
    contract = made.contract
    known = baseline.fit(history, contract, made.until())
    recent = made.frame(HISTORY, HISTORY + 24, FALL)
    together = evaluate(recent, known, contract)
    last = recent["window_start"].max().to_datetime64()[None].astype("datetime64[s]")
    crowds = {}
    for metric, rows in known.groupby("metric"):
        muted = exempt.muted(contract.sensitivity, str(metric), rows["series"].tolist(), last)[:, 0]
        crowds[str(metric)] = (Crowd.of(rows["dims"].tolist()), Crowd.of(rows.loc[~muted, "dims"].tolist()))
    allowance = Allowance.of(contract, crowds, last)
    assert together["fired"].any()
    slices = []
    for names in (["traffic", "conversion_rate{device=tv}"], ["conversion_rate", "traffic{device=ios}"]):
        rest = sorted(set(known["series"]) - set(names)) if not slices else names
        rows = known[known["series"].isin(rest)]
        slices.append(evaluate(recent[recent["series"].isin(rest)], rows, contract, allowance))
        wanted = together[together["series"].isin(rest)].reset_index(drop=True)
        pd.testing.assert_frame_equal(slices[-1], wanted, check_exact=True)
