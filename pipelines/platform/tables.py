"""Delta tables as Spark writes them: creation, idempotent appends, and the tie between a table and its query.

Delta skips, without a word, an append whose version is not above the last one of its application id, and batch ids
start at 0 again with a new checkpoint. So every append carries the id of the streaming query that makes it, each table
keeps that id, and a query with another id is refused before it reads a single record.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from botocore.exceptions import ClientError
from deltalake import Schema
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from pipelines.errors import StateError
from pipelines.platform import aws
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

QUERY_ID_PROPERTY = "pulseiq.query_id"

# Deletion vectors and column mapping would lock out readers without a JVM; a checkpoint of the log every 50 commits
# keeps a micro-batch from paying for one every ten.
_PROPERTIES = {
    "delta.enableDeletionVectors": "false",
    "delta.checkpointInterval": "50",
    "delta.logRetentionDuration": "interval 30 days",
}
_THREADS = 5


@dataclass(frozen=True)
class TableSpec:
    """One table of the lake: product and name, its columns, and the columns its file statistics are kept for."""

    product: str
    name: str
    schema: StructType
    partition_by: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()


class Tables:
    """The tables that one writer owns: made if missing, claimed by its query, appended to once per batch."""

    def __init__(self, settings: Settings, specs: Iterable[TableSpec]) -> None:
        self._settings = settings
        self._lake = Lake(settings)
        self.specs = {spec.name: spec for spec in specs}

    def uri(self, name: str) -> str:
        """Address of one of the tables."""
        return self._settings.table_uri(self.specs[name].product, name)

    def columns(self, name: str) -> list[str]:
        """Column names of one of the tables, in its order."""
        return self.specs[name].schema.names

    def read(self, spark: SparkSession, name: str) -> DataFrame:
        """One of the tables at its newest version."""
        return spark.read.format("delta").load(self.uri(name))

    def ensure(self) -> None:
        """Create what is missing; an existing table gains the columns it lacks and loses none."""
        for spec in self.specs.values():
            properties = dict(_PROPERTIES)
            if spec.statistics:
                properties["delta.dataSkippingStatsColumns"] = ",".join(spec.statistics)
            self._lake.ensure(
                spec.product, spec.name, spec.schema.json(), partition_by=spec.partition_by, properties=properties
            )

    def append(self, name: str, rows: DataFrame, app_id: str, version: int, *, small: bool = False) -> None:
        """Append once: a second append to the table with the same application id and version changes nothing.

        `small` says that the rows fit the driver: delta-rs then writes them, without a second of Spark's planning.
        """
        if small:
            # The frame says of parts of a null that they are never null, and Arrow takes it by its word.
            whole = rows.to(self.specs[name].schema).toArrow()
            self.append_arrow(name, whole, app_id, version)
            return
        writer = rows.write.format("delta").mode("append").option("txnAppId", f"{app_id}/{name}")
        writer.option("txnVersion", version).save(self.uri(name))

    def has(self, name: str, app_id: str, version: int) -> bool:
        """Whether an append with this application id and version, or a later one, is in the table."""
        return self._lake.has(self.specs[name].product, name, f"{app_id}/{name}", version)

    def append_local(self, name: str, rows: Sequence[Mapping[str, Any]], app_id: str, version: int) -> None:
        """Append a few rows that the driver holds, once; datetimes without a zone are local time, as Spark's are."""
        spec = self.specs[name]
        schema = pa.schema(Schema.from_json(spec.schema.json()).to_arrow())
        table = pa.Table.from_pylist(_zoned(list(rows)), schema=schema)
        self.append_arrow(name, table, app_id, version)

    def append_arrow(self, name: str, rows: pa.Table, app_id: str, version: int) -> None:
        """Append an arrow table that the driver holds, once."""
        self._lake.append(self.specs[name].product, name, rows, f"{app_id}/{name}", version)

    def append_all(self, parts: dict[str, DataFrame], app_id: str, version: int) -> None:
        """Append several parts in parallel, each once; the first failure is raised when all have ended."""
        in_parallel(
            [
                (lambda name=name, rows=rows: self.append(name, rows, app_id, version))  # type: ignore[misc]
                for name, rows in parts.items()
            ]
        )

    def claim(self, query_id: str) -> None:
        """Write the query's id into each table that has none yet."""
        for name, spec in self.specs.items():
            if self._owner(name) is None:
                self._lake.set_property(spec.product, name, QUERY_ID_PROPERTY, query_id)

    def refuse_foreign_checkpoint(self, query: str) -> None:
        """Raise StateError when a table and the query's checkpoint do not belong together.

        A table that another query wrote would have the first batches skipped, or all written twice. One without any
        query, while the checkpoint has finished batches, was lost and made anew: nobody would fill in what it held.
        """
        for name, spec in self.specs.items():
            owner = self._owner(name)
            checkpoint = checkpoint_query_id(self._settings, spec.product, query)
            where = self._settings.checkpoint_uri(spec.product, query)
            replay = f"`pulseiq replay {spec.product}`"
            if owner is not None and owner != checkpoint:
                state = "is missing" if checkpoint is None else f"belongs to query {checkpoint}"
                raise StateError(
                    f"{query}: table {self.uri(name)} was written by query {owner}, but the checkpoint {where} {state}",
                    hint=f"restore that checkpoint, or rebuild from Kafka with {replay}",
                )
            if owner is None and _has_finished_batches(self._settings, spec.product, query):
                raise StateError(
                    f"{query}: table {self.uri(name)} was lost, but the checkpoint {where} has finished batches",
                    hint=f"restore that table, or rebuild from Kafka with {replay}",
                )

    def _owner(self, name: str) -> str | None:
        return self._lake.properties(self.specs[name].product, name).get(QUERY_ID_PROPERTY)


def checkpoint_query_id(settings: Settings, product: str, query: str) -> str | None:
    """Id of the query that a checkpoint belongs to; None when there is no checkpoint."""
    bucket, key = _checkpoint(settings, product, query)
    try:
        answer = aws.client(settings, "s3").get_object(Bucket=bucket, Key=f"{key}/metadata")
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return str(json.loads(answer["Body"].read())["id"])


def _has_finished_batches(settings: Settings, product: str, query: str) -> bool:
    bucket, key = _checkpoint(settings, product, query)
    return bool(
        aws.client(settings, "s3").list_objects_v2(Bucket=bucket, Prefix=f"{key}/commits/", MaxKeys=1)["KeyCount"]
    )


def _checkpoint(settings: Settings, product: str, query: str) -> tuple[str, str]:
    bucket, _, key = settings.checkpoint_uri(product, query).removeprefix("s3://").partition("/")
    return bucket, key


def reporting(
    process: Callable[[DataFrame, int], None], on_failure: Callable[[BaseException], object]
) -> Callable[[DataFrame, int], None]:
    """`process` for foreachBatch, its exception handed on before Spark turns it into text."""

    def call(batch: DataFrame, batch_id: int) -> None:
        try:
            process(batch, batch_id)
        except BaseException as error:
            on_failure(error)
            raise

    return call


def _zoned(value: Any) -> Any:
    """The same rows with every datetime in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, Mapping):
        return {name: _zoned(each) for name, each in value.items()}
    return [_zoned(each) for each in value] if isinstance(value, list) else value


def in_parallel(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Results of some calls, made side by side; the first failure is raised when all have ended."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]
