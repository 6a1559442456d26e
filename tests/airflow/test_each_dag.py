"""Every DAG once by `dag.test()` on the running emulator, each of its jobs a real spark-submit; told in order."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.platform.lake import Lake
from tests.airflow.api import States
from tests.airflow.traffic import sent
from tests.products import Product

Tested = Callable[..., States]


def succeeded(states: States) -> bool:
    return set(states.values()) == {"success"}


def test_what_is_normal_is_learnt(tested: Tested, shop: Product) -> None:
    assert tested("baseline") == {"learn": "success"}
    assert len(shop.table("baseline"))


def test_what_was_audited_is_published(tested: Tested, shop: Product) -> None:
    assert succeeded(tested("quality_audit"))
    assert not shop.table("audit_results").query("severity == 'critical' and not success")["expectation"].tolist()
    assert tested("gold_publish") == {"publish": "success", "publish_answer": "success"}
    assert len(shop.table("gold_published"))


def test_what_the_audit_refuses_is_not_published_and_the_run_says_so(tested: Tested, shop: Product) -> None:
    before = len(shop.table("gold_published"))
    sent(shop, malformed=0.2)
    assert succeeded(tested("quality_audit"))  # It did its work; what it found is for the publication to heed.
    assert tested("gold_publish") == {"publish": "success", "publish_answer": "skipped"}
    assert len(shop.table("gold_published")) == before


def test_tables_are_cared_for(tested: Tested, shop: Product) -> None:
    assert succeeded(tested("maintenance", retention="7d"))
    assert set(shop.table("maintenance")["table"]) >= {"silver", "gold"}


def test_a_day_within_its_budget_and_one_over_it(tested: Tested) -> None:
    assert succeeded(tested("cost_report", budget=1e9))
    assert tested("cost_report", budget=0) == {"cost": "success", "cost_answer": "failed"}


def test_a_lost_event_is_found_and_a_replay_brings_it_back(tested: Tested, shop: Product) -> None:
    assert succeeded(tested("reconcile"))
    lost = shop.table("silver")["event_id"].iloc[0]
    table = Lake(shop.settings).table(shop.contract.product, "silver")
    assert table is not None
    table.delete(f"event_id = '{lost}'")
    assert tested("reconcile") == {"ledger": "success", "ledger_answer": "failed"}
    assert succeeded(tested("replay", layer="silver"))
    assert succeeded(tested("reconcile"))
    assert lost in set(shop.table("silver")["event_id"])
