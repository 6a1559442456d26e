"""Care for a Delta table without a JVM, as ordinary transactions beside its writers: layout, old files, size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from pipelines.errors import StateError
from pipelines.platform import aws
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

_ATTEMPTS = 5
# Files below this are worth putting together.
TARGET_BYTES = 128 * 1024 * 1024


@dataclass(frozen=True)
class TableSize:
    """A table at one version: its files and their bytes, rows where statistics say so."""

    version: int
    files: int
    bytes: int
    rows: int


@dataclass(frozen=True)
class Stored:
    """Objects under a prefix: how many, their bytes, when the newest was written (None when there is none)."""

    objects: int
    bytes: int
    newest: datetime | None


class TableCare:
    """Tables of one product by name."""

    def __init__(self, settings: Settings, product: str) -> None:
        self._settings = settings
        self._product = product
        self._lake = Lake(settings)

    def names(self) -> list[str]:
        """Tables that the lake has, by their logs."""
        found = aws.client(self._settings, "s3").list_objects_v2(
            Bucket=self._settings.lake_bucket, Prefix=f"{self._product}/", Delimiter="/"
        )
        folders = [each["Prefix"].split("/")[1] for each in found.get("CommonPrefixes", ())]
        return [name for name in folders if self._lake.exists(self._product, name)]

    def size(self, name: str) -> TableSize:
        """Files, bytes and rows of the newest version."""
        table = self._table(name)
        actions = table.get_add_actions(flatten=True)
        sizes = [int(each) for each in actions.column("size_bytes").to_pylist()]
        has_counts = "num_records" in actions.schema.names
        counted = list(actions.column("num_records").to_pylist()) if has_counts else []
        return TableSize(table.version(), len(sizes), sum(sizes), sum(int(each or 0) for each in counted))

    def compact(self, name: str) -> tuple[int, int]:
        """Put small files together, content and order of versions unchanged; returns (files taken, files made)."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                done = self._table(name).optimize.compact(target_size=TARGET_BYTES, max_concurrent_tasks=1)
                return int(done["numFilesRemoved"]), int(done["numFilesAdded"])
            except CommitFailedError:
                # A writer replaced one of the files in the meantime.
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError

    def vacuum(self, name: str, retention: timedelta) -> int:
        """Delete files that no version younger than `retention` needs; returns how many."""
        hours = int(retention / timedelta(hours=1))
        return len(self._table(name).vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True))

    def latest(self, name: str, column: str) -> datetime | None:
        """The greatest value of a timestamp column; None when the table is absent or empty."""
        rows = (
            self._lake.read(self._product, name, columns=[column]) if self._lake.exists(self._product, name) else None
        )
        found = pc.max(rows[column]).as_py() if rows is not None and rows.num_rows else None
        return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)

    def stored(self, prefix: str) -> Stored:
        """What lies under a prefix of the lake bucket, old versions' files included."""
        found = self._objects(prefix)
        return Stored(
            len(found), sum(item["Size"] for item in found), max((i["LastModified"] for i in found), default=None)
        )

    def stored_since(self, prefix: str, since: datetime) -> int:
        """Objects under a prefix that were written since a time."""
        return sum(item["LastModified"] >= since for item in self._objects(prefix))

    def _objects(self, prefix: str) -> list[Any]:
        lister = aws.client(self._settings, "s3").get_paginator("list_objects_v2")
        pages = lister.paginate(Bucket=self._settings.lake_bucket, Prefix=prefix)
        return [item for page in pages for item in page.get("Contents", ())]

    def _table(self, name: str) -> DeltaTable:
        found = self._lake.table(self._product, name)
        if found is None:
            raise StateError(f"there is no table '{name}' of '{self._product}'", hint="pulseiq status")
        return found
