"""The lake's tables without a JVM: reads and small appends through delta-rs. Spark's side is `tables`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError

from pipelines.platform.settings import Settings


class Lake:
    """Tables of one environment by product and name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._options = storage_options(settings)

    def table(self, product: str, table: str, version: int | None = None) -> DeltaTable | None:
        """The table at its newest or a given version; None when it does not exist."""
        try:
            return DeltaTable(self._settings.table_uri(product, table), version=version, storage_options=self._options)
        except TableNotFoundError:
            return None

    def exists(self, product: str, table: str) -> bool:
        """Whether the table exists."""
        return DeltaTable.is_deltatable(self._settings.table_uri(product, table), storage_options=self._options)

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
        return found.to_pyarrow_dataset().to_table(columns=columns, filter=filter)

    def append(self, product: str, table: str, rows: pa.Table, app_id: str, app_version: int) -> None:
        """Append once: an append whose application id and version are already in the table changes nothing."""
        found = self.table(product, table)
        done = found.transaction_version(app_id) if found is not None else None
        if done is not None and done >= app_version:
            return
        write_deltalake(
            found or self._settings.table_uri(product, table),
            rows,
            mode="append",
            storage_options=self._options,
            commit_properties=CommitProperties(app_transactions=[Transaction(app_id, app_version)]),
        )

    def properties(self, product: str, table: str) -> dict[str, str]:
        """The table's properties; empty when it does not exist."""
        found = self.table(product, table)
        return {} if found is None else dict(found.metadata().configuration)


def storage_options(settings: Settings) -> dict[str, str]:
    """What delta-rs needs to reach the lake; commits are conditional puts, as Spark's are."""
    options = {"AWS_REGION": settings.region, "aws_conditional_put": "etag"}
    if settings.endpoint_url is not None:
        options |= {
            "AWS_ENDPOINT_URL": settings.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ALLOW_HTTP": "true",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        }
    return options
