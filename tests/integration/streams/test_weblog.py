"""The second product, from a real server's log to the ledger, by the commands that a person types."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession
from typer.testing import CliRunner

from pipelines import contract as contracts
from pipelines.cli.main import build
from pipelines.ledger.audit import audit
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

LOG = Path(__file__).parents[2] / "data" / "weblog" / "access.log.gz"
LINES = 10_000


def test_every_line_of_a_real_access_log_is_accounted_for(services: Settings, spark: SparkSession) -> None:
    for words in (["ingest", "weblog", str(LOG)], ["run", "refine", "weblog", "--once"]):
        done = CliRunner().invoke(build(), words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    contract = contracts.load("weblog")
    ledger = audit(services, contract)
    assert ledger.balances
    assert (ledger.events, ledger.waiting) == (LINES, 0)
    assert ledger.classes["silver"] >= 9_990
    assert ledger.classes["held"] == ledger.classes["duplicates"] == ledger.late == 0
    assert sum(ledger.reasons.values()) == LINES - ledger.classes["silver"]

    lake = Lake(services)
    silver = lake.read("weblog", "silver", columns=["status", "bytes"]).to_pandas()
    gold = lake.read("weblog", "gold").to_pylist()
    assert sum(row["traffic"]["n"] for row in gold) == len(silver)
    assert sum(row["bytes_sent"]["sum"] for row in gold) == silver["bytes"].sum()
    assert sum(row["error_rate"]["numerator"] for row in gold) == (silver["status"] >= 400).sum()
