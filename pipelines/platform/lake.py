"""The lake's tables without a JVM: reads and small appends through delta-rs. Spark's side is `tables`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from pipelines.errors import ServiceError, StateError
from pipelines.platform import aws
from pipelines.platform.settings import Settings

_ATTEMPTS = 10


@dataclass(frozen=True)
class Extent:
    """Rows of a table, and the greatest value of one of its columns."""

    rows: int
    greatest: Any


class Lake:
    """Tables of one environment by product and name; every method raises ServiceError when S3 does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._options = storage_options(settings)

    def table(self, product: str, table: str, version: int | None = None) -> DeltaTable | None:
        """The table at its newest or a given version; None when it does not exist."""
        uri = self._settings.table_uri(product, table)
        try:
            with self._reaching(uri):
                return DeltaTable(uri, version=version, storage_options=self._options)
        except TableNotFoundError:
            return None

    def exists(self, product: str, table: str) -> bool:
        """Whether the table exists."""
        uri = self._settings.table_uri(product, table)
        with self._reaching(uri):
            return DeltaTable.is_deltatable(uri, storage_options=self._options)

    def read(
        self,
        product: str,
        table: str,
        columns: list[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002
        version: int | None = None,
    ) -> pa.Table:
        """Rows as an arrow table; one without rows and columns when the table does not exist."""
        found = self.table(product, table, version)
        if found is None:
            return pa.table({})
        with self._reaching(found.table_uri):
            return found.to_pyarrow_dataset().to_table(columns=columns, filter=filter)

    def stream(
        self,
        product: str,
        table: str,
        columns: list[str],
        filter: pc.Expression | None = None,  # noqa: A002
    ) -> Iterator[pa.RecordBatch]:
        """Rows in parts, never all of them in memory; none when the table does not exist."""
        found = self.table(product, table)
        if found is None:
            return
        with self._reaching(found.table_uri):
            yield from found.to_pyarrow_dataset().scanner(columns=columns, filter=filter).to_batches()

    def columns(self, product: str, table: str) -> dict[str, str]:
        """Type of each column by its name, `string` or `struct` for one; empty when the table does not exist."""
        found = self.table(product, table)
        return {} if found is None else {each["name"]: _kind(each["type"]) for each in _fields(found.schema())}

    def extent(self, product: str, table: str, column: str) -> Extent | None:
        """How many rows a table has and the greatest value of a column, from its log alone; None when it is not there.

        The greatest value is None where files carry no statistics of the column.
        """
        found = self.table(product, table)
        if found is None:
            return None
        with self._reaching(found.table_uri):
            files = pa.table(found.get_add_actions(flatten=True))
        greatest = [each for each in _values(files, f"max.{column}") if each is not None]
        return Extent(sum(each or 0 for each in _values(files, "num_records")), max(greatest, default=None))

    def ensure(
        self,
        product: str,
        table: str,
        schema: str,
        *,
        partition_by: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """Create the table if it is missing; an existing one gains the columns it lacks and loses none.

        Args:
            product: the table's product.
            table: its name.
            schema: its columns as the JSON that Delta and Spark write.
            partition_by: columns that its files are laid out by.
            properties: what a new table is made with.

        Raises:
            StateError: a column is there already and holds something else; before anything is changed.
        """
        uri = self._settings.table_uri(product, table)
        wanted = Schema.from_json(schema)
        found = self.table(product, table)
        with self._reaching(uri):
            if found is None:
                DeltaTable.create(
                    uri,
                    wanted,
                    mode="ignore",
                    partition_by=list(partition_by),
                    configuration=properties or {},
                    storage_options=self._options,
                    raise_if_key_not_exists=False,
                )
                return
            present = {each["name"]: each["type"] for each in _fields(found.schema())}
            for each in _fields(wanted):
                name, new = each["name"], _without_nullability(each["type"])
                if name in present and (old := _without_nullability(present[name])) != new:
                    raise StateError(
                        f"{uri}: column {name} holds {_in_words(old)}, and would now hold {_in_words(new)}",
                        hint="put the contract back as it was, or give what changed a name of its own",
                    )
            missing = [field for field in wanted.fields if field.name not in present]
            if missing:
                found.alter.add_columns(missing)

    def set_property(self, product: str, table: str, name: str, value: str) -> None:
        """Write one property of an existing table."""
        found = self.table(product, table)
        if found is None:
            raise StateError(f"there is no table '{table}' of '{product}'", hint="pulseiq status")
        with self._reaching(found.table_uri):
            found.alter.set_table_properties({name: value}, raise_if_not_exists=False)

    def has(self, product: str, table: str, app_id: str, app_version: int) -> bool:
        """Whether an append with this application id and version, or a later one, is in the table."""
        return _has(self.table(product, table), app_id, app_version)

    def append(self, product: str, table: str, rows: pa.Table, app_id: str, app_version: int) -> None:
        """Append once: an append whose application id and version are already in the table changes nothing."""
        uri = self._settings.table_uri(product, table)
        once = CommitProperties(app_transactions=[Transaction(app_id, app_version)])
        for attempt in range(1, _ATTEMPTS + 1):
            found = self.table(product, table)
            if _has(found, app_id, app_version):
                return
            try:
                with self._reaching(uri):
                    write_deltalake(
                        found or uri, rows, mode="append", storage_options=self._options, commit_properties=once
                    )
                    return
            except CommitFailedError:
                # Somebody else made the table, or this very append, in the meantime: look again.
                if attempt == _ATTEMPTS:
                    raise

    def replace(
        self,
        product: str,
        table: str,
        rows: pa.Table,
        where: str,
        *,
        partition_by: Sequence[str] = (),
        version: int | None = None,
    ) -> None:
        """Put `rows` in the place of those that meet the SQL condition `where`, in one commit.

        A file that holds any of those is written anew whole; `partition_by`, of a table that is made here, keeps
        apart what is not to be. With a `version`, rows of that version are replaced, and those appended since stay.

        Raises:
            StateError: what is to be replaced was replaced by somebody else since that version.
        """
        found = self.table(product, table, version)
        if found is None:
            uri = self._settings.table_uri(product, table)
            write_deltalake(uri, rows, partition_by=list(partition_by) or None, storage_options=self._options)
            return
        try:
            write_deltalake(found, rows, mode="overwrite", predicate=where, storage_options=self._options)
        except CommitFailedError as error:
            if version is None:
                raise
            raise StateError(
                f"{found.table_uri}: rows of version {version} were replaced by somebody else meanwhile: {error}",
                hint="the same command again",
            ) from error

    def properties(self, product: str, table: str) -> dict[str, str]:
        """The table's properties; empty when it does not exist."""
        found = self.table(product, table)
        return {} if found is None else dict(found.metadata().configuration)

    @contextmanager
    def _reaching(self, uri: str) -> Iterator[None]:
        """delta-rs reports what S3 said as a coloured tree over many lines; make it one that a person can act on."""
        try:
            yield
        except OSError as error:
            said = " ".join(re.sub(r"\x1b\[\d*m|↳", "", str(error)).split())
            code = re.search(r"<Code>(\w+)</Code>", said)
            reason = code[1] if code else "no answer" if "HTTP error" in said else said[:300]
            where = aws.s3_endpoint(self._settings) or f"AWS in {self._settings.region}"
            raise ServiceError(f"{uri} cannot be reached at {where}: {reason}", hint="pulseiq status") from error


def _has(table: DeltaTable | None, app_id: str, app_version: int) -> bool:
    done = None if table is None else table.transaction_version(app_id)
    return done is not None and done >= app_version


def _fields(schema: Schema) -> list[dict[str, Any]]:
    """Columns as the log has them: name, type, nullable, metadata."""
    return list(json.loads(schema.to_json())["fields"])


def _kind(given: Any) -> str:
    return str(given["type"] if isinstance(given, dict) else given)


def _without_nullability(given: Any) -> Any:
    """A type of the log without what says which of its parts may be null, which does not change what it holds."""
    if isinstance(given, list):
        return [_without_nullability(each) for each in given]
    if isinstance(given, dict):
        kept = given.keys() - {"nullable", "containsNull", "valueContainsNull", "metadata"}
        return {name: _without_nullability(given[name]) for name in sorted(kept)}
    return given


def _in_words(kind: Any) -> str:
    if not isinstance(kind, dict):
        return str(kind)
    parts = ", ".join(f"{each['name']} {_in_words(each['type'])}" for each in kind.get("fields", ()))
    return f"{kind['type']}({parts})" if parts else str(kind["type"])


def _values(table: pa.Table, name: str) -> list[Any]:
    return list(table[name].to_pylist()) if name in table.column_names else []


def storage_options(settings: Settings) -> dict[str, str]:
    """What delta-rs needs to reach the lake; commits are conditional puts, as Spark's are."""
    options = {"AWS_REGION": settings.region, "aws_conditional_put": "etag"}
    address = aws.s3_endpoint(settings)
    if address is not None:
        options |= {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": aws.LOCAL_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": aws.LOCAL_SECRET_KEY,
            "AWS_ALLOW_HTTP": "true",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
            # A proxy of the environment knows nothing of this machine's loopback, and only another one displaces it.
            "proxy_url": address,
            "proxy_excludes": str(urlsplit(address).hostname),
        }
    return options
