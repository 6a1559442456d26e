"""Series learnt and judged in executors, against the same in the driver: the same baseline, evidence and incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from pipelines import contract as contracts
from pipelines.contract import Contract, Sensitivity
from pipelines.contract.sensitivity import Mute, Planned
from pipelines.detect import baseline as learning
from pipelines.gold.sketches import GROWTH
from pipelines.incidents import Incident
from pipelines.jobs import baseline, detect, detect_state, spread
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

STEP = timedelta(minutes=60)
START = datetime(2026, 11, 2, tzinfo=UTC)
HISTORY, RECENT = 4 * 24, 14
UNTIL, NOW = START + HISTORY * STEP, START + (HISTORY + RECENT) * STEP
BROKEN = HISTORY + 6


@dataclass(frozen=True)
class OnDisk(Settings):
    """Settings whose lake is a folder."""

    def table_uri(self, product: str, table: str) -> str:
        """A folder per table; gold is the same one for all."""
        return str((self.home.parent if table == "gold" else self.home / product) / table)


@pytest.fixture(scope="module")
def contract() -> Contract:
    """A count of which not all series are followed and one is muted, a ratio with a planned event, a quantile."""
    shop = contracts.load("shop")
    told = Sensitivity(
        false_alerts_per_week=5,
        min_effect=0.1,
        min_count=5,
        mute=(Mute(series="traffic{device=web}"),),
        planned=(Planned(name="sale", start=UNTIL - 30 * STEP, end=UNTIL - 24 * STEP, metrics="conversion_rate"),),
    )
    most = {"traffic": 5, "conversion_rate": 250, "latency_p95": 250}
    metrics = tuple(
        each.model_copy(update={"most_series": most[each.name]}) for each in shop.metrics if each.name in most
    )
    return shop.model_copy(update={"metrics": metrics, "sensitivity": told, "window": STEP})


def gold_rows() -> list[dict[str, object]]:
    """From `BROKEN` on payments of one region and device fail, and what it does is slow; at last a device is silent."""
    rng = np.random.default_rng(5)
    rows = []
    for window in range(HISTORY + RECENT):
        busy = 1 + 0.4 * np.sin(2 * np.pi * window / 24)
        for region, device in product(("eu-west", "us-east"), ("ios", "tv", "web")):
            hit = window >= BROKEN and (region, device) == ("eu-west", "ios")
            if device == "tv" and window >= HISTORY + RECENT - 4:
                continue
            n, paid = int(rng.poisson(60 * busy)), int(rng.poisson(25 * busy))
            buckets = np.floor(np.log(rng.lognormal(5, 0.6, n) * (4 if hit else 1)) / np.log(GROWTH)).astype(int)
            histogram = sorted(
                (int(bucket), int(count)) for bucket, count in zip(*np.unique(buckets, return_counts=True), strict=True)
            )
            ratio = {"numerator": int(rng.binomial(paid, 0.1 if hit else 0.7)), "denominator": paid}
            rows.append(
                {
                    "window_start": START + window * STEP,
                    "window_seconds": int(STEP.total_seconds()),
                    "region": region,
                    "feature": "checkout",
                    "device": device,
                    "app_version": "5.1.0",
                    "traffic": {"n": n},
                    "conversion_rate": ratio,
                    "latency_p95": {"n": n, "histogram": histogram},
                }
            )
    return rows


@pytest.fixture(scope="module")
def home(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with gold in it."""
    home = Path(tmp_path_factory.mktemp("lake"))
    count = pa.int64()
    schema = pa.schema(
        [
            ("window_start", pa.timestamp("us", tz="UTC")),
            ("window_seconds", pa.int32()),
            *((name, pa.string()) for name in contract.dimensions),
            ("traffic", pa.struct([("n", count)])),
            ("conversion_rate", pa.struct([("numerator", count), ("denominator", count)])),
            ("latency_p95", pa.struct([("n", count), ("histogram", pa.map_(pa.int32(), count))])),
        ]
    )
    settings = OnDisk("local", home / "gold", "eu-central-1", None, "", "lake", "artifacts", "reports", "")
    Lake(settings).replace(contract.product, "gold", pa.Table.from_pylist(gold_rows(), schema=schema), "true")
    return home


@dataclass(frozen=True)
class Found:
    """What baseline and tick wrote."""

    learnt: pd.DataFrame
    evidence: pd.DataFrame
    incidents: list[Incident]
    state: str


def found(spark: SparkSession, contract: Contract, home: Path, most_cells: int) -> Found:
    settings = OnDisk("local", home / str(most_cells), "eu-central-1", None, "", "lake", "artifacts", "reports", "")
    lake = Lake(settings)
    baseline.run(spark, settings, contract, until=UNTIL, most_cells=most_cells)
    report = detect.tick(
        spark, settings, contract, NOW, end_offsets={contract.topic: {0: 0}}, patience=0, most_cells=most_cells
    )
    return Found(
        detect_state.load_baseline(lake, contract, before=NOW).sort_values(["metric", "series"], ignore_index=True),
        lake.read(contract.product, "evidence")
        .to_pandas()
        .sort_values(["metric", "window_start", "series", "test"], ignore_index=True),
        detect_state.load_incidents(lake, contract),
        report.state,
    )


@pytest.fixture(scope="module")
def both(spark: SparkSession, contract: Contract, home: Path) -> tuple[Found, Found]:
    """In the driver, and in executors of many slices; a few large series say what all share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "_MOST_POOLED", 4)
        patch.setattr(spread, "SLICE_CELLS", 500)
        return found(spark, contract, home, 10**9), found(spark, contract, home, 0)


def test_what_executors_learn_is_what_the_driver_learns(contract: Contract, both: tuple[Found, Found]) -> None:
    driver, executors = (each.learnt for each in both)
    assert set(driver["metric"]) == {metric.name for metric in contract.metrics}
    assert (driver["metric"] == "traffic").sum() == 5
    plain = [name for name in driver.columns if driver[name].dtype != object or name in ("metric", "series", "family")]
    pd.testing.assert_frame_equal(driver[plain], executors[plain], check_exact=True)
    for name in ("profile", "volume", "shown"):
        for left, right in zip(driver[name], executors[name], strict=True):
            np.testing.assert_array_equal(left, right)
    for name in ("dims", "dispersions", "scales", "shapes", "quantiles"):
        for left, right in zip(driver[name], executors[name], strict=True):
            assert {key: np.array(each).tolist() for key, each in dict(left).items()} == {
                key: np.array(each).tolist() for key, each in dict(right).items()
            }


def test_what_executors_find_is_what_the_driver_finds(both: tuple[Found, Found]) -> None:
    driver, executors = both
    assert driver.evidence["fired"].any()
    assert (driver.evidence["test"] == "missing").any()
    pd.testing.assert_frame_equal(driver.evidence, executors.evidence, check_exact=True)


def test_the_incidents_are_the_same(both: tuple[Found, Found]) -> None:
    driver, executors = both
    assert driver.state == executors.state == "abnormal"
    assert any(each.causes and each.causes[0].elements for each in driver.incidents)
    assert driver.incidents == executors.incidents
