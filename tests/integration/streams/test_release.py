"""Batches that the gate holds, told in order: each test goes on where the one before it stopped."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from pipelines.cli.main import build
from pipelines.errors import ServiceError, UsageError
from pipelines.jobs.live import Live, Pace
from pipelines.platform.tables import Tables
from pipelines.refine.commands import CommandLog
from pipelines.refine.held import reject, release
from pipelines.replay import rebuild
from tests.products import Product

ONLY_TWINS = {"duplicates": 0.05, "late": 0.0, "malformed": 0.0}
PULSEIQ = [sys.executable, "-m", "pipelines.cli.main"]


@pytest.fixture(scope="module")
def shop(new_product: Callable[[], Product]) -> Product:
    return new_product()


def held_batches(shop: Product) -> list[int]:
    """Numbers of the batches with held rows, oldest first, released ones included."""
    batches = shop.table("batches")
    return sorted(batches.loc[batches["held"] > 0, "batch_id"])


def test_batches_of_a_bad_release_are_held_and_their_twins_are_kept(shop: Product, spark: SparkSession) -> None:
    good = shop.send(1_000, faults=ONLY_TWINS)
    shop.run(spark)
    bad = shop.send(4_000, seed=2, scenario="bad-release", faults=ONLY_TWINS)
    shop.run(spark, max_rows=1_500)

    ledger = shop.assert_whole()
    assert len(held_batches(shop)) == 3
    assert ledger.classes["silver"] == good["events"] - good["duplicates"]
    assert ledger.classes["duplicates"] == good["duplicates"]
    quarantine, held = shop.table("quarantine"), shop.table("held")
    twins = quarantine[quarantine["reason"] == "twin_held"]
    assert len(held) > 2_000
    assert 50 < len(twins) <= bad["duplicates"]
    assert set(twins["event_id"]) <= set(held["event_id"])
    assert len(held) + len(twins) + ledger.reasons["missing_field"] == bad["events"]


def test_a_release_that_broke_off_is_seen_and_finished_beside_the_running_stream(
    shop: Product, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, batch_id = shop.ledger(), held_batches(shop)[0]
    held = shop.table("held").query("batch_id == @batch_id")
    append = Tables.append

    def without_gold(self: Tables, name: str, *arguments: Any, **options: Any) -> None:
        if name == "gold":
            raise ServiceError("S3 does not answer")
        append(self, name, *arguments, **options)

    with monkeypatch.context() as broken:
        broken.setattr(Tables, "append", without_gold)
        with pytest.raises(ServiceError):
            release(spark, shop.settings, shop.contract, batch_id, actor="ana", reason="new price list")
    assert "unlogged" in {finding.kind for finding in shop.ledger().findings}

    words = ["quality", "held", "release", str(shop.contract.folder), str(batch_id), "--reason", "new price list"]
    with Live(spark, shop.settings, shop.contract, ("bronze", "refine"), Pace(max_rows=500)) as running:
        running.start(once=False)
        command = subprocess.Popen([*PULSEIQ, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        sent = 0
        for seed in range(3, 9):
            sent += shop.send(200, seed=seed, faults={**ONLY_TWINS, "duplicates": 0.0})["events"]
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.wait(timeout=2)
        said = command.communicate()[0]
        assert command.returncode == 0, said
        shop.resend(held.head(5))
        running.drain(timeout_seconds=400)

    ledger = shop.assert_whole()
    assert f"{len(held):,} rows to silver and gold" in said
    assert ledger.released == len(held)
    assert ledger.classes == {
        "silver": before.classes["silver"] + len(held) + sent,
        "quarantine": before.classes["quarantine"] + 5,
        "duplicates": before.classes["duplicates"],
        "held": before.classes["held"] - len(held),
    }


def test_a_batch_is_released_once(shop: Product, spark: SparkSession) -> None:
    before = shop.places()
    with pytest.raises(UsageError, match=r"was released by \S+ at .*: new price list"):
        release(spark, shop.settings, shop.contract, held_batches(shop)[0], actor="ben", reason="again")
    assert shop.places() == before


@pytest.mark.usefixtures("commands_in_session")
def test_a_rejection_that_broke_off_stands_against_a_release_and_is_finished(
    shop: Product, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, batch_id = shop.ledger(), held_batches(shop)[1]
    held = shop.table("held").query("batch_id == @batch_id")

    def unlogged(self: CommandLog, *arguments: Any, **options: Any) -> None:
        raise ServiceError("S3 does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(CommandLog, "append", unlogged)
        with pytest.raises(ServiceError):
            reject(spark, shop.settings, shop.contract, batch_id, actor="ana", reason="euros sent as cents")
    assert "unlogged" in {finding.kind for finding in shop.ledger().findings}
    with pytest.raises(UsageError, match="ana began to reject batch"):
        release(spark, shop.settings, shop.contract, batch_id, actor="ben", reason="looks fine")

    words = ["quality", "held", "reject", str(shop.contract.folder), str(batch_id), "--reason", "again", "--by", "ben"]
    said = CliRunner().invoke(build(), words, catch_exceptions=False)
    assert said.exit_code == 0, said.output
    assert f"{len(held):,} rows to quarantine" in said.output
    with pytest.raises(UsageError, match=r"was rejected by ana at .*: euros sent as cents"):
        reject(spark, shop.settings, shop.contract, batch_id, actor="ben", reason="once more")

    ledger = shop.assert_whole()
    assert ledger.rejected == len(held) == ledger.reasons["rejected"]
    assert ledger.classes == {
        **before.classes,
        "quarantine": before.classes["quarantine"] + len(held),
        "held": before.classes["held"] - len(held),
    }
    position = ["kafka_partition", "kafka_offset"]
    rejected = shop.table("quarantine").query("reason == 'rejected'").set_index(position)["kafka_value"]
    assert rejected.sort_index().equals(held.set_index(position)["kafka_value"].sort_index())


def test_a_rebuild_finds_every_record_where_it_was(shop: Product, spark: SparkSession) -> None:
    places, gold = shop.places(), shop.gold()
    rebuild.from_kafka(shop.settings, shop.contract)
    assert shop.places() == places
    assert shop.gold() == gold
    shop.assert_whole()


def test_what_is_still_held_after_a_rebuild_can_be_released(shop: Product, spark: SparkSession) -> None:
    before = shop.ledger()
    (batch_id,) = held_batches(shop)
    done = release(spark, shop.settings, shop.contract, batch_id, actor="ana", reason="new price list")
    ledger = shop.assert_whole()
    assert done.rows == before.classes["held"] == ledger.released > 500
    assert ledger.classes == {**before.classes, "held": 0, "silver": before.classes["silver"] + done.rows}
