"""Quarantined events sent back corrected, told in order: each test goes on where the one before it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from pipelines.cli.main import build
from pipelines.errors import ServiceError
from pipelines.platform import kafka
from pipelines.refine import fix as fixes
from pipelines.refine import redrive as redrives
from pipelines.refine.held import reject
from pipelines.refine.redrive import redrive
from pipelines.replay import rebuild
from tests.products import Product

SOUND = {"duplicates": 0.0, "late": 0.0, "malformed": 0.0}
FIX = """
why: the app renamed latency_ms and sends it as text
reason: missing_field
where: {$.event_type: user_action}
steps:
  - rename: {$.latency: $.latency_ms}
  - cast: {$.latency_ms: number}
"""


@pytest.fixture(scope="module")
def shop(new_product: Callable[[], Product]) -> Product:
    return new_product()


@pytest.fixture
def fix(tmp_path: Path) -> Path:
    file = tmp_path / "fix.yaml"
    file.write_text(FIX)
    return file


def pulseiq(*words: str) -> str:
    done = CliRunner().invoke(build(), list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def renamed(shop: Product, count: int) -> None:
    """Events of version 2 whose latency has another name, and text for a number."""
    rows = shop.table("silver").query("event_type == 'user_action' and schema_version == 2").head(count)
    producer = kafka.producer(shop.settings)
    for n, row in enumerate(rows.to_dict("records")):
        names = ("event_type", "schema_version", "user_id", "session_id", "action", "error", *shop.contract.dimensions)
        event = {name: row[name] for name in names} | {"event_id": f"renamed-{n}", "latency": "120"}
        event["event_time"] = row["event_time"].isoformat()
        producer.produce(shop.contract.topic, orjson.dumps(event), row["user_id"])
    assert producer.flush(30) == 0


def test_a_redrive_that_broke_off_sends_the_rest_and_nothing_twice(
    shop: Product, spark: SparkSession, fix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.send(600, faults=SOUND)
    shop.run(spark)
    renamed(shop, 30)
    shop.run(spark)
    before = shop.assert_whole()
    assert before.reasons == {"missing_field": 30}
    folder = str(shop.contract.folder)
    assert "30" in pulseiq("quarantine", "list", folder)
    assert '"latency":"120"' in pulseiq("quarantine", "show", folder, "missing_field", "--limit", "1")
    assert pulseiq("quarantine", "redrive", folder, "--fix", str(fix), "--dry-run").startswith("30 events would be")

    headers = redrives._Redrive._headers
    calls: list[int] = []

    def dies_at_the_eleventh(self: Any, row: Any) -> Any:
        calls.append(1)
        if len(calls) > 10:
            raise ServiceError("killed")
        return headers(self, row)

    with monkeypatch.context() as broken:
        broken.setattr(redrives._Redrive, "_headers", dies_at_the_eleventh)
        with pytest.raises(ServiceError):
            redrive(shop.settings, shop.contract, fixes.read(fix), actor="ana")
    said = pulseiq("quarantine", "redrive", folder, "--fix", str(fix))
    sent = int(said.split()[0])
    assert 20 <= sent <= 30
    again = pulseiq("quarantine", "redrive", folder, "--fix", str(fix))
    assert again.startswith("0 events were sent")
    assert "30 were re-driven before" in again

    shop.run(spark)
    ledger = shop.assert_whole()
    assert ledger.events == before.events
    assert ledger.classes == {**before.classes, "silver": before.classes["silver"] + 30, "quarantine": 0}
    assert (ledger.redriven, ledger.late, ledger.reasons) == (30, 0, {})
    silver = shop.table("silver")
    assert (silver.loc[silver["event_id"].str.startswith("renamed-"), "latency_ms"] == 120).all()
    log = shop.table("command_log").query("command == 'redrive'")
    assert set(log["outcome"]) == {"started", "done"}
    assert set(log["reason"]) == {fixes.read(fix).why}


def test_a_rejected_batch_comes_back_corrected_although_its_ids_are_known(
    shop: Product, spark: SparkSession, tmp_path: Path
) -> None:
    shop.send(900, seed=2, scenario="bad-release", faults={**SOUND, "duplicates": 0.05})
    shop.run(spark)
    (batch_id,) = shop.table("batches").query("held > 0")["batch_id"]
    moved = reject(spark, shop.settings, shop.contract, batch_id, actor="ana", reason="euros sent as cents").rows
    before = shop.assert_whole()
    file = tmp_path / "fix.yaml"
    file.write_text(
        "why: not a bad release after all\nreason: rejected\nsteps:\n  - default: {$.checked_by: payments}\n"
    )
    done = redrive(shop.settings, shop.contract, fixes.read(file), actor="ana")
    assert done.sent == moved
    # The gate sees the same amounts again, and holds them again: it is the same door.
    shop.run(spark)
    ledger = shop.assert_whole()
    assert ledger.events == before.events
    assert ledger.classes["held"] == moved
    assert ledger.classes["duplicates"] == before.classes["duplicates"]


def test_a_rebuild_has_every_redriven_event_where_it_was(shop: Product, spark: SparkSession) -> None:
    before, gold = shop.assert_whole(), shop.gold()
    rebuild.from_kafka(shop.settings, shop.contract)
    ledger = shop.assert_whole()
    assert ledger.classes == before.classes
    assert shop.gold() == gold
