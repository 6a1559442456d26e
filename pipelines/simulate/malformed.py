"""Events broken on purpose, one way for each reason that the row rules know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson

from pipelines.simulate.spec import EventType

KINDS = (
    "null_value",
    "empty_value",
    "too_large",
    "invalid_utf8",
    "not_json",
    "truncated_json",
    "too_deep",
    "wrong_type",
    "missing_field",
    "unknown_event_type",
    "unknown_version",
    "out_of_range",
    "future_event_time",
    "before_product",
    "wrong_key",
)


@dataclass(frozen=True)
class Limits:
    """What the contract accepts at most; broken events go beyond it."""

    allowed_lateness: timedelta = timedelta(minutes=10)
    future_tolerance: timedelta = timedelta(minutes=5)
    born: datetime = datetime(2020, 1, 1, tzinfo=UTC)
    max_event_bytes: int = 1_048_576
    max_depth: int = 20


Record = dict[str, Any]
Broken = tuple[bytes | None, bytes | None]


class Breaker:
    """Breaks well-formed events; the same event, kind and random numbers give the same bytes."""

    def __init__(self, events: Mapping[str, EventType], limits: Limits) -> None:
        self._events = events
        self._limits = limits
        self._on_record: dict[str, Callable[[Record, np.random.Generator], None]] = {
            "wrong_type": self._wrong_type,
            "missing_field": self._missing_field,
            "unknown_event_type": lambda record, rng: record.update(event_type=record["event_type"] + "_beta"),
            "unknown_version": lambda record, rng: record.update(schema_version=99),
            "out_of_range": self._out_of_range,
            "future_event_time": self._future,
            "before_product": self._before,
            "too_deep": self._too_deep,
            "too_large": lambda record, rng: record.update(note="x" * self._limits.max_event_bytes),
        }

    def break_event(self, kind: str, key: bytes, value: bytes, rng: np.random.Generator) -> Broken:
        """Key and value of the broken event."""
        if kind == "null_value":
            return key, None
        if kind == "empty_value":
            return key, b""
        if kind == "invalid_utf8":
            middle = len(value) // 2
            return key, value[:middle] + b"\xff\xfe\xc3" + value[middle:]
        if kind == "not_json":
            return key, b"ERROR upstream connect failed after %d ms" % int(rng.integers(1, 5000))
        if kind == "truncated_json":
            return key, value[: int(rng.integers(2, max(len(value) - 1, 3)))]
        if kind == "wrong_key":
            return b"not-" + key, value
        record: Record = orjson.loads(value)
        self._on_record[kind](record, rng)
        return key, orjson.dumps(record)

    def _payload(self, record: Record) -> list[str]:
        return [name for name in self._events[record["event_type"]].fields if name in record]

    def _wrong_type(self, record: Record, rng: np.random.Generator) -> None:
        typed = [name for name in self._payload(record) if not isinstance(record[name], str)]
        name = str(rng.choice(typed)) if typed else "schema_version"
        record[name] = {"value": "many"}

    def _missing_field(self, record: Record, rng: np.random.Generator) -> None:
        del record[str(rng.choice(self._payload(record)))]

    def _out_of_range(self, record: Record, rng: np.random.Generator) -> None:
        bad = self._events[record["event_type"]].out_of_range
        name = str(rng.choice([name for name in bad if name in record]))
        record[name] = bad[name]

    def _future(self, record: Record, rng: np.random.Generator) -> None:
        ahead = self._limits.future_tolerance + timedelta(days=float(rng.integers(30, 4000)))
        record["event_time"] = _moved(record["event_time"], ahead)

    def _before(self, record: Record, rng: np.random.Generator) -> None:
        moment = self._limits.born - timedelta(days=float(rng.integers(1, 3000)))
        record["event_time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _too_deep(self, record: Record, rng: np.random.Generator) -> None:
        nested: Any = 1
        for _ in range(self._limits.max_depth + 10):
            nested = {"in": nested}
        record["note"] = nested


def _moved(text: str, by: timedelta) -> str:
    moment = datetime.fromisoformat(text) + by
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
