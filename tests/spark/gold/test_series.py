"""The series and the leaves that Spark reads out of gold, against the same numbers counted straight from the events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.simulated_gold import Gold
from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.gold import leaves, local, series
from pipelines.gold.partial_sums import partial_sums
from pipelines.incidents.find import Asked
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

START = datetime(2026, 11, 2, 12, 0)
STEP = timedelta(minutes=5)
WINDOWS = 6


@pytest.fixture(scope="module")
def contract() -> Contract:
    return contracts.load("shop")


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    """Random events; no window has any payment in the fourth window, and nothing at all happens in the last."""
    rng = np.random.default_rng(5)
    n = 3000
    minute = rng.integers(0, 5 * (WINDOWS - 1), n)
    payment = (rng.random(n) < 0.3) & (minute // 5 != 3)
    return pd.DataFrame(
        {
            "event_time": [
                START + timedelta(minutes=int(m), seconds=int(s))
                for m, s in zip(minute, rng.integers(0, 60, n), strict=True)
            ],
            "event_type": np.where(payment, "transaction", "user_action"),
            "region": rng.choice(["eu-west", "us-east"], n, p=[0.7, 0.3]),
            "feature": np.where(payment, "checkout", rng.choice(["home", "cart"], n)),
            "device": rng.choice(["ios", "web"], n),
            "app_version": rng.choice(["5.1.0", "5.2.0"], n),
            "user_id": [f"u-{i}" for i in rng.integers(0, 400, n)],
            "status": np.where(payment, rng.choice(["completed", "declined"], n), None),
            "error": np.where(payment, None, rng.random(n) < 0.1),
            "amount_minor": np.where(payment, rng.integers(500, 9000, n), np.nan),
            "latency_ms": np.where(payment, np.nan, np.rint(rng.lognormal(5, 0.6, n))),
            "name": None,
            "value": np.nan,
        }
    )


@pytest.fixture(scope="module")
def silver(spark: SparkSession, events: pd.DataFrame) -> DataFrame:
    """The events as refine would accept them."""
    return spark.createDataFrame(
        events.assign(event_time=events["event_time"].astype(str))
        .astype(object)
        .where(events.notna(), None)
        .to_numpy()
        .tolist(),
        "event_time string, event_type string, region string, feature string, device string, app_version string, "
        "user_id string, status string, error boolean, amount_minor double, latency_ms double, name string, "
        "value double",
    ).withColumns(
        {"event_time": F.col("event_time").cast("timestamp"), "amount_minor": F.col("amount_minor").cast("bigint")}
    )


@pytest.fixture(scope="module")
def gold_uri(contract: Contract, silver: DataFrame, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Gold in three batches, so that windows and leaves are spread over several rows."""
    uri = str(tmp_path_factory.mktemp("gold") / "gold")
    for batch in range(3):
        part = silver.where(F.expr(f"pmod(xxhash64(user_id, event_time), 3) = {batch}"))
        partial_sums(part, contract).write.format("delta").mode("append").save(uri)
    return uri


@pytest.fixture(scope="module")
def frame(spark: SparkSession, contract: Contract, gold_uri: str) -> pd.DataFrame:
    return series.read(spark, gold_uri, contract, START, START + WINDOWS * STEP)


def values(frame: pd.DataFrame, name: str, column: str = "value") -> list[float]:
    return list(frame[frame["series"] == name].sort_values("window_start")[column])


def counted(events: pd.DataFrame, where: pd.Series) -> list[float]:
    window = ((events["event_time"] - START) / STEP).astype(int)
    return list(np.bincount(window[where], minlength=WINDOWS).astype(float))


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """Series frames alike: sums and histograms exactly, distinct counts by estimate.

    What a sketch estimates depends on how it was filled and merged; of 2^10 registers, three standard errors are 10 %.
    """
    exact = left["metric"] != "unique_users"
    pd.testing.assert_frame_equal(left[exact], right[exact], check_dtype=False)
    estimates = ["value", "n"]
    rest = [name for name in left.columns if name not in estimates]
    pd.testing.assert_frame_equal(left.loc[~exact, rest], right.loc[~exact, rest], check_dtype=False)
    np.testing.assert_allclose(left.loc[~exact, estimates], right.loc[~exact, estimates], rtol=0.1, atol=1)


def test_counts_of_the_whole_and_of_a_part_are_those_of_the_events(frame: pd.DataFrame, events: pd.DataFrame) -> None:
    actions = events["event_type"] == "user_action"
    assert values(frame, "traffic") == counted(events, actions)
    assert values(frame, "traffic{region=us-east}") == counted(events, actions & (events["region"] == "us-east"))


