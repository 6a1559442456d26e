"""`pulseiq why`: what alerted, and of what did not the condition that it missed, from a lake on disk and no JVM."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from rich.console import Console

from pipelines import contract as contracts
from pipelines.cli import why as command
from pipelines.contract import Contract, Sensitivity
from pipelines.contract.sensitivity import Mute, Planned
from pipelines.detect import baseline
from pipelines.detect.evaluate import evaluate
from pipelines.errors import UsageError
from pipelines.gold import local
from pipelines.jobs import detect_state, why
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

START = datetime(2026, 11, 2, tzinfo=UTC)
STEP = timedelta(minutes=30)
HISTORY, RECENT = 6 * 48, 48
FALL = HISTORY + 12
UNTIL = START + HISTORY * STEP
DEVICES = {"ios": 300, "web": 200, "tv": 8}


@dataclass(frozen=True)
class OnDisk(Settings):
    """Settings whose lake is a folder."""

    def table_uri(self, product: str, table: str) -> str:
        return str(self.home / product / table)


def shop(**told: object) -> Contract:
    found = contracts.load("shop")
    metrics = tuple(each for each in found.metrics if each.name == "traffic")
    update = {"metrics": metrics, "window": STEP, "sensitivity": Sensitivity(**told)}
    return found.model_copy(update=update)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """History and a day since, in which one device's traffic falls; evidence as the detect loop keeps it."""
    home = Path(tmp_path_factory.mktemp("lake"))
    lake = Lake(OnDisk("local", home, "eu-central-1", None, "", "lake", "artifacts", "reports", ""))
    rng, contract = np.random.default_rng(4), shop()
    rows = [
        {
            "window_start": START + window * STEP, "region": "eu", "feature": "home", "device": device,
            "app_version": version, "traffic": {"n": int(rng.poisson(rate / 2 * (0.4 if fell else 1.0)))},
        }
        for window in range(HISTORY + RECENT)
        for device, rate in DEVICES.items()
        for version in ("1", "2")
        for fell in [device == "ios" and FALL <= window < FALL + 6]
    ]  # fmt: skip
    kinds = [("window_start", pa.timestamp("us", tz="UTC")), *((name, pa.string()) for name in contract.dimensions),
             ("traffic", pa.struct([("n", pa.int64())]))]  # fmt: skip
    lake.replace("shop", "gold", pa.Table.from_pylist(rows, schema=pa.schema(kinds)), "true")
    end = START + (HISTORY + RECENT) * STEP
    parts = [{}, *({"device": name} for name in DEVICES)]
    frame = pd.concat([local.read(lake, contract, contract.metrics[0], each, START, end) for each in parts])
    learnt = baseline.fit(frame, contract, UNTIL)
    detect_state.store_baseline(lake, contract, learnt, keep=3)
    recent = frame[frame["window_start"] >= pd.Timestamp(UNTIL).tz_convert(None)]
    detect_state.store_evidence(lake, contract, evaluate(recent, learnt, contract), UNTIL, "1")
    row = {"tick_at": end, "now": end, "data_until": end, "caught_up": True, "windows": RECENT, "gold_version": 0,
           "baseline_until": UNTIL, "confirmed_until": end, "incidents": 0, "seconds": 1.0,
           "detector_version": "1"}  # fmt: skip
    detect_state.store_tick(lake, contract, row, keep_since=START)
    return lake


def at(window: int) -> datetime:
    return START + window * STEP + timedelta(minutes=7)


def test_the_sums_of_gold_are_those_of_its_rows(lake: Lake) -> None:
    contract = shop()
    pair = {"device": "ios", "app_version": "1"}
    whole, part, deeper = (
        local.read(lake, contract, contract.metrics[0], dims, START, START + 3 * STEP)
        for dims in ({}, pair, {**pair, "region": "eu"})
    )
    rows = [row for row in lake.read("shop", "gold").to_pylist() if row["window_start"] < START + 3 * STEP]
    assert len(whole) == 3
    assert whole["value"].sum() == sum(row["traffic"]["n"] for row in rows)
    own = [row for row in rows if pair.items() <= row.items()]
    assert part["value"].sum() == sum(row["traffic"]["n"] for row in own)
    # Three dimensions together are deeper than counts are followed.
    assert deeper.empty


def test_what_alerted_names_its_tests_and_the_numbers_that_were_kept(lake: Lake) -> None:
    answer = why.ask(lake, shop(), "traffic{device=ios}", at(FALL + 2))
    assert answer.said.startswith("alerted: ")
    point = next(each for each in answer.reasons if each.test == "point")
    assert point.fired
    assert point.missed == ()
    assert point.p_value < point.limit
    assert point.effect == pytest.approx(-0.6, abs=0.12)
    assert "point" in answer.kept


