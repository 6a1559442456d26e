"""A first contract out of sample events: which field is what, guessed by names and values, for a person to correct.

Puts the guesses about envelope, fields and metrics into files; whether the result is a contract is for `load` to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from pipelines.contract import draft_envelope, draft_fields, draft_metrics
from pipelines.contract.draft_fields import column_of, of_type, plain_name
from pipelines.contract.model import RESERVED
from pipelines.contract.sample import Sample


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
    envelope = draft_envelope.envelope(sample)
    dimensions: dict[str, Any] = dict(draft_fields.dimensions(sample, envelope.mapped))
    mapped = envelope.mapped | set(dimensions.values())
    kept, left = draft_fields.kept_places(sample, envelope.mapped, dimensions)
    dimensions = {name: path for name, path in dimensions.items() if path in kept}
    by_type = draft_fields.events_by_type(events, envelope.type_path)
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
    metrics, words = draft_metrics.metrics(
        by_type, {path: kind for path, kind in kept.items() if path not in mapped}, taken
    )
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


def _schema(name: str, events: Sequence[dict[str, Any]], kept: Mapping[str, str]) -> str:
    """A JSON Schema of one type: types as seen, required what every event has, no number below zero where none was."""
    count = len(events)
    tree: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
    for each, kind in of_type(events, kept):
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


def _yaml(comment: str, content: dict[str, Any]) -> str:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=118)
    return f"# {comment} Drafted from sample events: read every line, and correct what is wrong.\n{text}"
