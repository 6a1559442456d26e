"""The fields of a first contract: which of them it describes, which are dimensions, and what all of them are called.

Guesses from what `sample` counted; a person corrects it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from pipelines.contract.model import RESERVED
from pipelines.contract.sample import Place, Sample, places

# Dimensions: at least two values, few enough that each has events in a window; more than six are hard to read.
_MOST_VALUES, _MOST_DIMENSIONS = 60, 6


def dimensions(sample: Sample, envelope: Set[str]) -> dict[str, str]:
    """Fields with few values that nearly every event has, those with the fewest first; paths by name.

    Args:
        envelope: paths that the envelope takes.
    """
    fitting = [
        each
        for each in sample.places.values()
        if each.path not in envelope
        and each.type == "string"
        and not each.many
        and 2 <= len(each.values) <= _MOST_VALUES
        and each.common(sample.events)
        and max(each.values.values()) < 0.98 * sample.events
        and sample.events / len(each.values) >= 20
    ]
    chosen = sorted(fitting, key=lambda each: (len(each.values), each.path))[:_MOST_DIMENSIONS]
    names: dict[str, str] = {}
    for each in sorted(chosen, key=lambda each: each.path):
        short, long = lettered_name(each.name), lettered_name(each.path.removeprefix("$."))
        wanted = (short, long, *(f"{long}_{number}" for number in range(2, 10)))
        names[next(name for name in wanted if name not in {*names, *RESERVED})] = each.path
    return names


def events_by_type(events: Iterable[dict[str, Any]], path: str | None) -> dict[str, list[dict[str, Any]]]:
    """The events of each type, most of them first; of one type `event` where no path tells them apart."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        value: Any = event if path else "event"
        for name in path.split(".")[1:] if path else ():
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, str):
            found.setdefault(value, []).append(event)
    largest = max(map(len, found.values()))
    # A type that came once or twice in a large sample is a broken event.
    kept = {name: own for name, own in found.items() if len(own) >= max(1, largest // 2000)}
    return dict(sorted(kept.items(), key=lambda item: -len(item[1])))


def kept_places(sample: Sample, envelope: Set[str], dimensions: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Places that the schemas describe, with their types; in words what is left out, as two would be one column.

    What is mapped comes first, then what most events have.
    """
    mapped = {*envelope, *dimensions.values()}
    kept: dict[str, str] = {}
    by_column: dict[str, str] = {}
    left = []

    def rank(each: Place) -> tuple[bool, bool, int, str]:
        return each.path not in envelope, each.path not in mapped, -each.present, each.path

    for each in sorted(sample.places.values(), key=rank):
        if each.type is None:
            continue
        path, column = each.path, column_of(each.path)
        around = next((other for other in kept if _within(path, other) or _within(other, path)), None)
        if path not in mapped and column.lower() in RESERVED:
            left.append(f"left out: {path}, PulseIQ has a column of its own called {column.lower()}")
        elif path not in mapped and column.lower() in dimensions:
            left.append(f"left out: {path}, a dimension is called {column.lower()}; rename that to have both")
        elif column.lower() in by_column:
            left.append(f"left out: {path}, it would be the same column as {by_column[column.lower()]}")
        elif around is not None:
            left.append(f"left out: {path}, since {around} cannot be a value and an object")
        else:
            kept[path] = each.type
            by_column[column.lower()] = path
    return kept, left


def _within(path: str, other: str) -> bool:
    return path.lower().startswith(f"{other.lower()}.")


def of_type(events: Sequence[dict[str, Any]], kept: Mapping[str, str]) -> list[tuple[Place, str]]:
    """Places of one type's events with the types that they have in all events, without those that differ from it."""
    found = [(each, kept[each.path]) for each in places(events).values() if each.path in kept]
    return [(each, kind) for each, kind in found if each.type == kind or (each.type, kind) == ("integer", "number")]


def column_of(path: str) -> str:
    """The column of silver that a path becomes."""
    return "_".join(path.split(".")[1:])


def plain_name(text: str) -> str:
    """A name of small letters, digits and underscores; empty where nothing is left of the text."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")[:60]


def lettered_name(text: str) -> str:
    """Such a name that begins with a letter, as those of dimensions and metrics must."""
    plain = plain_name(text)
    return plain if plain[:1].isalpha() else f"n_{plain}"
