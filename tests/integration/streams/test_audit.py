"""The audit by the command that a person types: each batch once, at the versions it says, beside what was decided."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from pipelines.cli.audit import CRITICAL_FAILED
from pipelines.cli.main import build
from pipelines.jobs import audit_state
from pipelines.platform.lake import Lake
from tests.products import Product

pytestmark = pytest.mark.usefixtures("commands_in_session")

SOUND = {"duplicates": 0.01, "late": 0.0, "malformed": 0.002}


@pytest.fixture(scope="module")
def shop(new_product: Callable[[], Product]) -> Product:
    return new_product()


def audit(shop: Product, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(build(), ["quality", "audit", str(shop.contract.folder), *words], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def newest(shop: Product) -> pd.DataFrame:
    rows = shop.table("audit_results")
    return rows[rows["run_at"] == rows["run_at"].max()].set_index("expectation")


def versions(rows: pd.DataFrame) -> dict[str, list[int]]:
    (found,) = set(rows["versions"])
    return dict(json.loads(found))


def test_sound_batches_pass_every_suite_and_are_audited_once(shop: Product, spark: SparkSession) -> None:
    shop.send(3_000, faults=SOUND)
    shop.run(spark, max_rows=1_500)
    said = audit(shop)
    assert "0 not, 0 broken" in said
    found = newest(shop)
    assert set(found["layer"]) == {"bronze", "silver", "gold"}
    assert found.loc["traffic reconciles with silver", "rows"] >= 1
    assert found.loc["no offset is missing", "rows"] == len(shop.table("bronze"))
    assert "nothing to audit" in audit(shop, "--since-last")
    assert newest(shop)["run_id"].equals(found["run_id"])


def test_the_next_audit_begins_where_the_last_ended_and_names_what_is_wrong(shop: Product, spark: SparkSession) -> None:
    before = versions(newest(shop))
    rows_before = len(shop.table("silver"))
    shop.send(1_500, seed=2, faults={**SOUND, "malformed": 0.2})
    shop.run(spark)
    said = audit(shop, "--since-last", code=CRITICAL_FAILED)
    assert "critical silver: few records are refused" in said
    found = newest(shop)
    assert {name: both[0] for name, both in versions(found).items()} == {name: both[1] for name, both in before.items()}
    assert found.loc["event ids are unique", "rows"] == len(shop.table("silver")) - rows_before
    failed: Any = found.loc["few records are refused"]
    assert not failed["success"]
    assert failed["error"] is None
    assert json.loads(failed["observed"])["strata"][0]["value"] > 0.1
    evidence = audit_state.failures(Lake(shop.settings), shop.contract, failed["from_time"].to_pydatetime())
    assert "few records are refused" in set(evidence["check"])


def test_a_range_of_windows_is_audited_whole(shop: Product, spark: SparkSession) -> None:
    times = shop.table("silver")["event_time"]
    start, end = times.min().floor("5min"), times.max().floor("5min") + timedelta(minutes=5)
    audit(shop, "--from", start.isoformat(), "--to", end.isoformat(), code=CRITICAL_FAILED)
    found = newest(shop)
    assert found.loc["event ids are unique", "rows"] == len(times)
    assert found.loc["traffic reconciles with silver", "success"]
    assert (found["error"].isna()).all()
