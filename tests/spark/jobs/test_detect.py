"""Baseline and tick over gold on local disk: an incident is found, carried over, and never seen in unread data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.incidents import Incident
from pipelines.jobs import baseline, detect, detect_state
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

STEP = timedelta(minutes=5)
START = datetime(2026, 11, 2, 0, 0, tzinfo=UTC)
HISTORY = 2 * 288
RECENT = 24
BROKEN = HISTORY + 12
UNTIL = START + HISTORY * STEP
NOW = START + (HISTORY + RECENT) * STEP
DIMENSIONS = {"region": ["eu", "us"], "feature": ["checkout"], "device": ["ios", "web"], "app_version": ["1.0"]}


@dataclass(frozen=True)
class OnDisk(Settings):
    """Settings whose lake is a folder."""

    def table_uri(self, product: str, table: str) -> str:
        return str(self.home / product / table)


@pytest.fixture(scope="module")
def contract() -> Contract:
    shop = contracts.load("shop")
    metrics = tuple(each for each in shop.metrics if each.name in ("traffic", "conversion_rate"))
    return shop.model_copy(update={"metrics": metrics})


def gold_rows(first: int, last: int) -> pd.DataFrame:
    """Leaf sums of windows [first, last): conversion of one segment breaks down at `BROKEN`."""
    rng = np.random.default_rng(first)
    leaves = pd.DataFrame(list(product(*DIMENSIONS.values())), columns=list(DIMENSIONS))
    windows = pd.DataFrame({"window": np.arange(first, last)})
    rows = windows.merge(leaves, how="cross")
    season = 1 + 0.4 * np.sin(2 * np.pi * rows["window"] / 288)
    rows["actions"] = rng.poisson(60 * season)
    rows["attempts"] = rng.poisson(20 * season)
    broken = (rows["window"] >= BROKEN) & (rows["region"] == "eu") & (rows["device"] == "ios")
    rows["completed"] = rng.binomial(rows["attempts"], np.where(broken, 0.15, 0.62))
    rows["at"] = [(START + int(window) * STEP).timestamp() for window in rows["window"]]
    return rows.drop(columns="window")


def append_gold(spark: SparkSession, uri: str, rows: pd.DataFrame) -> None:
    frame = spark.createDataFrame(rows).select(
        F.timestamp_seconds("at").alias("window_start"),
        F.lit(300).alias("window_seconds"),
        *DIMENSIONS,
        F.struct(F.col("actions").alias("n")).alias("traffic"),
        F.struct(F.col("completed").alias("numerator"), F.col("attempts").alias("denominator")).alias(
            "conversion_rate"
        ),
        F.lit(0).cast("bigint").alias("batch_id"),
        F.lit("q").alias("query_id"),
    )
    frame.write.format("delta").mode("append").save(uri)


def append_batch(lake: Lake, contract: Contract, number: int, first: int, last: int, until_offset: int) -> None:
    facts = [
        {"window_start": START + window * STEP, "class": "silver", "reason": None, "n": 300}
        for window in range(first, last)
    ]
    row = {
        "query_id": "q",
        "batch_id": number,
        "batch_time": NOW,
        "offsets": [{"topic": contract.topic, "partition": 0, "from_offset": 0, "until_offset": until_offset}],
        "facts": facts,
    }
    offset = pa.struct(
        [("topic", pa.string()), ("partition", pa.int32()), ("from_offset", pa.int64()), ("until_offset", pa.int64())]
    )
    time = pa.timestamp("us", tz="UTC")
    fact = pa.struct([("window_start", time), ("class", pa.string()), ("reason", pa.string()), ("n", pa.int64())])
    schema = pa.schema(
        [
            ("query_id", pa.string()),
            ("batch_id", pa.int64()),
            ("batch_time", time),
            ("offsets", pa.list_(offset)),
            ("facts", pa.list_(fact)),
        ]
    )
    lake.append(contract.product, "batches", pa.Table.from_pylist([row], schema=schema), "q/batches", number)


@dataclass
class World:
    """A lake with two days of history, a baseline of it, and two hours since, broken in the second one."""

    spark: SparkSession
    settings: Settings
    contract: Contract
    lake: Lake
    report: baseline.BaselineReport

    def tick(self, now: datetime, end: int) -> detect.TickReport:
        return detect.tick(
            self.spark, self.settings, self.contract, now, end_offsets={self.contract.topic: {0: end}}, patience=0
        )

    def incidents(self) -> Sequence[Incident]:
        return detect_state.load_incidents(self.lake, self.contract)


@pytest.fixture(scope="module")
def world(spark: SparkSession, contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> World:
    home = Path(tmp_path_factory.mktemp("lake"))
    settings = OnDisk("local", home, "eu-central-1", None, "", "lake", "artifacts", "reports", "")
    lake = Lake(settings)
    uri = settings.table_uri(contract.product, "gold")
    append_gold(spark, uri, gold_rows(0, HISTORY))
    append_batch(lake, contract, 0, 0, HISTORY, 1000)
    report = baseline.run(spark, settings, contract, until=UNTIL)
    append_gold(spark, uri, gold_rows(HISTORY, HISTORY + RECENT))
    append_batch(lake, contract, 1, HISTORY, HISTORY + RECENT, 2000)
    return World(spark, settings, contract, lake, report)


def test_baseline_says_what_it_was_learnt_from(world: World) -> None:
    assert world.report.windows == HISTORY
    assert world.report.history_days == pytest.approx(2.0)
    stored = detect_state.load_baseline(world.lake, world.contract, before=NOW)
    assert len(stored) == world.report.series
    assert "conversion_rate{region=eu,device=ios}" in set(stored["series"])


def test_nothing_is_found_before_the_incident(world: World) -> None:
    report = world.tick(START + BROKEN * STEP, 2000)
    assert (report.state, report.windows) == ("normal", 12)
    assert not world.incidents()


def test_the_incident_is_found_with_its_segment_and_a_second_tick_changes_nothing(world: World) -> None:
    report = world.tick(NOW, 2000)
    assert report.state == "abnormal"
    (incident,) = world.incidents()
    assert incident.metric == "conversion_rate"
    assert incident.verdict == "changed behaviour"
    assert incident.causes[0].elements == {"region": "eu", "device": "ios"}
    assert abs(incident.since.replace(tzinfo=UTC) - (START + BROKEN * STEP)) <= 2 * STEP
    world.tick(NOW, 2000)
    assert list(world.incidents()) == [incident]
    keys = ["window_start", "series", "test"]
    evidence = world.lake.read(world.contract.product, "evidence").to_pandas()
    assert not evidence.duplicated(keys).any()


def test_the_unfinished_window_is_not_judged(world: World) -> None:
    report = world.tick(NOW + timedelta(minutes=4, seconds=59), 2000)
    assert report.windows == RECENT


def test_an_incident_keeps_its_id_while_it_goes_on(world: World) -> None:
    world.tick(NOW - 4 * STEP, 2000)
    (early,) = world.incidents()
    world.tick(NOW, 2000)
    (late,) = world.incidents()
    assert early.incident_id == late.incident_id
    assert late.until > early.until


def test_silence_is_not_judged_while_records_are_unread(world: World) -> None:
    read = world.tick(NOW + timedelta(minutes=4, seconds=59), 2000)
    report = world.tick(NOW + 3 * STEP, 2001)
    assert report.state.startswith("unknown: no data since")
    assert not report.caught_up
    assert report.data_until == read.data_until
    assert report.windows == RECENT


def test_silence_is_an_incident_when_everything_was_read(world: World) -> None:
    world.tick(NOW + 3 * STEP, 2000)
    assert any(each.metric == "traffic" or "traffic down" in each.also_moved for each in world.incidents())


def test_a_baseline_of_too_little_is_refused(world: World) -> None:
    with pytest.raises(StateError, match="a baseline needs"):
        baseline.run(world.spark, world.settings, world.contract, until=START + 3 * STEP)
