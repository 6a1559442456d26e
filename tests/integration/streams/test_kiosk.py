"""A product that the code has never heard of, by the commands that a person types: 50,000 events, every line found."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from pyspark.sql import SparkSession
from typer.testing import CliRunner

from pipelines import contract as contracts
from pipelines.cli.main import build
from pipelines.ledger.audit import audit
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from tests.data.kiosk import generate

KIOSK = generate.FOLDER
LINES = 50_000


def test_every_line_of_fifty_thousand_is_where_the_generator_meant_it(
    services: Settings, spark: SparkSession, tmp_path: Path
) -> None:
    file, end = tmp_path / "events.ndjson", datetime.now(UTC)
    generate.write(file, LINES, end=end)
    for words in (["ingest", str(KIOSK), str(file)], ["run", "refine", str(KIOSK), "--once"]):
        done = CliRunner().invoke(build(), words, catch_exceptions=False)
        assert done.exit_code == 0, done.output

    made = list(generate.events(LINES, end=end))
    ledger = audit(services, contracts.load(KIOSK))
    assert ledger.balances
    assert (ledger.events, ledger.waiting, ledger.late) == (LINES, 0, 0)
    assert ledger.reasons == Counter(each.reason for each in made if each.reason)
    refused = sum(ledger.reasons.values())
    assert ledger.classes == {"silver": LINES - refused, "quarantine": refused, "duplicates": 0, "held": 0}

    paid = [each.cents for each in made if each.cents and json.loads(each.value)["payment"]["approved"]]
    gold = Lake(services).read("kiosk", "gold").to_pylist()
    assert sum(row["sales"]["n"] for row in gold if row["sales"]) == sum(each.cents is not None for each in made)
    assert sum(row["takings"]["sum"] for row in gold if row["takings"]) == sum(paid)
