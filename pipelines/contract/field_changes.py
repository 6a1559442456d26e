"""What a change of one event schema means for events that were right before it, and for the columns they fill.

Compares fields of two schemas; knows no contract. `changes` compares whole contracts with it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.contract.model import Field


@dataclass(frozen=True)
class Change:
    """One difference: where, what it is, and whether it breaks what worked before."""

    place: str
    what: str
    breaks: bool

    def __str__(self) -> str:
        return f"{'breaks' if self.breaks else 'compatible':<12}{self.place}: {self.what}"


def compare_fields(place: str, old: Iterable[Field], new: Iterable[Field]) -> Iterator[Change]:
    """Differences of two lists of fields, in the order of the old one, added fields last.

    Args:
        place: what the fields' paths are told beneath; may be empty.
        old: fields of the schema that events were written for.
        new: fields of the schema that will judge them.
    """
    before, after = ({field.path: field for field in fields} for fields in (old, new))
    for path, field in before.items():
        where = f"{place} {path}".strip()
        if path in after:
            yield from compare_field(where, field, after[path])
        else:
            yield Change(where, f"removed: column {field.column} loses its values", True)
    for path in (each for each in after if each not in before):
        where = f"{place} {path}".strip()
        required = after[path].required
        what = "added and required: events without it are refused" if required else "added, optional"
        yield Change(where, what, required)


def compare_field(place: str, old: Field, new: Field) -> Iterator[Change]:
    """Differences of one field: its type, whether it must be there, the values it may have."""
    if old.type != new.type:
        yield Change(place, f"type {old.type} became {new.type}", True)
        return
    if old.required != new.required:
        what = "required now: events without it are refused" if new.required else "no longer required"
        yield Change(place, what, new.required)
    yield from narrowed(place, old, new)


def narrowed(place: str, old: Field, new: Field) -> Iterator[Change]:
    """Differences of the values that two fields of one type allow."""
    yield from _enum(place, old, new)
    for word, was, now, narrower in (
        ("at least", _low(old), _low(new), operator.gt),
        ("at most", _high(old), _high(new), operator.lt),
    ):
        if was != now:
            yield _limit(place, word, was, now, breaks=narrower(now, was))
    if (old.min_length or 0) != (new.min_length or 0):
        was, now = (old.min_length or 0, 0), (new.min_length or 0, 0)
        yield _limit(place, "characters: at least", was, now, breaks=now > was)
    if old.max_length != new.max_length:
        was, now = ((math.inf if each is None else each, 0) for each in (old.max_length, new.max_length))
        yield _limit(place, "characters: at most", was, now, breaks=now < was)
    if old.pattern != new.pattern:
        what = "pattern removed" if new.pattern is None else f"must match {new.pattern}"
        was_text = f", was {old.pattern}" if old.pattern else ""
        yield Change(place, what + was_text, new.pattern is not None)


def _enum(place: str, old: Field, new: Field) -> Iterator[Change]:
    if not new.enum and old.enum:
        yield Change(place, "any value is allowed", False)
    elif new.enum and not old.enum:
        yield Change(place, f"only {_list(new.enum)} allowed, any value was", True)
    else:
        if gone := [value for value in old.enum if value not in new.enum]:
            yield Change(place, f"no longer allowed: {_list(gone)}", True)
        if more := [value for value in new.enum if value not in old.enum]:
            yield Change(place, f"allowed as well: {_list(more)}", False)


# A limit as a pair that compares like it: the number, then whether it is itself left out.
_Limit = tuple[float, int]


def _low(field: Field) -> _Limit:
    least, above = field.minimum, field.exclusive_minimum
    if field.type == "integer" and above is not None:
        least, above = max(math.floor(above) + 1, -math.inf if least is None else least), None
    return max((-math.inf if least is None else least, 0), (-math.inf if above is None else above, 1))


def _high(field: Field) -> _Limit:
    most, below = field.maximum, field.exclusive_maximum
    if field.type == "integer" and below is not None:
        most, below = min(math.ceil(below) - 1, math.inf if most is None else most), None
    return min((math.inf if most is None else most, 0), (math.inf if below is None else below, -1))


def _limit(place: str, word: str, was: _Limit, now: _Limit, *, breaks: bool) -> Change:
    def told(limit: _Limit) -> str:
        number, left_out = limit
        return "any" if math.isinf(number) else f"{word} {number:g}{' itself left out' if left_out else ''}"

    return Change(place, f"{told(now)}, was {told(was)}", breaks)


def _list(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))
