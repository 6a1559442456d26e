"""Structured log: one JSON object a line, flushed, so that a file of it can be read by machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

_files: list[TextIO] = []


def log_event(event: str, **fields: object) -> None:
    """Write one event with its time to standard output; values that JSON does not know are written as text."""
    record = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
    out = _files[-1] if _files else sys.stdout
    out.write(json.dumps(record, default=str) + "\n")
    out.flush()


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Within it, events of all threads are appended to a file: standard output belongs to a person."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        _files.append(file)
        try:
            yield
        finally:
            _files.remove(file)
