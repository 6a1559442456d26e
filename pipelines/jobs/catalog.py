"""Every product's tables with their columns and its event schemas, as Terraform registers them in Glue.

Gathers what the contracts and the tables' own definitions say, and defines nothing. The file is committed, because
Terraform must plan without Python; a test proves it current.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from pipelines import contract as contracts
from pipelines.alerts import outbox
from pipelines.bronze import stream as bronze
from pipelines.contract import Contract
from pipelines.contract.load import FOLDER, names
from pipelines.incidents import responses
from pipelines.jobs import audit_state, curves, detect_state
from pipelines.refine import commands
from pipelines.refine import tables as refine

FILE = FOLDER.parent / "terraform" / "stacks" / "platform" / "catalog.json"


def render(spark: SparkSession) -> str:
    """The file's content, for every folder under `contracts/`."""
    return json.dumps({name: _product(spark, name) for name in names()}, indent=1) + "\n"


def tables(spark: SparkSession, contract: Contract) -> dict[str, StructType]:
    """Table -> its columns, for all tables of a product."""
    specs = [bronze.spec(contract), *refine.specs(spark, contract)]
    written_by_spark = {spec.name: spec.schema for spec in specs} | {"command_log": commands.COMMAND_LOG}
    others = {curves.TABLE: curves.SCHEMA, outbox.TABLE: outbox.SCHEMA, responses.TABLE: responses.SCHEMA}
    by_arrow = {name: from_arrow_schema(schema) for name, schema in (detect_state.SCHEMAS | others).items()}
    return written_by_spark | {audit_state.TABLE: audit_state.AUDIT_RESULTS} | by_arrow


def _product(spark: SparkSession, name: str) -> dict[str, Any]:
    contract = contracts.load(name)
    return {
        "title": contract.title,
        "topics": {
            "events": contract.topic,
            "redrive": contract.redrive_topic,
            "decisions": contract.decisions_topic,
        },
        "tables": {
            # Spark's simple names of types are Hive's, and so Glue's; none has a space in it.
            table: [f"{field.name} {field.dataType.simpleString()}" for field in schema]
            for table, schema in tables(spark, contract).items()
        },
        "schemas": {
            path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted((FOLDER / name).glob("*.v*.json"))
        },
    }
