"""The well-formed events of a sample by type: what the schemas of a first contract are taken from.

Leaves out the events that any contract of this envelope and these types would refuse; names no field and no metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.contract.draft import sample as samples
from pipelines.contract.draft.envelope import Envelope
from pipelines.contract.draft.sample import Place, Sample, value_at

# Where so few events of a type have a value of another type than all others, they are broken, and the type is not.
_FEW = 0.005


@dataclass(frozen=True)
class WellFormed:
    """What well-formed events look like, all and of each type (most of them first).

    `broken` counts the others; `mixed` are places whose values are of several JSON types, which none describes.
    """

    whole: Sample
    by_type: dict[str, Sample]
    broken: int
    mixed: tuple[str, ...]


def well_formed(events: Sequence[dict[str, Any]], envelope: Envelope) -> WellFormed:
    """Without the events that lack id, type or time, or have a value of another type than nearly all others have."""
    by_type = _by_type((event for event in events if envelope.is_found_in(event)), envelope.type_path)
    whole = samples.of([event for own in by_type.values() for event in own])
    types = [samples.of(own) for own in by_type.values()]
    mixed = sorted(path for path, place in whole.places.items() if place.present and _is_mixed(place, types))
    odd = {
        path: place.type
        for path, place in whole.places.items()
        if place.type is not None and path not in mixed and place.odd
    }
    # No type is made of odd events alone.
    sound = {name: [event for event in own if _fits(event, odd)] or own for name, own in by_type.items()}
    kept = {name: _without(samples.of(own), mixed) for name, own in sound.items()}
    left = [event for own in sound.values() for event in own]
    return WellFormed(_without(samples.of(left), mixed), kept, len(events) - len(left), tuple(mixed))


def _by_type(events: Iterable[dict[str, Any]], path: str | None) -> dict[str, list[dict[str, Any]]]:
    """The events of each type, most of them first; of one type `event` where no path tells them apart."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        found.setdefault(value_at(event, path) if path else "event", []).append(event)
    largest = max(map(len, found.values()))
    # A type that came once or twice in a large sample is a broken event.
    kept = {name: own for name, own in found.items() if len(own) >= max(1, largest // 2000)}
    return dict(sorted(kept.items(), key=lambda item: -len(item[1])))


def _is_mixed(place: Place, types: Sequence[Sample]) -> bool:
    """Whether its values are of no one type, in all events or between event types."""
    if place.type is None:
        return True
    own = [(each.places[place.path], each.events) for each in types if place.path in each.places]
    others = {"integer", "number"} if place.type == "number" else {place.type}
    return any(each.present >= _FEW * events and each.type not in others for each, events in own if each.present)


def _fits(event: dict[str, Any], kinds: Mapping[str, str]) -> bool:
    return all(samples.is_of(value_at(event, path), kind) for path, kind in kinds.items())


def _without(sample: Sample, paths: Iterable[str]) -> Sample:
    left = {*paths}
    return Sample(
        sample.events, sample.not_events, {path: each for path, each in sample.places.items() if path not in left}
    )
