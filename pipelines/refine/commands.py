"""The table `command_log`: who told PulseIQ to change what it had decided, when, why, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pyspark.sql.types import LongType, StringType, StructField, StructType, TimestampType

from pipelines.contract import Contract
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.tables import Tables, TableSpec

TABLE = "command_log"

# `target_*` name the held batch of a release or rejection; `detail` is what a re-drive changed.
COMMAND_LOG = StructType(
    [
        StructField("command_id", StringType()),
        StructField("command", StringType()),
        StructField("target_query_id", StringType()),
        StructField("target_batch_id", LongType()),
        StructField("actor", StringType()),
        StructField("reason", StringType()),
        StructField("at", TimestampType()),
        StructField("rows", LongType()),
        StructField("outcome", StringType()),
        StructField("detail", StringType()),
    ]
)


class CommandLog:
    """Appends entries, each once, and finds them again."""

    def __init__(self, settings: Settings, contract: Contract) -> None:
        self._product = contract.product
        self._lake = Lake(settings)
        self._tables = Tables(settings, [TableSpec(contract.product, TABLE, COMMAND_LOG)])
        self._tables.ensure()

    def append(self, entry: Mapping[str, Any], *, version: int = 0) -> None:
        """Add an entry, stamped now; the same command and version again changes nothing."""
        row = {**dict.fromkeys(COMMAND_LOG.names), **entry, "at": datetime.now(UTC)}
        self._tables.append_local(TABLE, [row], entry["command_id"], version)

    def of_batch(self, query_id: str, batch_id: int) -> Mapping[str, Any] | None:
        """The finished release or rejection of a held batch; None while it waits."""
        for row in self._lake.read(self._product, TABLE).to_pylist():
            if (row["target_query_id"], row["target_batch_id"]) == (query_id, batch_id) and row["outcome"] == "done":
                return dict(row)
        return None
