"""A first contract out of sample events: which field is what, guessed by names and values, for a person to correct.

Guesses and writes files; whether the result is a contract is for `load` to say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import yaml

from pipelines.contract.model import RESERVED
from pipelines.contract.sample import NEARLY_ALL, Place, Sample, is_moment, is_without_zone, places, words_of
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
_ID_WORDS = ("id", "uuid", "guid")
_TYPE_WORDS = ("type", "event", "kind", "action", "name")
_ERROR_WORDS = ("error", "failed", "failure", "errored", "exception")
_SUCCESS_WORDS = ("success", "ok", "succeeded", "approved", "completed")
# The last word of a type: of `order.failed` and `order.completed`, the former are a share of both.
_FAILED_ENDS = ("failed", "failure", "error", "declined", "rejected", "aborted", "denied", "refused", "timeout")
_SOUND_ENDS = (
    *("finished", "completed", "succeeded", "success", "done", "ended", "approved", "accepted", "paid", "confirmed"),
    *("delivered", "closed"),
)
_DURATION_WORDS = ("ms", "latency", "duration", "elapsed", "seconds", "millis", "took")
_AMOUNT_WORDS = ("amount", "price", "total", "revenue", "cents", "minor", "cost", "value", "fare")
_PERSON_WORDS = ("user", "customer", "client", "account", "visitor", "session", "member")
# Dimensions: at least two values, few enough that each has events in a window; more than six are hard to read.
_MOST_VALUES, _MOST_DIMENSIONS, _MOST_TYPES = 60, 6, 30


@dataclass(frozen=True)
class Draft:
    """A contract's files by name, and what was guessed, in words."""

    files: dict[str, str]
    guesses: tuple[str, ...]


@dataclass(frozen=True)
class _Envelope:
    event_id: dict[str, Any] | str
    event_type: dict[str, Any] | str
    schema_version: dict[str, Any] | str
    event_time: dict[str, Any]
    type_path: str | None
    mapped: frozenset[str]
    words: tuple[str, ...]


def draft(product: str, sample: Sample, events: Sequence[dict[str, Any]]) -> Draft:
    """Files of a contract for a product.

    Args:
        product: its name.
        sample: what the events look like.
        events: the same events, to see which field belongs to which type.

    Raises:
        UsageError: no field is a time of events.
    """
    envelope = _envelope(sample)
    dimensions: dict[str, Any] = dict(_dimensions(sample, envelope))
    mapped = envelope.mapped | set(dimensions.values())
    kept, left = _kept(sample, envelope.mapped, dimensions)
    dimensions = {name: path for name, path in dimensions.items() if path in kept}
    by_type = _by_type(events, envelope.type_path)
    types: dict[str, Any] = {}
    files: dict[str, str] = {}
    for name, own in by_type.items():
        file = f"{_plain(name)}.v1.json"
        # Names that differ in their signs alone are the same in small letters.
        file = file if file not in files else f"{_plain(name)}_{len(files)}.v1.json"
        files[file] = _schema(name, own, kept)
        types[name] = {"versions": {1: {"schema": file}}}
    product_file = {
        "product": product,
        "title": product.replace("_", " ").capitalize(),
        "window": "5 minutes",
        "born": "2020-01-01",
        "envelope": {
            "event_id": envelope.event_id,
            "event_type": envelope.event_type,
            "schema_version": envelope.schema_version,
            "event_time": envelope.event_time,
        },
        # A contract has at least one: without any the whole product is one segment.
        "dimensions": dimensions or {"everything": {"constant": "all"}},
        "events": types,
    }
    taken = {*RESERVED, *dimensions, *(_column(path).lower() for path in kept)}
    metrics, words = _metrics(by_type, {path: kind for path, kind in kept.items() if path not in mapped}, taken)
    return Draft(
        {
            "product.yaml": _yaml("What the events are and how they are read.", product_file),
            "metrics.yaml": _yaml("What is measured, and how readily PulseIQ speaks up.", {"metrics": metrics}),
            **files,
        },
        (
            *envelope.words,
            f"dimensions: {', '.join(dimensions) or 'none: no text field has between 2 and 60 values'}",
            f"event types: {', '.join(f'{name} ({len(own):,})' for name, own in by_type.items())}",
            *words,
            *left,
        ),
    )