def test_an_ordinary_window_of_a_part_is_recomputed_and_says_what_was_missed(lake: Lake) -> None:
    answer = why.ask(lake, shop(), "traffic{device=web}", at(FALL + 2))
    assert answer.said.startswith("no alert: the nearest is the ")
    point = next(each for each in answer.reasons if each.test == "point")
    assert "point" not in answer.kept
    assert any(each.startswith("not rare enough: ") for each in point.missed)
    assert any(each.startswith("effect too small: ") for each in point.missed)


@pytest.mark.parametrize(
    ("series", "told", "missed"),
    [
        ("traffic{device=ios}", {"min_effect": 0.9}, "effect too small: "),
        ("traffic{device=ios}", {"min_count": 100_000}, "too few events: 100,000 are needed"),
        ("traffic{device=ios}", {"mute": (Mute(metrics="traffic"),)}, "muted"),
    ],
)
def test_each_condition_is_named_when_it_alone_is_missed(
    lake: Lake, series: str, told: dict[str, object], missed: str
) -> None:
    answer = why.ask(lake, shop(**told), series, at(FALL + 3))
    point = next(each for each in answer.reasons if each.test == "point")
    assert not point.fired
    assert [each for each in point.missed if each.startswith(missed)] == list(point.missed)


def test_the_first_bad_window_alone_is_said_to_be_alone(lake: Lake) -> None:
    answer = why.ask(lake, shop(), "traffic{device=ios}", at(FALL))
    pooled = [each for each in answer.reasons if "one window alone: others before it do not confirm it" in each.missed]
    assert pooled


def test_a_planned_event_is_said_to_explain_it(lake: Lake) -> None:
    sale = Planned(name="sale", start=START + FALL * STEP, end=START + (FALL + 6) * STEP)
    answer = why.ask(lake, shop(planned=(sale,)), "traffic{device=ios}", at(FALL + 2))
    assert answer.said.endswith("explained by a planned event: sale")


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (HISTORY - 1, "not judged: every baseline that is kept was learnt from this window or later ones"),
        (HISTORY + RECENT, "not judged yet: the data are known up to 2026-11-09 00:00 UTC"),
    ],
)
def test_a_window_that_was_not_judged_says_why(lake: Lake, window: int, said: str) -> None:
    assert why.ask(lake, shop(), "traffic", at(window)).said == said


def test_an_unknown_series_names_those_that_are_like_it(lake: Lake) -> None:
    with pytest.raises(UsageError, match=r"no series 'traffic\{device=andriod\}'") as refused:
        why.ask(lake, shop(), "traffic{device=andriod}", at(FALL))
    assert "traffic{device=" in str(refused.value.hint)


def test_the_answer_is_printed_for_people_and_for_programs(lake: Lake) -> None:
    answer = why.ask(lake, shop(), "traffic{device=ios}", at(FALL + 2))
    console = Console(width=80, record=True, file=io.StringIO())
    command.print_answer(answer, console)
    text = console.export_text()
    for part in ("traffic{device=ios}, 2026-11-08 07:00 to 07:30 UTC: alerted", "FIRES", "baseline: 6.0 days"):
        assert part in " ".join(text.split())
    # The conditions that were missed stand in lines, not in a column of some letters.
    assert max(len(line) for line in text.splitlines()) <= 80
    assert len(text.splitlines()) < 40
    said = json.loads(json.dumps(command.as_json(answer), default=str, allow_nan=False))
    assert {each["test"] for each in said["reasons"]} == {"point", "pair", "held", "long", "drift", "missing"}


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="'noon' is not a time"):
        command.moment_of("noon")


def test_a_name_that_is_no_metric_is_refused_before_the_lake_is_read(lake: Lake) -> None:
    with pytest.raises(UsageError, match="shop has no metric 'trafic'") as refused:
        why.ask(lake, shop(), "trafic{device=ios}", at(HISTORY + RECENT))
    assert refused.value.hint == "one of: traffic"


@pytest.mark.parametrize("asked", ["traffic{app_version=1,device=ios}", "traffic{device=ios, app_version=1}"])
def test_segments_may_be_named_in_any_order(lake: Lake, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    asked_for = []

    def judged(lake: Lake, contract: Contract, answer: why.Answer, *_: object) -> why.Answer:
        asked_for.append(answer.series)
        return answer

    read = detect_state.load_baseline

    def with_pair(*arguments: object, **named: object) -> pd.DataFrame:
        rows = read(*arguments, **named)  # type: ignore[arg-type]
        pair = rows["series"] == "traffic{device=web}"
        return rows.assign(series=rows["series"].mask(pair, "traffic{device=ios,app_version=1}"))

    monkeypatch.setattr(detect_state, "load_baseline", with_pair)
    monkeypatch.setattr(why, "_judged", judged)
    assert why.ask(lake, shop(), asked, at(FALL + 2)).series == "traffic{device=ios,app_version=1}"
    assert asked_for == ["traffic{device=ios,app_version=1}"]
