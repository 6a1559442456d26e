"""Whether a change of a contract breaks what worked before: events, columns, dimensions, metrics and their history.

The rules are told in docs/reference/contract-changes.md. Compares compiled contracts; reads no file but schemas.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from pipelines.contract.duration import in_words
from pipelines.contract.field_changes import Change, compare_fields, narrowed
from pipelines.contract.json_schema import read_fields
from pipelines.contract.load import load
from pipelines.contract.model import Contract, EventType, Metric, Source
from pipelines.errors import UsageError

# Of product.yaml: keys any change of which breaks, and keys that break in one direction only.
_FIXED = {
    "product": "its tables and topics have other names",
    "topic": "events are looked for in another topic",
    "clock": "windows are judged by another time",
    "window": "gold's windows and the baseline have another length",
    "files": "files are read in another form",
}
_SMALLER_BREAKS = {
    "dedup_horizon": "twins further apart are counted twice",
    "future_tolerance": "events further ahead are refused",
    "max_event_bytes": "larger events are refused",
    "max_depth": "deeper events are refused",
}
_FOR_GOOD = "added: it cannot be taken away again once events were summed up by it"
_OF_A_METRIC = ("kind", "where", "value", "numerator", "denominator", "quantile")
_TOLD_OF_A_METRIC = ("title", "direction", "weight", "unit")
_Key = TypeVar("_Key")


def compare(old: Path, new: Path) -> list[Change]:
    """Differences between two contract folders, or two schema files; those that break come first.

    Raises:
        UsageError: one is a folder and the other a file, or there is no such thing.
        ContractError: one of them is wrong.
    """
    if old.is_file() and new.is_file():
        found = list(compare_fields("", read_fields(old), read_fields(new)))
    elif (old / "product.yaml").is_file() and (new / "product.yaml").is_file():
        found = list(_contracts(load(old), load(new)))
    else:
        raise UsageError(
            f"{old} and {new} are neither two folders with a product.yaml nor two schema files",
            hint="pulseiq contract check OLD NEW",
        )
    return sorted(dict.fromkeys(found), key=lambda change: not change.breaks)


def versions_side_by_side(contract: Contract) -> Iterator[Change]:
    """Where an event of an older version could be right by its own schema and wrong in the newest version's column.

    Row rules judge an event by its own version, the gate all of silver by the newest: what only the older one allows
    would hold whole batches.
    """
    for event in contract.events.values():
        newest = {field.column: field for field in event.newest.fields}
        for version in event.versions[:-1]:
            for field in version.fields:
                target = newest.get(field.column)
                if target is None or field.column in version.upgrade:
                    continue
                place = f"events.{event.name}.versions.{event.newest.number} {field.path}"
                for change in narrowed(place, field, target):
                    if change.breaks:
                        what = f"{change.what} in version {version.number}, whose events go into the same column"
                        yield Change(place, what, True)


def _contracts(old: Contract, new: Contract) -> Iterator[Change]:
    yield from _product(old, new)
    yield from _sources("envelope", old.envelope.sources(), new.envelope.sources())
    yield from _dimensions(old, new)
    for name, event in old.events.items():
        if name in new.events:
            yield from _event(event, new.events[name], new)
        else:
            yield Change(f"events.{name}", "removed: its events are refused", True)
    for name in _only(new.events, old.events):
        yield Change(f"events.{name}", "added", False)
    known = set(versions_side_by_side(old))
    yield from (change for change in versions_side_by_side(new) if change not in known)
    yield from _metrics(old, new)
    yield from _checks(old, new)


def _product(old: Contract, new: Contract) -> Iterator[Change]:
    for key, why in _FIXED.items():
        was, now = getattr(old, key), getattr(new, key)
        if was != now:
            yield Change(key, f"{_or_none(now)}, was {_or_none(was)}: {why}", True)
    for key, why in _SMALLER_BREAKS.items():
        was, now = getattr(old, key), getattr(new, key)
        if was != now:
            yield Change(key, f"{_or_none(now)}, was {_or_none(was)}" + (f": {why}" if now < was else ""), now < was)
    if old.born != new.born:
        later = new.born > old.born
        yield Change(
            "born",
            f"{new.born:%Y-%m-%d %H:%M}, was {old.born:%Y-%m-%d %H:%M} UTC"
            + (": older events are refused" if later else ""),
            later,
        )
    if old.allowed_lateness != new.allowed_lateness:
        yield Change(
            "allowed_lateness", f"{in_words(new.allowed_lateness)}, was {in_words(old.allowed_lateness)}", False
        )


def _sources(place: str, old: Mapping[str, Source], new: Mapping[str, Source]) -> Iterator[Change]:
    for name in (each for each in old if each in new):
        was, now = old[name], new[name]
        if was == now:
            continue
        gained = was.default is None and was == now.model_copy(update={"default": None})
        what = f"default {now.default} for events without it" if gained else f"is {_told(now)}, was {_told(was)}"
        yield Change(f"{place}.{name}", what, not gained)


def _dimensions(old: Contract, new: Contract) -> Iterator[Change]:
    was, now = old.dimension_sources, new.dimension_sources
    for name in _only(was, now):
        yield Change(f"dimensions.{name}", "removed: nothing is split by it any more", True)
    for name in _only(now, was):
        refused = now[name].constant is None and now[name].default is None and not _required(now[name], old)
        what = "added: events without it are refused; give it a default" if refused else _FOR_GOOD
        yield Change(f"dimensions.{name}", what, refused)
    yield from _sources("dimensions", was, now)


def _required(source: Source, contract: Contract) -> bool:
    """Whether every event of the contract has a value there."""
    return all(
        any(field.path == source.path and field.required for field in (*version.fields, *version.mapped))
        for event in contract.events.values()
        for version in event.versions
    )


def _event(old: EventType, new: EventType, contract: Contract) -> Iterator[Change]:
    place = f"events.{old.name}"
    if old.key != new.key:
        yield Change(f"{place}.key", f"{new.key}, was {old.key}: records with the former key are refused", True)
    after = {version.number: version for version in new.versions}
    for version in old.versions:
        where = f"{place}.versions.{version.number}"
        if version.number not in after:
            yield Change(where, "removed: its events are refused", True)
            continue
        now = after[version.number]
        yield from compare_fields(where, (*version.mapped, *version.fields), (*now.mapped, *now.fields))
        for column in (each.column for each in old.newest.fields):
            sql, was = now.upgrade.get(column), version.upgrade.get(column)
            if sql != was and column in contract.columns:
                what = f"{_or_none(sql)}, was {_or_none(was)}: its events get other values there"
                yield Change(f"{where}.upgrade.{column}", what, True)
    before = [version.number for version in old.versions]
    for number in _only(after, before):
        yield Change(f"{place}.versions.{number}", "added", False)
    if new.newest.number not in before:
        for field in old.newest.fields:
            if field.column not in contract.columns:
                where = f"{place}.versions.{new.newest.number} {field.path}"
                yield Change(where, f"removed: silver loses column {field.column}", True)


def _metrics(old: Contract, new: Contract) -> Iterator[Change]:
    was, now = ({metric.name: metric for metric in contract.metrics} for contract in (old, new))
    for name in _only(was, now):
        yield Change(f"metrics.{name}", "removed", True)
    for name in _only(now, was):
        yield Change(f"metrics.{name}", "added", False)
    for name in (name for name in was if name in now):
        yield from _metric(was[name], now[name], told={*old.dimensions} ^ {*new.dimensions})


def _metric(old: Metric, new: Metric, told: set[str]) -> Iterator[Change]:
    """Differences of a metric, but for the dimensions that were `told` already: the contract lost or gained them."""
    place = f"metrics.{old.name}"
    for part in _OF_A_METRIC:
        was, now = getattr(old, part), getattr(new, part)
        if was != now:
            what = f"{_or_none(now)}, was {_or_none(was)}: its history is of something else"
            yield Change(f"{place}.{part}", what, True)
    for part in _TOLD_OF_A_METRIC:
        was, now = getattr(old, part), getattr(new, part)
        if was != now:
            yield Change(f"{place}.{part}", f"{now}, was {was}", False)
    if gone := [name for name in old.dimensions if name not in {*new.dimensions, *told}]:
        yield Change(f"{place}.dimensions", f"no longer split by {', '.join(gone)}", True)
    if more := [name for name in new.dimensions if name not in {*old.dimensions, *told}]:
        yield Change(f"{place}.dimensions", f"split by {', '.join(more)} as well", False)


def _checks(old: Contract, new: Contract) -> Iterator[Change]:
    """A check judges batches and refuses no event: what it asks may change; it is told, since it may hold more."""
    was, now = ({check.name: check for check in contract.checks} for contract in (old, new))
    for name in _in_order(was, now):
        place = f"checks '{name}'"
        if name not in now:
            yield Change(place, "removed: batches pass without it", False)
        elif name not in was:
            yield Change(place, "added: may hold batches that passed before", False)
        elif was[name] != now[name]:
            parts = [key for key in type(was[name]).model_fields if getattr(was[name], key) != getattr(now[name], key)]
            yield Change(place, f"changed: {', '.join(parts)}", False)


def _only(here: Iterable[_Key], there: Container[_Key]) -> Iterator[_Key]:
    """What is in one and not in the other, in its order."""
    return (each for each in here if each not in there)


def _in_order(*given: Iterable[str]) -> Iterator[str]:
    yield from dict.fromkeys(name for names in given for name in names)


def _told(source: Source) -> str:
    parts = {"constant": source.constant, "path": source.path, "default": source.default, "format": source.format}
    plain = {key: each for key, each in parts.items() if each is not None and (key, each) != ("format", "rfc3339")}
    if source.hash:
        plain["hash"] = " ".join(source.hash)
    return ", ".join(f"{key} {each}" for key, each in plain.items()) or "the record's position"


def _or_none(value: Any) -> str:
    if isinstance(value, timedelta):
        return in_words(value)
    return "none" if value is None else str(value)
