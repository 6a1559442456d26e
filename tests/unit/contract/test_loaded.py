"""What a right contract becomes: columns, paths with their types, upgrades, SQL and defaults."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines import contract as contracts
from pipelines.contract.load import FOLDER
from pipelines.contract.spark_schema import silver_schema


@pytest.fixture(scope="module")
def shop() -> contracts.Contract:
    return contracts.load("shop")


def test_columns_of_silver_are_envelope_dimensions_and_every_newest_payload(shop):
    assert silver_schema(shop).simpleString() == (
        "struct<event_id:string,event_type:string,schema_version:int,event_time:timestamp,"
        "region:string,feature:string,device:string,app_version:string,"
        "user_id:string,session_id:string,action:string,latency_ms:double,error:boolean,"
        "order_id:string,amount_minor:bigint,currency:string,status:string,"
        "host:string,name:string,value:double>"
    )


def test_paths_of_every_version_are_read_with_their_types(shop):
    assert {path: kind for path, kind in shop.path_types.items() if kind != "string"} == {
        "$.schema_version": "integer",
        "$.duration_s": "number",
        "$.latency_ms": "number",
        "$.error": "boolean",
        "$.amount_minor": "integer",
        "$.value": "number",
    }
    assert {"$.event_id", "$.region", "$.user_id", "$.host"} <= set(shop.path_types)


def test_old_version_carries_its_upgrade_and_the_newest_has_none(shop):
    old, newest = shop.events["user_action"].versions
    assert (old.number, dict(old.upgrade)) == (1, {"latency_ms": "TRY_MULTIPLY(duration_s, 1000)"})
    assert (newest.number, dict(newest.upgrade)) == (2, {})
    assert shop.events["user_action"].newest is newest


def test_rules_of_a_field_come_from_its_schema(shop):
    fields = {field.column: field for field in shop.events["transaction"].newest.fields}
    amount = fields["amount_minor"]
    assert (amount.path, amount.type, amount.required) == ("$.amount_minor", "integer", True)
    assert (amount.minimum, amount.maximum) == (1, 10_000_000)
    assert fields["currency"].enum == ("EUR", "USD", "GBP")


def test_times_and_limits_are_read_as_written(shop):
    assert (shop.window, shop.allowed_lateness, shop.dedup_horizon) == (
        timedelta(minutes=5),
        timedelta(minutes=10),
        timedelta(hours=1),
    )
    assert shop.born == datetime(2020, 1, 1, tzinfo=UTC)
    assert (shop.topic, shop.redrive_topic, shop.decisions_topic) == ("shop.events", "shop.redrive", "shop.decisions")


def test_weblog_has_one_constant_event_type_and_its_own_clock():
    weblog = contracts.load("weblog")
    assert (weblog.clock, weblog.files, weblog.dimensions) == (
        "event",
        "combined",
        ("path_group", "status_class", "agent_family"),
    )
    assert weblog.envelope.event_type.constant == "request"
    assert weblog.events["request"].key == "client"
    assert dict(weblog.columns) == {
        "client": "string",
        "method": "string",
        "path": "string",
        "protocol": "string",
        "status": "integer",
        "bytes": "integer",
        "referrer": "string",
        "agent": "string",
    }


def test_every_contract_of_the_repository_loads():
    assert [contract.product for contract in contracts.load_all()] == ["shop", "weblog"]


def test_folder_elsewhere_is_loaded_by_its_path(tmp_path: Path, shop):
    copy = shutil.copytree(FOLDER / "shop", tmp_path / "anything")
    loaded = contracts.load(copy)
    assert loaded.model_copy(update={"folder": shop.folder}) == shop


def test_contract_cannot_be_changed(shop):
    with pytest.raises(ValidationError, match="frozen"):
        shop.window = timedelta(hours=1)