def test_a_ratio_has_its_pairs_and_no_value_where_nothing_was_counted(
    frame: pd.DataFrame, events: pd.DataFrame
) -> None:
    paid = events["event_type"] == "transaction"
    segment = paid & (events["region"] == "eu-west") & (events["device"] == "ios")
    name = "conversion_rate{region=eu-west,device=ios}"
    assert values(frame, name, "denominator") == counted(events, segment)
    assert values(frame, name, "numerator") == counted(events, segment & (events["status"] == "completed"))
    assert np.isnan(values(frame, "conversion_rate")[3])
    assert np.isnan(values(frame, "conversion_rate")[5])


@pytest.mark.parametrize("only", [(), ("traffic{region=us-east}",)])
def test_the_whole_of_each_metric_comes_whatever_else_is_asked_for(
    spark: SparkSession, contract: Contract, gold_uri: str, frame: pd.DataFrame, only: tuple[str, ...]
) -> None:
    found = series.read(spark, gold_uri, contract, START, START + WINDOWS * STEP, only=only)
    wanted = {metric.name for metric in contract.metrics} | set(only)
    assert_same(
        found.sort_values(["series", "window_start"], ignore_index=True),
        frame[frame["series"].isin(wanted)].sort_values(["series", "window_start"], ignore_index=True),
    )


def test_sums_are_exact(frame: pd.DataFrame, events: pd.DataFrame) -> None:
    done = events[events["status"] == "completed"]
    assert sum(values(frame, "revenue")) == done["amount_minor"].sum()
    assert sum(values(frame, "revenue", "n")) == len(done)


@pytest.mark.parametrize(("batches", "seed"), [(1, 0), (5, 1), (5, 2)])
def test_gold_adds_up_the_same_in_any_batches_and_any_order(
    spark: SparkSession, contract: Contract, silver: DataFrame, frame: pd.DataFrame, tmp_path: Path, batches: int,
    seed: int,
) -> None:  # fmt: skip
    uri = str(tmp_path / "gold")
    parts = [silver.where(F.expr(f"pmod(xxhash64(*, {seed}), {batches}) = {batch}")) for batch in range(batches)]
    for part in sorted(parts, key=lambda each: each.semanticHash() * (-1) ** seed):
        partial_sums(part.orderBy(F.rand(seed)), contract).write.format("delta").mode("append").save(uri)
    again = series.read(spark, uri, contract, START, START + WINDOWS * STEP)
    keys = ["series", "window_start"]
    left, right = (each.sort_values(keys, ignore_index=True) for each in (again, frame))
    assert_same(left, right)


@pytest.mark.parametrize(
    "name",
    ["traffic", "traffic{device=ios}", "conversion_rate{region=eu-west,device=ios}", "revenue{device=web}",
     "latency_p95{region=us-east}", "unique_users", "unique_users{device=web}", "queue_depth"],
)  # fmt: skip
def test_one_series_is_the_same_without_a_jvm(
    contract: Contract, gold_uri: str, frame: pd.DataFrame, name: str
) -> None:
    @dataclass(frozen=True)
    class There(Settings):
        def table_uri(self, product: str, table: str) -> str:
            return gold_uri

    lake = Lake(There("local", Path(gold_uri), "eu-central-1", None, "", "lake", "artifacts", "reports", ""))
    theirs = frame[frame["series"] == name].reset_index(drop=True)
    metric = next(each for each in contract.metrics if each.name == theirs["metric"][0])
    first = START.replace(tzinfo=UTC)
    usual = {name: float(theirs["usual"][0])}
    ours = local.read(lake, contract, metric, theirs["dims"][0], first, first + WINDOWS * STEP, usual=usual)
    assert_same(ours, theirs)


def test_quantile_is_within_a_bucket_of_the_true_one(frame: pd.DataFrame, events: pd.DataFrame) -> None:
    window = ((events["event_time"] - START) / STEP).astype(int)
    found = values(frame, "latency_p95")
    for i in range(WINDOWS - 1):
        latencies = np.sort(events.loc[(window == i) & events["latency_ms"].notna(), "latency_ms"])
        true = latencies[int(0.95 * (len(latencies) - 1))]
        assert found[i] == pytest.approx(true, rel=0.04)


def test_events_above_a_given_threshold_are_counted(
    spark: SparkSession, contract: Contract, gold_uri: str, events: pd.DataFrame
) -> None:
    threshold = 1.04**140
    frame = series.read(spark, gold_uri, contract, START, START + WINDOWS * STEP, usual={"latency_p95": threshold})
    assert sum(values(frame, "latency_p95", "numerator")) == (events["latency_ms"] >= threshold).sum()
    assert set(values(frame, "latency_p95", "usual")) == {threshold}


def test_distinct_users_are_estimated(frame: pd.DataFrame, events: pd.DataFrame) -> None:
    actions = events[events["event_type"] == "user_action"]
    window = ((actions["event_time"] - START) / STEP).astype(int)
    true = actions.groupby(window)["user_id"].nunique()
    assert values(frame, "unique_users")[: WINDOWS - 1] == pytest.approx(list(true), rel=0.1)


