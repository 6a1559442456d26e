"""A first contract out of sample events: which field is what, guessed by names and values, for a person to correct.

Puts the guesses about envelope, fields and metrics into files; whether the result is a contract is for `load` to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pipelines.contract.draft import fields, metrics
from pipelines.contract.draft.envelope import envelope as of_envelope
from pipelines.contract.draft.events import well_formed
from pipelines.contract.draft.fields import column_of, of_type, plain_name
from pipelines.contract.draft.sample import Place, Sample
from pipelines.contract.model import RESERVED

_BROKEN = (
    "refused by this contract: {:,} of these events, which lack id, type or time, or have a value of another type than "
    "nearly all others"
)


@dataclass(frozen=True)
class Draft:
    """A contract's files by name, and what was guessed, in words."""

    files: dict[str, str]
    guesses: tuple[str, ...]


def draft(product: str, sample: Sample, events: Sequence[dict[str, Any]]) -> Draft:
    """Files of a contract for a product.

    Args:
        product: its name.
        sample: what the events look like.
        events: the same events, to see which field belongs to which type.

    Raises:
        UsageError: no field is a time of events.
    """
    envelope = of_envelope(sample, events)
    found = well_formed(events, envelope)
    by_type = found.by_type
    named = fields.dimensions(found.whole, by_type, envelope.mapped)
    mapped = envelope.mapped | set(named.values())
    kept, left = fields.kept_places(found.whole, envelope.mapped, named)
    dimensions = {
        name: fields.source(found.whole.places[path], found.whole.events)
        for name, path in named.items()
        if path in kept
    }
    types: dict[str, Any] = {}
    files: dict[str, str] = {}
    for name, own in by_type.items():
        file = f"{plain_name(name)}.v1.json"
        # Names that differ in their signs alone are the same in small letters.
        file = file if file not in files else f"{plain_name(name)}_{len(files)}.v1.json"
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
    taken = {*RESERVED, *dimensions, *(column_of(path).lower() for path in kept)}
    defaults = [f"{name} '{each['default']}'" for name, each in dimensions.items() if isinstance(each, dict)]
    measured, words = metrics.metrics(by_type, {path: kind for path, kind in kept.items() if path not in mapped}, taken)
    return Draft(
        {
            "product.yaml": _yaml("What the events are and how they are read.", product_file),
            "metrics.yaml": _yaml("What is measured, and how readily PulseIQ speaks up.", {"metrics": measured}),
            **files,
        },
        (
            *envelope.words,
            f"dimensions: {', '.join(dimensions) or fields.NO_DIMENSIONS}",
            *([f"not in every event, so with a default: {', '.join(defaults)}"] if defaults else []),
            f"event types: {', '.join(f'{name} ({own.events:,})' for name, own in by_type.items())}",
            *words,
            *left,
            *(f"left out: {path}, its values are of several types" for path in found.mixed),
            *([_BROKEN.format(found.broken)] if found.broken else []),
        ),
    )


def _schema(name: str, own: Sample, kept: Mapping[str, str]) -> str:
    """A JSON Schema of one type that lets through every well-formed event of it.

    Types as seen, null where any was; required what every such event has; no number below zero where none was.
    """
    tree: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
    for each, kind in of_type(own, kept):
        *parents, leaf = each.path.split(".")[1:]
        node, path = tree, "$"
        for parent in parents:
            path = f"{path}.{parent}"
            # A place that is an object here and a value there is none of the sample's.
            kinds = _with_null("object", own.places.get(path))
            below = node["properties"].setdefault(parent, {"type": kinds, "properties": {}, "required": []})
            if each.present == own.events and parent not in node["required"]:
                node["required"].append(parent)
            node = below
        described: dict[str, Any] = {"type": _with_null(kind, each)}
        if kind in ("integer", "number") and not each.negative:
            described["minimum"] = 0
        node["properties"][leaf] = described
        if each.present == own.events:
            node["required"].append(leaf)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{name}, drafted from {own.events:,} events",
    }
    return json.dumps({**head, **tree, "additionalProperties": True}, indent=2) + "\n"


def _with_null(kind: str, place: Place | None) -> str | list[str]:
    return [kind, "null"] if place and place.types["null"] else kind


def _yaml(comment: str, content: dict[str, Any]) -> str:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=118)
    return f"# {comment} Drafted from sample events: read every line, and correct what is wrong.\n{text}"
