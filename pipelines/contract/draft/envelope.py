"""The envelope of a first contract: which field is an event's id, type, time and version, by names and values.

Guesses from what `sample` counted; a person corrects it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.contract.draft.fields import plain_name
from pipelines.contract.draft.identity import identity
from pipelines.contract.draft.sample import NEARLY_ALL, Place, Sample, is_moment, is_without_zone, value_at
from pipelines.errors import UsageError

_TIME_WORDS = ("time", "timestamp", "ts", "at", "date", "when", "occurred", "created")
# These say when somebody had to do with an event after it was.
_LATER_WORDS = (
    *("sent", "received", "ingested", "ingestion", "processed", "arrived", "arrival", "stored", "updated", "logged"),
    *("queue", "queued", "published", "written", "modified", "expires"),
)
_FORMS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("rfc3339", is_moment),
    ("epoch_ms", lambda value: isinstance(value, int) and 10**12 <= value < 10**13),
    ("epoch_s", lambda value: isinstance(value, int | float) and 10**9 <= value < 10**10),
)
_TYPE_WORDS = ("type", "event", "kind", "action", "name")
_MOST_TYPES = 30


@dataclass(frozen=True)
class Envelope:
    """What product.yaml says of it, the path of the type if there is one, all paths that it takes, and in words why."""

    event_id: dict[str, Any] | str
    event_type: dict[str, Any] | str
    schema_version: dict[str, Any] | str
    event_time: dict[str, Any]
    type_path: str | None
    mapped: frozenset[str]
    words: tuple[str, ...]

    def is_found_in(self, event: dict[str, Any]) -> bool:
        """Whether an event has an id, a type and a time in the form of all others."""
        if isinstance(self.event_id, str) and value_at(event, self.event_id) in (None, ""):
            return False
        if self.type_path and not isinstance(value_at(event, self.type_path), str):
            return False
        return dict(_FORMS)[self.event_time["format"]](value_at(event, self.event_time["path"]))


def envelope(sample: Sample, events: Sequence[dict[str, Any]]) -> Envelope:
    """The envelope that names and values speak for.

    Args:
        sample: what the events look like.
        events: the same events, to see whether those with the same id are the same.

    Raises:
        UsageError: no field is a time of events.
    """
    found, everywhere = sample.places, [each for each in sample.places.values() if each.common(sample.events)]
    time, form = _time(sample)
    words = [f"event time: {time.path} ({form})"]
    if unclear := _without_zone(sample):
        words.append(f"no zone, so not taken for the event time: {', '.join(unclear)}")
    best, found_id = identity(sample, events)
    event_id: dict[str, Any] | str = best.path if best else {"position": True}
    words.append(f"event id: {found_id}")
    texts = [each for each in everywhere if each.type == "string" and not each.many]
    kinds = [each for each in texts if len(each.values) <= _MOST_TYPES and all(plain_name(v) for v in each.values)]
    kind = _best(kinds, _TYPE_WORDS)
    event_type: dict[str, Any] | str = kind.path if kind else {"constant": "event"}
    words.append(f"event type: {kind.path if kind else 'no field tells types apart, so all events are `event`'}")
    versions = [each for each in found.values() if each.words[-2:] in (("schema", "version"), ("schemaversion",))]
    versioned = [each for each in versions if each.type == "integer" and set(each.values) == {1}]
    schema_version: dict[str, Any] | str = {"constant": 1}
    if versioned:
        path, everywhere_there = versioned[0].path, versioned[0].present == sample.events
        schema_version = path if everywhere_there else {"path": path, "default": 1}
    mapped = {time.path, *(each.path for each in (best, kind, *versioned[:1]) if each)}
    return Envelope(
        event_id, event_type, schema_version, {"path": time.path, "format": form}, kind.path if kind else None,
        frozenset(mapped), tuple(words),
    )  # fmt: skip


def _time(sample: Sample) -> tuple[Place, str]:
    """The field that says when an event was, and its form: what it is called decides, the form only between equals."""
    fitting = [
        (each, number)
        for each in sample.places.values()
        for number, (_, fits) in enumerate(_FORMS)
        if each.common(sample.events) and each.share(fits) >= NEARLY_ALL
    ]

    def rank(found: tuple[Place, int]) -> tuple[int, int, int, int, str]:
        each, number = found
        own = [_TIME_WORDS.index(word) for word in each.words if word in _TIME_WORDS]
        return _told(each), each.path.count("."), min(own, default=len(_TIME_WORDS)), number, each.path

    if fitting:
        best, number = min(fitting, key=rank)
        return best, _FORMS[number][0]
    unclear = _without_zone(sample)
    raise UsageError(
        "no field holds a time in every event" + (f"; without a zone are {', '.join(unclear)}" if unclear else ""),
        hint="write it with its zone, as 2026-11-23T10:35:00Z, or as seconds or milliseconds since 1970",
    )


def _told(place: Place) -> int:
    """How well a name speaks for the time of an event: 0 best, 3 not at all."""
    words = set(place.words)
    if words & set(_LATER_WORDS):
        return 2
    if words & {"occurred", "happened"} or ("event" in words and words & set(_TIME_WORDS)):
        return 0
    return 1 if words & set(_TIME_WORDS) else 3


def _without_zone(sample: Sample) -> list[str]:
    return [
        each.path
        for each in sample.places.values()
        if each.common(sample.events) and each.share(is_without_zone) >= NEARLY_ALL
    ]


def _best(fitting: Sequence[Place], words: tuple[str, ...]) -> Place | None:
    """Of the places whose names speak for it the one nearest to the root, then the one whose name says most."""
    named = [each for each in fitting if set(each.words) & set(words)]
    return min(named, key=lambda each: each.nearness(words), default=None)
