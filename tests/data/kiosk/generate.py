"""Deterministic events of the ticket machines, and what should become of each.

`python tests/data/kiosk/generate.py FILE [COUNT]` writes them as lines of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

END = datetime(2026, 11, 18, 15, tzinfo=UTC)
FOLDER = Path(__file__).parent
# One event in so many is broken, each time in the next of these ways.
_BROKEN_EVERY = 25
_STATIONS = ("Altstadt", "Brücke", "Dom", "Messe")


@dataclass(frozen=True)
class Made:
    """One event as it is sent, the reason to refuse it (None where there is none), and its price in cents if a sale."""

    key: bytes
    value: bytes
    reason: str | None
    cents: int | None


def events(count: int, seed: int = 0, end: datetime = END) -> Iterator[Made]:
    """Events in order of time, ten a second up to `end`; the same arguments give the same bytes."""
    rng = random.Random(seed)
    for i in range(count):
        at = int(end.timestamp() * 1000) - (count - i) * 100
        event, cents = _event(rng, i, at)
        reason = None
        if i % _BROKEN_EVERY == _BROKEN_EVERY - 1:
            reason, cents = _break(event, i // _BROKEN_EVERY), None
        serial = event["machine"].get("serial", "K0000")
        yield Made(serial.encode(), json.dumps(event, ensure_ascii=False).encode(), reason, cents)


def write(path: Path, count: int = 50_000, seed: int = 0, end: datetime = END) -> None:
    """A file of events, one a line."""
    with path.open("wb") as lines:
        lines.writelines(made.value + b"\n" for made in events(count, seed, end))


def _event(rng: random.Random, i: int, at: int) -> tuple[dict[str, Any], int | None]:
    number = rng.randrange(40)
    machine = {
        "serial": f"K{number:04}",
        "station": _STATIONS[number % len(_STATIONS)],
        "firmware": "9.1" if number % 3 else "9.2-beta",
        "line": number % 9 + 1,
    }
    event: dict[str, Any] = {"machine": machine, "seq": i, "at": at}
    if rng.random() < 0.2:
        return event | {"kind": "health", "state": {"paper_m": round(rng.uniform(1, 90), 2), "door_open": False}}, None
    cents = rng.randrange(180, 9000, 10)
    payment: dict[str, Any] = {"approved": rng.random() < 0.97, "tender": rng.choice(("card", "cash", None))}
    event |= {"kind": "sale", "payment": payment, "tickets": [{"zone": rng.randrange(4), "for": [1, 2]}]}
    if number % 3:
        # Old machines say no version.
        payment["price"] = cents / 100
    else:
        payment["cents"] = cents
        event["meta"] = {"schema": 2}
    return event, cents


def _break(event: dict[str, Any], turn: int) -> str:
    """Break an event in place; the reason that it should be refused for."""
    machine = event["machine"]
    ways: tuple[tuple[str, dict[str, Any], str, Any], ...] = (
        ("out_of_range", machine, "line", 12),
        ("wrong_type", machine, "line", "two"),
        ("wrong_type", event, "at", "2026-11-18T15:00:00Z"),
        ("before_product", event, "at", 1_000),
        ("future_event_time", event, "at", event["at"] + 3_600_000_000),
        ("unknown_event_type", event, "kind", "refund"),
        ("unknown_version", event, "meta", {"schema": 7}),
        ("wrong_type", event, "machine", {**machine, "station": ["Dom"]}),
        ("missing_field", event, "machine", {k: v for k, v in machine.items() if k != "firmware"}),
        ("out_of_range", event, "machine", {**machine, "serial": "X1"}),
    )
    reason, where, name, value = ways[turn % len(ways)]
    where[name] = value
    return reason


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write deterministic events of the ticket machines, one a line.")
    parser.add_argument("file", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=50_000)
    given = parser.parse_args()
    write(given.file, given.count)
