"""The fields of a first contract: which of them it describes, which are dimensions, and what all of them are called.

Guesses from what `sample` counted; a person corrects it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

from pipelines.contract.draft.outcome import ended_badly
from pipelines.contract.draft.sample import Place, Sample
from pipelines.contract.model import RESERVED

# These say how much, and not which.
DURATION_WORDS = ("ms", "latency", "duration", "elapsed", "seconds", "millis", "took")
AMOUNT_WORDS = ("amount", "price", "total", "revenue", "cents", "minor", "cost", "value", "fare")
# Dimensions: at least two values, few enough that each has events in a window; more than six are hard to read.
_MOST_VALUES, _MOST_DIMENSIONS = 60, 6
# What only few events have narrows down little.
_LEAST_SHARE, _LEAST_EVENTS = 0.05, 20
NO_DIMENSIONS = (
    f"none: no text but how something ended has 2 to {_MOST_VALUES} values, each in {_LEAST_EVENTS} events or more on "
    f"average, is in nearly all events of a type and in {_LEAST_SHARE:.0%} of all events, and differs between them"
)


def dimensions(whole: Sample, by_type: Mapping[str, Sample], envelope: Set[str]) -> dict[str, str]:
    """Texts with few values that nearly all events of some type have, first those that most events have; paths by name.

    How something ended is none: it is measured, see `metrics`.

    Args:
        whole: all well-formed events.
        by_type: those of each type.
        envelope: paths that the envelope takes.
    """

    def of_some_type(path: str) -> bool:
        return any(path in own.places and own.places[path].common(own.events) for own in by_type.values())

    fitting = [
        each
        for each in whole.places.values()
        if each.path not in envelope
        and each.type == "string"
        and not each.many
        and 2 <= len(each.values) <= _MOST_VALUES
        and each.present >= max(_LEAST_SHARE * whole.events, _LEAST_EVENTS * len(each.values))
        and max(each.values.values()) < 0.98 * each.present
        and of_some_type(each.path)
        and not ended_badly(each)
    ]

    def rank(each: Place) -> tuple[float, int, str]:
        # A few events more or less say nothing; few values are easier to read.
        return -round(each.present / whole.events, 1), len(each.values), each.path

    chosen = sorted(fitting, key=rank)[:_MOST_DIMENSIONS]
    names: dict[str, str] = {}
    for each in sorted(chosen, key=lambda each: each.path):
        short, long = lettered_name(each.name), lettered_name(each.path.removeprefix("$."))
        wanted = (short, long, *(f"{long}_{number}" for number in range(2, 10)))
        names[next(name for name in wanted if name not in {*names, *RESERVED})] = each.path
    return names


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
        if each.type in (None, "object", "array"):
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


def source(place: Place, events: int) -> dict[str, str] | str:
    """Where a dimension is read from; a default where one of so many events has none, which would else be refused."""
    if place.present == events:
        return place.path
    return {"path": place.path, "default": "none" if "none" not in place.values else "(none)"}


def _within(path: str, other: str) -> bool:
    return path.lower().startswith(f"{other.lower()}.")


def of_type(own: Sample, kept: Mapping[str, str]) -> list[tuple[Place, str]]:
    """Places of one type's events that have a value in any of them, with the types that they have in all events."""
    return [(each, kept[each.path]) for each in own.places.values() if each.path in kept and each.present]


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
