"""What a sample of events looks like: every place in them with its types, how often it is there, how many values.

Reads JSON and counts; what follows from it is guessed in `draft`.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.contract.load import DEFAULTS
from pipelines.errors import UsageError

# A sample may hold a few broken events, and what nearly every event has is taken for the rule.
NEARLY_ALL = 0.98
# Enough to see rare fields; the rest of a longer file is not read.
MOST_EVENTS = 50_000
_MOST_VALUES = 5_000
# Objects within objects, as many as a contract accepts unless it says otherwise.
MOST_LEVELS: int = DEFAULTS["max_depth"]
_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_@-]*")


def words_of(text: str) -> tuple[str, ...]:
    """The words that a name is made of, in lower case: `userId` and `user_id` are the same."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return tuple(each.lower() for each in re.split(r"[^A-Za-z0-9]+| ", spaced) if each)


@dataclass
class Place:
    """One place in the events, such as `$.a.b`: counts of JSON types, and of values while they are few.

    `values` holds at most 5,000 different ones; `many` says that there were more, `negative` that any was below zero.
    """

    path: str
    types: Counter[str] = field(default_factory=Counter)
    values: Counter[Any] = field(default_factory=Counter)
    many: bool = False
    negative: bool = False

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition(".")[2]

    @property
    def words(self) -> tuple[str, ...]:
        """The words that its name is made of; see `words_of`."""
        return words_of(self.name)

    @property
    def present(self) -> int:
        """Events that have a value there, null not counted."""
        return self.types.total() - self.types["null"]

    @property
    def type(self) -> str | None:
        """The JSON type of nearly all of its values, numbers where integers occur too; None where they differ."""
        found = Counter({name: n for name, n in self.types.items() if name != "null"})
        if found["number"] and found["integer"]:
            found["number"] += found.pop("integer")
        most = found.most_common(1)
        return most[0][0] if most and most[0][1] >= NEARLY_ALL * self.present else None

    @property
    def odd(self) -> bool:
        """Whether some of its values are of another type than nearly all."""
        return any(n and name != "null" and not _covers(self.type, name) for name, n in self.types.items())

    def common(self, events: int) -> bool:
        """Whether nearly all of so many events have it."""
        return self.present >= NEARLY_ALL * events

    def nearness(self, words: Sequence[str]) -> tuple[int, int, int, str]:
        """The less the better: near to the root, called after the event, and with one of the first of these words."""
        own = [words.index(word) for word in self.words if word in words]
        return self.path.count("."), 0 if "event" in self.words else 1, min(own, default=len(words)), self.path

    def share(self, fits: Callable[[Any], bool]) -> float:
        """Share of its values that fit, of those that are kept."""
        return sum(n for value, n in self.values.items() if fits(value)) / max(1, self.values.total())

    def take(self, value: Any) -> None:
        """Count one value."""
        kind = _type(value)
        self.types[kind] += 1
        if kind in ("string", "integer", "number", "boolean"):
            self.negative = self.negative or (kind in ("integer", "number") and value < 0)
            if value in self.values or len(self.values) < _MOST_VALUES:
                self.values[value] += 1
            else:
                self.many = True


@dataclass(frozen=True)
class Sample:
    """Events of a file: how many were read, how many lines were no usable object, and the places by path."""

    events: int
    not_events: int
    places: dict[str, Place]


def read(file: Path) -> tuple[Sample, list[dict[str, Any]]]:
    """The first 50,000 lines of a file of JSON objects, plain or gzip: what they look like, and the events.

    Raises:
        UsageError: it cannot be read, or holds no object.
    """
    events, bad = [], 0
    try:
        for number, line in enumerate(_lines(file)):
            if number >= MOST_EVENTS:
                break
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                event = None
            if isinstance(event, dict) and not _is_deep(event):
                events.append(event)
            elif line.strip():
                bad += 1
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {error}", hint="give JSON lines, plain or gzip") from error
    if not events:
        hint = f"one event a line, as {{...}}, nested at most {MOST_LEVELS} deep"
        raise UsageError(f"{file}: no line is a JSON object that can be used", hint=hint)
    return of(events, bad), events


def of(events: Sequence[dict[str, Any]], not_events: int = 0) -> Sample:
    """What these events look like."""
    return Sample(len(events), not_events, places(events))


def places(events: Iterable[dict[str, Any]]) -> dict[str, Place]:
    """Every place of a value, an object or a list; names with signs that a path has no room for are left out."""
    found: dict[str, Place] = {}
    for event in events:
        for path, value in _walk(event, "$"):
            found.setdefault(path, Place(path)).take(value)
    return found


def value_at(event: dict[str, Any], path: str) -> Any:
    """What is at a place of an event; None where nothing is."""
    value: Any = event
    for name in path.split(".")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def is_of(value: Any, kind: str) -> bool:
    """Whether a value is of a JSON type, or null."""
    return value is None or _covers(kind, _type(value))


def is_epoch(value: Any) -> bool:
    """Whether a number may be a time, in seconds, thousandths or millionths since 1970."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and any(10**9 <= value / scale < 2 * 10**9 for scale in (1, 10**3, 10**6))


def is_time(value: Any) -> bool:
    """Whether a text is a time, with a zone or without."""
    return _time(value) is not None


def is_moment(value: Any) -> bool:
    """Whether a text is a time with a zone, as RFC 3339 has it."""
    found = _time(value)
    return found is not None and found.tzinfo is not None


def is_without_zone(value: Any) -> bool:
    """Whether a text would be such a time, did it not leave out the zone."""
    found = _time(value)
    return found is not None and found.tzinfo is None


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", value):
        return None
    try:
        return datetime.fromisoformat(value.upper().replace(" ", "T"))
    except ValueError:
        return None


def _is_deep(event: dict[str, Any]) -> bool:
    """Whether objects and lists are nested deeper in it than a contract accepts."""
    level: list[Any] = [event]
    for _ in range(MOST_LEVELS):
        below = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in below for value in values if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _walk(event: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in event.items():
        if not _NAME.fullmatch(name):
            continue
        yield f"{path}.{name}", value
        if isinstance(value, dict):
            yield from _walk(value, f"{path}.{name}")


def _covers(kind: str | None, other: str) -> bool:
    return other == kind or (kind, other) == ("number", "integer")


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict | list):
        return "object" if isinstance(value, dict) else "array"
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "string"


def _lines(file: Path) -> Iterator[str]:
    with file.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
    # Some programs begin a file with a mark of its encoding, which is no part of the first event.
    with gzip.open(file, "rt", encoding="utf-8-sig") if compressed else file.open(encoding="utf-8-sig") as text:
        yield from text
