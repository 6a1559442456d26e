"""A lake whose tables stay open: for a process that reads the same few tables again and again.

A table is looked at anew when it is older than a few seconds, and then only the commits since are read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipelines.errors import StateError
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

T = TypeVar("T")
Version = tuple[str, int]
_ABSENT: Version = ("", -1)
# A lake that was made anew has other tables under the same names, whose versions may lie below those that are known.
_REOPENED_SECONDS = 60.0
# Answers that are kept; the one that was made longest ago goes first.
_MOST_KEPT = 256


@dataclass
class _Held:
    table: DeltaTable | None = None
    looked_at: float = float("-inf")
    opened_at: float = float("-inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class OpenLake(Lake):
    """As `Lake`, for any number of threads; what it reads is at most `fresh_seconds` old."""

    def __init__(self, settings: Settings, fresh_seconds: float = 2.0) -> None:
        super().__init__(settings)
        self._fresh = fresh_seconds
        self._tables: dict[tuple[str, str], _Held] = {}
        self._kept: dict[object, tuple[tuple[Version, ...], object]] = {}
        self._guard = threading.Lock()

    def table(self, product: str, table: str, version: int | None = None) -> DeltaTable | None:
        """The table as it was a moment ago, or at a given version; None when it does not exist."""
        if version is not None:
            return super().table(product, table, version)
        held = self._held(product, table)
        with held.lock:
            if time.monotonic() - held.looked_at > self._fresh:
                self._look(held, product, table)
            return held.table

    def exists(self, product: str, table: str) -> bool:
        """Whether the table exists."""
        return self.table(product, table) is not None

    def version(self, product: str, table: str) -> Version:
        """Id and version of the table; it is the same again only when the table is."""
        found = self.table(product, table)
        return _ABSENT if found is None else (str(found.metadata().id), found.version())

    def append(self, product: str, table: str, rows: pa.Table, app_id: str, app_version: int) -> None:
        """As `Lake.append`; the next read has it."""
        super().append(product, table, rows, app_id, app_version)
        self._held(product, table).looked_at = float("-inf")

    def kept(self, key: object, product: str, tables: tuple[str, ...], make: Callable[[], T]) -> T:
        """What `make` gives, made again only when one of the tables has changed since."""
        versions = tuple(self.version(product, each) for each in tables)
        with self._guard:
            found = self._kept.get(key)
        if found is not None and found[0] == versions:
            return found[1]  # type: ignore[return-value]
        made = make()
        with self._guard:
            self._kept.pop(key, None)
            self._kept[key] = (versions, made)
            while len(self._kept) > _MOST_KEPT:
                del self._kept[next(iter(self._kept))]
        return made

    def _held(self, product: str, table: str) -> _Held:
        with self._guard:
            return self._tables.setdefault((product, table), _Held())

    def _look(self, held: _Held, product: str, table: str) -> None:
        """Read what was committed since; open it anew where that cannot be, as when the lake was rebuilt."""
        found = held.table
        if found is not None and time.monotonic() - held.opened_at < _REOPENED_SECONDS:
            try:
                found.update_incremental()
                held.looked_at = time.monotonic()
                return
            except Exception:  # Whatever it is, opening the table says it better.
                held.table = None
        try:
            held.table = super().table(product, table)
        except DeltaError as error:
            first = str(error).partition("\n")[0][:200]
            raise StateError(f"table {table} of {product} cannot be read: {first}", hint="pulseiq status") from error
        held.looked_at = held.opened_at = time.monotonic()
