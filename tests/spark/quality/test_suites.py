"""Bad data of seven kinds are flagged by the suite that is there for it, and named; sound data of three seeds pass."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines import contract as contracts
from pipelines.contract import Contract
from quality import audit
from quality.audit import Outcome
from quality.expectation import Expectation, Layer, Statistic
from tests.spark.quality.lake import Event, Sent, audited, sent

DAYS_BEFORE = (1, 2)
AHEAD, RENAMED, FORGOTTEN = "u-1", "declined", "5.0.2"


@pytest.fixture(scope="module")
def shop() -> Contract:
    return contracts.load("shop")


@pytest.fixture(scope="module")
def before(spark: SparkSession, shop: Contract) -> list[Sent]:
    return [sent(spark, shop, 1, days) for days in DAYS_BEFORE]


def outcomes(shop: Contract, now: Sent, before: Iterable[Sent], layers: Iterable[Layer]) -> dict[str, Outcome]:
    suites, looked_at = audit.suites(shop), audited(shop, now, before)
    return {each.expectation.name: each for layer in layers for each in audit.judge(suites[layer], looked_at)}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sound_traffic_passes_every_suite(spark: SparkSession, shop: Contract, before: list[Sent], seed: int) -> None:
    # One seed through all layers: what the others could add is in silver.
    layers: tuple[Layer, ...] = ("bronze", "silver", "gold") if seed == 1 else ("silver",)
    found = outcomes(shop, sent(spark, shop, seed), before, layers)
    assert {name: (each.error, each.observed) for name, each in found.items() if not each.success} == {}
    judged = {name for name, each in found.items() if each.observed["strata"]}
    assert {"volume is as expected", "mix of region is stable", "distribution of currency is stable"} <= judged
    assert {"who pays has been here", "an order is paid once"} <= judged


def spoilt(event: Event) -> list[Event]:
    """One event as seven broken producers would send it."""
    event = dict(event)
    if event.get("region") == "ap-south":
        return []
    if event.get("app_version") == FORGOTTEN:
        event.pop("latency_ms", None)
        event.pop("duration_s", None)
    if event.get("status") == RENAMED:
        event["status"] = "refused"
    if event.get("currency") and event.get("region") == "us-east":
        event["currency"] = "EUR"
    if event.get("app_version") == "5.1.0" and "latency_ms" in event:
        event["latency_ms"] = event["latency_ms"] / 1000
    if event.get("device") == "server" and "event_time" in event:
        ahead = pd.Timestamp(event["event_time"]) + timedelta(hours=2)
        event["event_time"] = ahead.isoformat()
    return [event] * 3


@pytest.fixture(scope="module")
def spoilt_outcomes(spark: SparkSession, shop: Contract, before: list[Sent]) -> dict[str, Outcome]:
    return outcomes(shop, sent(spark, shop, 1, change=spoilt), before, ["silver"])


@pytest.mark.parametrize(
    ("expectation", "severity", "named"),
    [
        # Seconds for milliseconds, in one version.
        ("latencies are in milliseconds", "critical", "app_version=5.1.0"),
        ("distribution of latency_ms is stable", "warning", "app_version=5.1.0"),
        # A field that is suddenly null in one version, an enum value renamed, a clock two hours ahead.
        ("few records are refused", "critical", "missing_field"),
        ("few records are refused", "critical", "out_of_range"),
        ("few records are refused", "critical", "future_event_time"),
        ("few records are duplicates", "critical", "all rows"),
        ("distribution of currency is stable", "warning", "region=us-east"),
        ("no new currency takes over", "critical", "region=us-east"),
        ("no region vanishes", "warning", "ap-south"),
    ],
)
def test_bad_data_are_flagged_by_what_is_there_for_them_and_named(
    spoilt_outcomes: dict[str, Outcome], expectation: str, severity: str, named: str
) -> None:
    found = spoilt_outcomes[expectation]
    assert found.failed, found.observed
    assert found.expectation.severity == severity
    assert named in str(found.observed["strata"])


def test_what_is_not_wrong_is_not_blamed(spoilt_outcomes: dict[str, Outcome]) -> None:
    sound = ("amounts are in minor units", "event ids are unique", "transaction: currency is known")
    assert all(each.success for name, each in spoilt_outcomes.items() if name.startswith(sound))


def test_a_field_that_may_be_empty_and_suddenly_is_in_one_version_is_named(
    spark: SparkSession, shop: Contract, before: list[Sent]
) -> None:
    events = dict(shop.events)
    newest = events["transaction"].newest
    fields = tuple(f.model_copy(update={"required": f.column != "currency"}) for f in newest.fields)
    versions = (newest.model_copy(update={"fields": fields}),)
    events["transaction"] = events["transaction"].model_copy(update={"versions": versions})
    loose = shop.model_copy(update={"events": events})

    def forgotten(event: Event) -> list[Event]:
        return [{k: v for k, v in event.items() if k != "currency" or event.get("app_version") != "5.2.0"}]

    now = sent(spark, loose, 1, change=forgotten)
    (expectation,) = [each for each in audit.suites(loose)["silver"] if each.name.startswith("currency is empty")]
    (found,) = audit.judge([expectation], audited(loose, now, before))
    assert found.failed
    assert "app_version=5.2.0" in str(found.observed["strata"])


def test_gold_that_lost_or_doubled_rows_does_not_reconcile(
    spark: SparkSession, shop: Contract, before: list[Sent]
) -> None:
    gold = audited(shop, before[0], []).gold
    first = gold.agg(F.min("window_start")).first()
    assert first is not None
    doubled = gold.unionAll(gold.where(F.col("window_start") == first[0]).limit(5))
    judged = audit.judge(audit.suites(shop)["gold"], audited(shop, before[0], [], gold=doubled))
    failed = {each.expectation.name: each for each in judged if each.failed}
    assert "traffic reconciles with silver" in failed
    assert str(first[0])[:16] in str(failed["traffic reconciles with silver"].observed)
    assert not any(each.error for each in judged)


def test_a_check_that_breaks_is_told_apart_and_the_others_are_judged(
    spark: SparkSession, shop: Contract, before: list[Sent]
) -> None:
    def expectation(name: str, operand: str) -> Expectation:
        return Expectation(
            "silver", name, Statistic("silver", "share", operand), "share", "critical", "o", "w", min=0.5
        )

    wanted = [expectation("broken", "no_such_column = 1"), expectation("sound", "event_id IS NOT NULL")]
    broken, sound = audit.judge(wanted, audited(shop, before[0], []))
    assert not broken.success
    assert not broken.failed
    assert "no_such_column" in str(broken.error)
    assert sound.success
    assert sound.observed["strata"][0]["value"] == 1
