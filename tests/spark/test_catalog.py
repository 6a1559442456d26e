"""What Terraform registers in Glue is what the contracts and the tables' definitions say."""

from __future__ import annotations

import json

from pyspark.sql import SparkSession

from pipelines import contract as contracts
from pipelines.jobs import catalog


def test_the_committed_catalog_is_current(spark: SparkSession) -> None:
    committed = catalog.FILE.read_text(encoding="utf-8")
    assert committed == catalog.render(spark), "run: pulseiq env catalog"


def test_every_product_has_all_its_tables_and_every_schema_of_its_contract() -> None:
    committed = json.loads(catalog.FILE.read_text(encoding="utf-8"))
    for contract in contracts.load_all():
        product = committed[contract.product]
        assert set(product["tables"]) == {
            *("bronze", "silver", "quarantine", "duplicates", "held", "gold", "quality_results", "batches"),
            *("command_log", "baseline", "evidence", "incidents", "ticks"),
            *("curves", "outbox", "responses", "audit_results"),
        }
        versions = {
            f"{event.name}.v{version.number}" for event in contract.events.values() for version in event.versions
        }
        assert versions == set(product["schemas"])
        assert product["topics"]["events"] == contract.topic


def test_no_type_has_a_space_because_terraform_splits_at_it() -> None:
    committed = json.loads(catalog.FILE.read_text(encoding="utf-8"))
    columns = [column for product in committed.values() for table in product["tables"].values() for column in table]
    assert all(column.count(" ") == 1 for column in columns)
