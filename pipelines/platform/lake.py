"""The lake's tables without a JVM: reads and small appends through delta-rs. Spark's side is `tables`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from pipelines.errors import ServiceError, StateError
from pipelines.platform import aws
from pipelines.platform.settings import Settings

_ATTEMPTS = 10


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
            present = {field.name for field in found.schema().fields}
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

    def append(self, product: str, table: str, rows: pa.Table, app_id: str, app_version: int) -> None:
        """Append once: an append whose application id and version are already in the table changes nothing."""
        uri = self._settings.table_uri(product, table)
        once = CommitProperties(app_transactions=[Transaction(app_id, app_version)])
        for attempt in range(1, _ATTEMPTS + 1):
            found = self.table(product, table)
            done = None if found is None else found.transaction_version(app_id)
            if done is not None and done >= app_version:
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

    def replace(self, product: str, table: str, rows: pa.Table, where: str) -> None:
        """Put `rows` in the place of those that meet the SQL condition `where`, in one commit."""
        found = self.table(product, table)
        if found is None:
            write_deltalake(self._settings.table_uri(product, table), rows, storage_options=self._options)
        else:
            write_deltalake(found, rows, mode="overwrite", predicate=where, storage_options=self._options)

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
            where = self._settings.endpoint_url or f"AWS in {self._settings.region}"
            raise ServiceError(f"{uri} cannot be reached at {where}: {reason}", hint="pulseiq status") from error


def storage_options(settings: Settings) -> dict[str, str]:
    """What delta-rs needs to reach the lake; commits are conditional puts, as Spark's are."""
    options = {"AWS_REGION": settings.region, "aws_conditional_put": "etag"}
    if settings.endpoint_url is not None:
        options |= {
            "AWS_ENDPOINT_URL": settings.endpoint_url,
            "AWS_ACCESS_KEY_ID": aws.LOCAL_ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": aws.LOCAL_SECRET_KEY,
            "AWS_ALLOW_HTTP": "true",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
            # A proxy of the environment knows nothing of this machine's loopback, and only another one displaces it.
            "proxy_url": settings.endpoint_url,
            "proxy_excludes": "127.0.0.1",
        }
    return options