def test_every_series_has_every_window_and_an_empty_metric_is_there(frame: pd.DataFrame) -> None:
    assert set(frame.groupby("series").size()) == {WINDOWS}
    assert values(frame, "traffic")[WINDOWS - 1] == 0
    assert np.isnan(values(frame, "queue_depth")).all()


def test_parts_add_up_to_the_whole(frame: pd.DataFrame) -> None:
    for name in ("device", "region", "feature", "app_version"):
        parts = frame[(frame["metric"] == "traffic") & frame["dims"].map(lambda dims, name=name: list(dims) == [name])]
        assert list(parts.groupby("window_start")["value"].sum()) == values(frame, "traffic")


def test_an_old_version_of_gold_stays_readable(
    spark: SparkSession, contract: Contract, gold_uri: str, frame: pd.DataFrame
) -> None:
    first = series.read(spark, gold_uri, contract, START, START + WINDOWS * STEP, version=0)
    assert 0 < sum(values(first, "traffic")) < sum(values(frame, "traffic"))


def test_leaves_of_a_ratio_hold_incident_and_history(
    spark: SparkSession, contract: Contract, gold_uri: str, events: pd.DataFrame
) -> None:
    metric = next(each for each in contract.metrics if each.name == "conversion_rate")
    found = leaves.read(spark, gold_uri, contract, metric, [START + 4 * STEP], (START, START + 4 * STEP))
    paid = events[events["event_type"] == "transaction"]
    late = paid["event_time"] >= START + 4 * STEP
    assert found["denominator"].sum() == late.sum()
    assert found["history_denominator"].sum() == (~late).sum()
    assert found["numerator"].sum() == (late & (paid["status"] == "completed")).sum()
    assert not found.duplicated(list(contract.dimensions)).any()


def test_expected_leaves_of_a_count_add_up_to_the_expected_total(
    spark: SparkSession, contract: Contract, gold_uri: str, events: pd.DataFrame
) -> None:
    metric = next(each for each in contract.metrics if each.name == "traffic")
    found = leaves.read(
        spark, gold_uri, contract, metric, [START + 4 * STEP], (START, START + 4 * STEP), expected_total=600.0
    )
    actions = (events["event_type"] == "user_action") & (events["event_time"] >= START + 4 * STEP)
    assert found["actual"].sum() == actions.sum()
    assert found["expected"].sum() == pytest.approx(600.0)


def test_slow_events_of_a_leaf_are_those_above_the_usual_value(
    spark: SparkSession, contract: Contract, gold_uri: str, events: pd.DataFrame
) -> None:
    metric = next(each for each in contract.metrics if each.name == "latency_p95")
    found = leaves.read(
        spark, gold_uri, contract, metric, [START + 4 * STEP], (START, START + 4 * STEP), usual=1.04**140
    )
    recent = events["event_time"] >= START + 4 * STEP
    assert found["numerator"].sum() == (events["latency_ms"] >= 1.04**140)[recent].sum()
    assert found["denominator"].sum() == events["latency_ms"].notna()[recent].sum()


@pytest.fixture(scope="module")
def summed(contract: Contract, events: pd.DataFrame) -> Gold:
    """Gold of the same events as the benchmarks sum it, without Spark."""
    at = events["event_time"].dt.floor("5min").astype("datetime64[s]").astype(np.int64)
    return Gold.of(events.assign(at=at), contract)


def test_the_benchmarks_gold_has_the_same_series(frame: pd.DataFrame, summed: Gold) -> None:
    first = START.replace(tzinfo=UTC)
    found = summed.series(first, first + WINDOWS * STEP, {})
    keys = ["series", "window_start"]
    ours, theirs = (each.sort_values(keys, ignore_index=True).drop(columns="dims") for each in (found, frame))
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", ["traffic", "conversion_rate", "revenue", "latency_p95"])
def test_the_benchmarks_gold_has_the_same_leaves(
    spark: SparkSession, contract: Contract, gold_uri: str, summed: Gold, name: str
) -> None:
    metric = next(each for each in contract.metrics if each.name == name)
    windows, history = (START + 4 * STEP,), (START, START + 4 * STEP)
    theirs = leaves.read(spark, gold_uri, contract, metric, windows, history, expected_total=600.0, usual=200.0)
    utc = [each.replace(tzinfo=UTC) for each in (*windows, *history)]
    ours = summed.leaves(Asked(metric, (utc[0],), (utc[1], utc[2]), 600.0, 200.0))
    keys = list(contract.dimensions)
    pd.testing.assert_frame_equal(
        *(each.sort_values(keys, ignore_index=True) for each in (ours, theirs)), check_dtype=False
    )
