"""Structured log: one JSON object a line on standard output, flushed, so that a file of it can be read by machines."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def log_event(event: str, **fields: object) -> None:
    """Print one event with its time; values that JSON does not know are printed as text."""
    record = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
    sys.stdout.write(json.dumps(record, default=str) + "\n")
    sys.stdout.flush()