def _envelope(sample: Sample) -> _Envelope:
    found, everywhere = sample.places, [each for each in sample.places.values() if each.common(sample.events)]
    time, form = _time(sample)
    words = [f"event time: {time.path} ({form})"]
    if unclear := _without_zone(sample):
        words.append(f"no zone, so not taken for the event time: {', '.join(unclear)}")
    unique = [each for each in everywhere if each.type in ("string", "integer") and _is_unique(each, sample.events)]
    best = _best(unique, _ID_WORDS, needed=True)
    event_id: dict[str, Any] | str = best.path if best else {"position": True}
    words.append(f"event id: {best.path if best else 'none is unique, so each record of Kafka is an event of its own'}")
    texts = [each for each in everywhere if each.type == "string" and not each.many]
    kinds = [each for each in texts if len(each.values) <= _MOST_TYPES and all(_plain(v) for v in each.values)]
    kind = _best(kinds, _TYPE_WORDS, needed=True)
    event_type: dict[str, Any] | str = kind.path if kind else {"constant": "event"}
    words.append(f"event type: {kind.path if kind else 'no field tells types apart, so all events are `event`'}")
    versions = [each for each in found.values() if each.words[-2:] in (("schema", "version"), ("schemaversion",))]
    versioned = [each for each in versions if each.type == "integer" and set(each.values) == {1}]
    schema_version: dict[str, Any] | str = versioned[0].path if versioned else {"constant": 1}
    mapped = {time.path, *(each.path for each in (best, kind, *versioned[:1]) if each)}
    return _Envelope(
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


def _dimensions(sample: Sample, envelope: _Envelope) -> dict[str, str]:
    """Fields with few values that nearly every event has, those with the most even spread first."""
    fitting = [
        each
        for each in sample.places.values()
        if each.path not in envelope.mapped
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
        short, long = _word(each.name), _word(each.path.removeprefix("$."))
        wanted = (short, long, *(f"{long}_{number}" for number in range(2, 10)))
        names[next(name for name in wanted if name not in {*names, *RESERVED})] = each.path
    return names


def _by_type(events: Iterable[dict[str, Any]], path: str | None) -> dict[str, list[dict[str, Any]]]:
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


def _kept(sample: Sample, envelope: Set[str], dimensions: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
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
        path, column = each.path, _column(each.path)
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


def _described(events: Sequence[dict[str, Any]], kept: Mapping[str, str]) -> list[tuple[Place, str]]:
    """Places of one type's events with the types that they have in all events, without those that differ from it."""
    found = [(each, kept[each.path]) for each in places(events).values() if each.path in kept]
    return [(each, kind) for each, kind in found if each.type == kind or (each.type, kind) == ("integer", "number")]


def _column(path: str) -> str:
    return "_".join(path.split(".")[1:])


def _schema(name: str, events: Sequence[dict[str, Any]], kept: Mapping[str, str]) -> str:
    """A JSON Schema of one type: types as seen, required what every event has, no number below zero where none was."""
    count = len(events)
    tree: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
    for each, kind in _described(events, kept):
        *parents, leaf = each.path.split(".")[1:]
        node = tree
        for parent in parents:
            below = node["properties"].setdefault(parent, {"type": "object", "properties": {}, "required": []})
            if each.common(count) and parent not in node["required"]:
                node["required"].append(parent)
            node = below
        described: dict[str, Any] = {"type": kind}
        if kind in ("integer", "number") and each.share(lambda value: not isinstance(value, str) and value >= 0) == 1:
            described["minimum"] = 0
        node["properties"][leaf] = described
        if each.common(count):
            node["required"].append(leaf)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{name}, drafted from {count:,} events",
    }
    return json.dumps({**head, **tree, "additionalProperties": True}, indent=2) + "\n"


def _metrics(
    by_type: dict[str, list[dict[str, Any]]], payload: Mapping[str, str], taken: Set[str]
) -> tuple[dict[str, Any], list[str]]:
    """Suggested metrics: a count of each type, and what names and values of its fields speak for.

    Args:
        payload: places of their own columns, with types.
        taken: names of columns, in small letters, which no metric may have.
    """
    metrics: dict[str, Any] = {}

    def free(name: str, kind: str) -> str:
        plain = _word(name)
        return next(each for each in (plain, *(f"{plain}_{kind}{n}" for n in ("", *range(2, 99)))) if each not in taken)

    for name, events in by_type.items():
        where = {"where": f"event_type = '{name}'"} if len(by_type) > 1 else {}
        own = "" if len(by_type) == 1 else f"{_plain(name)}_"
        metrics[free(f"{own}count", "events")] = {"kind": "count", **where, "direction": "both"}
        for each, _ in _described(events, payload):
            column = _column(each.path)
            if not column.isidentifier():
                continue
            suggested = _suggested(each, column, len(events))
            if suggested:
                metrics.setdefault(free(f"{own}{suggested[0]}", suggested[1]["kind"]), {**suggested[1], **where})
    for stem, failed, ended in _failures(by_type):
        where = {"where": _of_types(ended), "numerator": _of_types(failed)}
        metrics[free(f"{stem}_failure_rate", "ratio")] = {"kind": "ratio", **where, "direction": "up", "weight": 3}
    return metrics, [f"metrics: {', '.join(metrics)}"]


def _failures(types: Iterable[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Of types that say how something ended: its name, those that say badly, and all of them."""
    by_stem: dict[tuple[str, ...], list[str]] = {}
    for each in sorted(types):
        by_stem.setdefault(words_of(each)[:-1], []).append(each)
    for stem, own in by_stem.items():
        failed, sound = (
            [each for each in own if {*words_of(each)[-1:]} & {*ends}] for ends in (_FAILED_ENDS, _SOUND_ENDS)
        )
        if stem and failed and sound:
            yield "_".join(stem), failed, sorted([*failed, *sound])


def _of_types(types: Sequence[str]) -> str:
    named = ", ".join(f"'{each}'" for each in types)
    return f"event_type = {named}" if len(types) == 1 else f"event_type IN ({named})"


def _suggested(place: Place, column: str, events: int) -> tuple[str, dict[str, Any]] | None:
    words, kind = set(place.words), place.type
    if kind == "boolean" and not place.many and len(place.values) < 2:
        return None  # It is always the same here, and says nothing.
    if kind == "boolean" and words & set(_ERROR_WORDS):
        return f"{column}_rate", {"kind": "ratio", "numerator": column, "direction": "up", "weight": 3}
    if kind == "boolean" and words & set(_SUCCESS_WORDS):
        return f"{column}_rate", {"kind": "ratio", "numerator": column, "direction": "down", "weight": 3}
    if kind in ("integer", "number") and words & set(_DURATION_WORDS):
        return f"{column}_p95", {"kind": "quantile", "value": column, "quantile": 0.95, "direction": "up", "weight": 2}
    if kind in ("integer", "number") and words & set(_AMOUNT_WORDS):
        return column, {"kind": "sum", "value": column, "direction": "down", "weight": 5}
    several = place.many or 20 < len(place.values) < 0.95 * events
    if kind in ("string", "integer") and words & set(_PERSON_WORDS) and several:
        return f"unique_{column}", {"kind": "distinct", "value": column, "direction": "down"}
    return None


def _best(fitting: Sequence[Place], words: tuple[str, ...], *, needed: bool) -> Place | None:
    """The place whose name speaks most for it, then the one nearest to the root; where needed, only such a one."""
    named = [each for each in fitting if set(each.words) & set(words)]
    pool = named if named or needed else list(fitting)

    def rank(each: Place) -> tuple[int, int, int, str]:
        own = [words.index(word) for word in each.words if word in words]
        return each.path.count("."), 0 if "event" in each.words else 1, min(own, default=len(words)), each.path

    return min(pool, key=rank, default=None)


def _is_unique(place: Place, events: int) -> bool:
    # Of more values than are counted, those that were must each have come once; a few twins are ordinary.
    return len(place.values) >= 0.98 * place.values.total() and (place.many or len(place.values) >= 0.9 * events)


def _plain(text: str) -> str:
    """A name of small letters, digits and underscores; empty where nothing is left of the text."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")[:60]


def _word(text: str) -> str:
    """Such a name that begins with a letter, as those of dimensions and metrics must."""
    plain = _plain(text)
    return plain if plain[:1].isalpha() else f"n_{plain}"


def _yaml(comment: str, content: dict[str, Any]) -> str:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=118)
    return f"# {comment} Drafted from sample events: read every line, and correct what is wrong.\n{text}"
