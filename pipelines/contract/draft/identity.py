"""The id of a first contract: a field whose values are nearly all different, and equal only where an event is.

A guess by names and values; a person corrects it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.contract.draft.fields import AMOUNT_WORDS, DURATION_WORDS
from pipelines.contract.draft.sample import NEARLY_ALL, Place, Sample, is_epoch, is_time, value_at

_ID_WORDS = ("id", "uuid", "guid")
_KEY_WORDS = ("ref", "reference", "key", "number", "no", "nr")
_MEASURE_WORDS = {*AMOUNT_WORDS, *DURATION_WORDS, "count", "bytes", "size", "offset", "load"}
_MOMENT_WORDS = {"at", "time", "timestamp", "ts", "date", "when"}
_NEARLY_DIFFERENT = 0.99
# In a small sample whatever is drawn from many values looks like an id, so there its name has to speak for it.
_ENOUGH_WITHOUT_NAME = 1_000


def identity(sample: Sample, events: Sequence[dict[str, Any]]) -> tuple[Place | None, str]:
    """The place of the id, None if there is none; and in words what was found.

    What is called an id may have twins that differ, such as in the time of sending. Of anything else, values are nearly
    all different, and events with the same value are the same.
    """
    ranked = []
    for each in sample.places.values():
        differing = each.many or len(each.values) >= 0.9 * sample.events
        if each.type not in ("string", "integer") or not each.common(sample.events) or not differing:
            continue
        kind = _kind(each, sample.events)
        if kind is None:
            continue
        different, same = _twins(each.path, events)
        if kind == 0 or (different >= _NEARLY_DIFFERENT and same >= NEARLY_ALL):
            ranked.append(((kind, same < NEARLY_ALL, *each.nearness((*_ID_WORDS, *_KEY_WORDS))), each, different))
    if not ranked:
        why = "no text or whole number in nearly all events is another one in each, and the same only in equal events"
        return None, f"none: {why}; each record of Kafka is an event of its own"
    (kind, *_), best, different = min(ranked, key=lambda found: found[0])
    return best, best.path if kind == 0 else f"{best.path} ({different:.1%} different, the others in equal events)"


def _kind(place: Place, events: int) -> int | None:
    """How well its name speaks for an id: 0 best, 2 not at all; None where it is none."""
    words = set(place.words)
    if words & set(_ID_WORDS):
        # Of more values than are counted, those that were must each have come once; a few twins are ordinary.
        return 0 if len(place.values) >= 0.98 * place.values.total() else None
    if place.share(is_time) >= 0.5 or words & _MOMENT_WORDS or (place.type == "integer" and words & _MEASURE_WORDS):
        return None
    if words & set(_KEY_WORDS):
        return 1
    if place.share(is_epoch) >= 0.5:
        return None
    one_word = place.share(lambda value: not isinstance(value, str) or not any(map(str.isspace, value))) == 1
    return 2 if events >= _ENOUGH_WITHOUT_NAME and one_word else None


def _twins(path: str, events: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Share of the values that are different ones, and of the events with a value seen before: those equal to it."""
    first: dict[Any, dict[str, Any]] = {}
    present = same = 0
    for event in events:
        value = value_at(event, path)
        if isinstance(value, str | int):
            present += 1
            same += first.setdefault(value, event) == event
    repeated = present - len(first)
    return len(first) / max(1, present), (same - len(first)) / repeated if repeated else 1.0
