"""What a baseline is learnt from by default, which of the kept ones it takes the place of, and what is told without."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pytest

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.incidents import now, store
from pipelines.jobs import baseline, detect_state
from pipelines.platform.lake import Lake
from tests.unit.jobs.test_why import OnDisk

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def shop() -> Contract:
    return contracts.load("shop")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(OnDisk("local", tmp_path, "eu-central-1", None, "", "lake", "artifacts", "reports", ""))


@pytest.mark.parametrize(
    ("begun", "kept_out"),
    [
        ([], None),
        ([3 * HOUR], 3 * HOUR),
        ([3 * HOUR, 5 * HOUR], 5 * HOUR),
        # What has lasted for a day is what the product has become.
        ([30 * HOUR], None),
        ([30 * HOUR, 3 * HOUR], 3 * HOUR),
        # Its windows may still change, and so they are not learnt from anyhow.
        ([timedelta(minutes=1)], None),
    ],
)
def test_an_incident_that_is_open_is_not_learnt(
    lake: Lake, shop: Contract, monkeypatch: pytest.MonkeyPatch, begun: Sequence[timedelta], kept_out: timedelta | None
) -> None:
    """The baseline that is learnt every night would end what goes on, and call it normal."""
    today = datetime.now(UTC)
    counted = [SimpleNamespace(since=(today - ago).replace(tzinfo=None), incident_id=f"{ago}") for ago in begun]
    monkeypatch.setattr(now, "ask", lambda *_arguments: SimpleNamespace(counted=tuple(counted)))
    until, incident = baseline._default_until(lake, shop, today - timedelta(days=9), today)
    if kept_out is None:
        assert incident is None
        assert abs(until - (today - shop.allowed_lateness)) < timedelta(minutes=1)
    else:
        assert (until, incident) == (today - kept_out, f"{kept_out}")


@pytest.mark.parametrize(("last", "left"), [(False, [-2, 0, 1, 2]), (True, [-2, 0])])
def test_a_history_that_somebody_ends_takes_the_place_of_longer_ones(
    lake: Lake, shop: Contract, last: bool, left: Sequence[int]
) -> None:
    for hours in (-2, 1, 2):
        detect_state.store_baseline(lake, shop, learnt(AT + hours * HOUR), keep=7)
    detect_state.store_baseline(lake, shop, learnt(AT), keep=7, last=last)
    kept = sorted(set(lake.read("shop", "baseline")["until"].to_pylist()))
    assert kept == [AT + hours * HOUR for hours in left]
    newest = detect_state.newest_baseline(lake, shop, before=AT + 5 * HOUR)
    assert newest is not None
    assert newest[0] == AT + left[-1] * HOUR


def learnt(until: datetime) -> pd.DataFrame:
    """A baseline of one series, of which nothing but its end matters here."""
    row: dict[str, object] = dict.fromkeys(detect_state.BASELINE.names)
    until = until.replace(tzinfo=None)  # As `fit` gives it.
    row |= {"until": until, "history_start": until - 100 * HOUR, "metric": "traffic", "series": "traffic"}
    row |= {name: {} for name in ("dims", "dispersions", "scales", "shapes", "quantiles")}
    row |= {name: [1.0] for name in ("profile", "volume", "shown")}
    return pd.DataFrame([row])


def test_what_was_held_and_is_rejected_is_in_quarantine(lake: Lake, shop: Contract) -> None:
    counted = pa.struct(
        [("window_start", pa.timestamp("us", tz="UTC")), ("class", pa.string()), ("reason", pa.string()),
         ("n", pa.int64())]
    )  # fmt: skip
    schema = pa.schema([("query_id", pa.string()), ("batch_id", pa.int64()), ("facts", pa.list_(counted))])
    rows = [
        {"query_id": "q", "batch_id": batch, "facts": [{"window_start": AT, "class": "held", "reason": None, "n": 100}]}
        for batch in range(3)
    ]
    lake.replace("shop", "batches", pa.Table.from_pylist(rows, schema=schema), "true")
    before, _ = detect_state.facts_and_results(lake, shop, AT)
    assert dict(zip(before["class"], before["n"], strict=True)) == {"held": 300}
    decided = [("release", 0), ("reject", 1)]
    said = [
        {"command": word, "outcome": "done", "target_query_id": "q", "target_batch_id": batch}
        for word, batch in decided
    ]
    lake.replace("shop", "command_log", pa.Table.from_pylist(said), "true")
    facts, _ = detect_state.facts_and_results(lake, shop, AT)
    told = {(row["class"], row["reason"]): row["n"] for row in facts.to_dict("records")}
    assert told == {("silver", ""): 100, ("quarantine", "rejected by a person"): 100, ("held", ""): 100}


def test_without_a_baseline_nothing_is_called_normal(shop: Contract) -> None:
    tick = store.Tick(tick_at=AT, now=AT, data_until=AT, caught_up=True, windows=0, baseline_until=None)
    said = now.judge(shop, tick, [], [], AT + timedelta(seconds=5))
    assert said.state == "unknown"
    assert said.why.endswith("Next: pulseiq run baseline shop")
