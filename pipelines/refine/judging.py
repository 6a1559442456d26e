"""Reasons to refuse an event, compiled from the contract to one SQL expression.

Rules are tried in a fixed order and the first that fails gives the reason; what cannot be read comes first, then what
is missing or unknown, then times, then the payload's ranges and the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pipelines.contract import EventType, Field, Version
from pipelines.contract.expressions import renamed
from pipelines.contract.sql import string, strings, value
from pipelines.refine.reading import Reader

_TEXT = "CAST(kafka_value AS STRING)"


@dataclass(frozen=True)
class Rule:
    """When it fails (SQL, null is no failure), the reason, and the detail in words (SQL)."""

    fails: str
    reason: str
    detail: str


def verdict(rules: Iterable[Rule]) -> str:
    """SQL of `reason|detail` of the first rule that fails, null when none does."""
    cases = " ".join(f"WHEN {rule.fails} THEN concat('{rule.reason}|', {rule.detail})" for rule in rules)
    return f"CASE {cases} END" if cases else "CAST(NULL AS STRING)"


@dataclass(frozen=True)
class Judge:
    """Rules of one contract over the columns of `Reader.values`, `kafka_*`, `arrived_at` and the `k_` ones:

    `k_text` the text that may be parsed, `k_doubt` what is wrong with reading it, `k_id` the event's id, `k_time` its
    time, `k_version` its schema version.
    """

    reader: Reader

    def sql(self) -> str:
        """SQL of `reason|detail`, null for an event to accept."""
        known = verdict([*self._missing(), *self._unknown(), *self._times(), *self._ranges_of_all()])
        return f"coalesce({verdict(self._unreadable())}, k_doubt, {known}, {self._by_version()})"

    def _unreadable(self) -> Iterator[Rule]:
        limits = self.reader.contract
        size = "octet_length(kafka_value)"
        yield Rule("kafka_value IS NULL", "null_value", "'the record has no value'")
        yield Rule(f"{size} = 0", "empty_value", "'the value is empty'")
        most = f"concat({size}, ' bytes, at most {limits.max_event_bytes}')"
        yield Rule(f"{size} > {limits.max_event_bytes}", "too_large", most)
        yield Rule(f"k_text IS NULL AND NOT is_valid_utf8({_TEXT})", "invalid_utf8", "'the bytes are not UTF-8'")
        yield Rule("k_text IS NULL", "too_deep", f"'objects and lists nested more than {limits.max_depth} deep'")

    def _missing(self) -> Iterator[Rule]:
        contract = self.reader.contract
        sources = {**contract.envelope.sources(), **contract.dimension_sources}
        needed = [
            (self.reader.columns[source.path], f"{name} ({source.path})")
            for name, source in sources.items()
            if source.path is not None and source.default is None
        ]
        if needed:
            yield _required(needed)
        # An id that many events share would make them all one.
        yield Rule("k_id IS NULL OR k_id = ''", "missing_field", "'event_id is empty'")

    def _unknown(self) -> Iterator[Rule]:
        contract = self.reader.contract
        event_type = self.reader.as_text(contract.envelope.event_type)
        version = self.reader.as_text(contract.envelope.schema_version)
        yield Rule(
            f"{event_type} NOT IN ({strings(contract.events)})",
            "unknown_event_type",
            f"left({event_type}, 100)",
        )
        known = " OR ".join(
            f"{event_type} = {string(event.name)} AND "
            f"k_version IN ({', '.join(str(version.number) for version in event.versions)})"
            for event in contract.events.values()
        )
        words = f"concat({event_type}, ' version ', left({version}, 100))"
        yield Rule(f"NOT coalesce({known}, false)", "unknown_version", words)

    def _times(self) -> Iterator[Rule]:
        contract = self.reader.contract
        source = contract.envelope.event_time
        tolerance = int(contract.future_tolerance.total_seconds() * 1_000_000)
        born = int(contract.born.timestamp() * 1_000_000)
        shape = "a time with a zone, such as 2026-01-31T12:00:00Z" if source.format == "rfc3339" else source.format
        yield Rule("k_time IS NULL", "wrong_type", string(f"{source.path} cannot be read as {shape}"))
        ahead = f"unix_micros(k_time) > unix_micros(arrived_at) + {tolerance}"
        yield Rule(ahead, "future_event_time", "CAST(k_time AS STRING)")
        yield Rule(f"unix_micros(k_time) < {born}", "before_product", "CAST(k_time AS STRING)")

    def _ranges_of_all(self) -> Iterator[Rule]:
        """Ranges that all versions of all event types share: as a rule the envelope's and the dimensions'."""
        for field in self._common:
            yield from _ranges(field, self.reader.columns[field.path], field.path)

    @cached_property
    def _common(self) -> list[Field]:
        versions = [version for event in self.reader.contract.events.values() for version in event.versions]
        return [field for field in versions[0].mapped if all(field in version.mapped for version in versions)]

    def _by_version(self) -> str:
        """Required fields, ranges and the key of each event version, as one CASE."""
        branches = []
        for event in self.reader.contract.events.values():
            for version in event.versions:
                rules = list(self._version_rules(event, version))
                if rules:
                    branches.append(f"WHEN {is_version(self.reader, event, version)} THEN {verdict(rules)}")
        return f"CASE {' '.join(branches)} END" if branches else "CAST(NULL AS STRING)"

    def _version_rules(self, event: EventType, version: Version) -> Iterator[Rule]:
        columns = self.reader.columns
        needed = [(columns[field.path], field.path) for field in version.fields if field.required]
        if needed:
            yield _required(needed)
        for field in (*version.mapped, *version.fields):
            if field in self._common:
                continue
            yield from _ranges(field, columns[field.path], field.path)
        for field in event.newest.fields:
            if field.column in version.upgrade:
                upgraded = over_version(self.reader, version, version.upgrade[field.column])
                if field.required:
                    yield Rule(f"{upgraded} IS NULL", "missing_field", string(f"{field.column} after the upgrade"))
                yield from _ranges(field, upgraded, f"{field.column} after the upgrade")
        if event.key is not None:
            yield from self._key(event.key, version)

    def _key(self, key: str, version: Version) -> Iterator[Rule]:
        contract = self.reader.contract
        found = [self.reader.columns[field.path] for field in version.fields if field.column == key]
        if key in contract.dimension_sources:
            found = [self.reader.as_text(contract.dimension_sources[key])]
        for column in found:
            given = "make_valid_utf8(CAST(kafka_key AS STRING))"
            wrong = f"kafka_key IS NOT NULL AND {given} != CAST({column} AS STRING)"
            yield Rule(wrong, "wrong_key", f"concat({string(f'the key is not {key}: ')}, left({given}, 100))")


def is_version(reader: Reader, event: EventType, version: Version) -> str:
    """SQL: the event is of this type and version."""
    event_type = reader.as_text(reader.contract.envelope.event_type)
    return f"({event_type} = {string(event.name)} AND k_version = {version.number})"


def over_version(reader: Reader, version: Version, sql: str) -> str:
    """An upgrade rule's SQL over the columns that were read."""
    return f"({renamed(sql, {field.column: reader.columns[field.path] for field in version.fields})})"


def _required(columns: list[tuple[str, str]]) -> Rule:
    anyone = " OR ".join(f"{column} IS NULL" for column, _ in columns)
    names = ", ".join(f"CASE WHEN {column} IS NULL THEN {string(name)} END" for column, name in columns)
    return Rule(f"({anyone})", "missing_field", f"concat_ws(', ', {names})")


def _ranges(field: Field, column: str, name: str) -> Iterator[Rule]:
    for fails, words in _range_rules(field, column):
        detail = f"concat({string(f'{name}: expected {words}, found ')}, left(CAST({column} AS STRING), 100))"
        yield Rule(fails, "out_of_range", detail)


def _range_rules(field: Field, column: str) -> Iterator[tuple[str, str]]:
    for bound, op, words in (
        (field.minimum, "<", "at least"),
        (field.maximum, ">", "at most"),
        (field.exclusive_minimum, "<=", "more than"),
        (field.exclusive_maximum, ">=", "less than"),
    ):
        if bound is not None:
            yield f"{column} {op} {value(field, bound)}", f"{words} {bound:.15g}"
    if field.type == "number":
        # A number such as 1e999 is JSON, and infinite once it is read: one would spoil every sum it is in.
        yield f"abs({column}) = CAST('Infinity' AS DOUBLE)", "a finite number"
    if field.enum:
        values = ", ".join(value(field, each) for each in field.enum)
        yield f"{column} NOT IN ({values})", "one of the known values"
    if field.min_length is not None:
        yield f"length({column}) < {field.min_length}", f"at least {field.min_length} characters"
    if field.max_length is not None:
        yield f"length({column}) > {field.max_length}", f"at most {field.max_length} characters"
    if field.pattern is not None:
        yield f"NOT {column} RLIKE {string(field.pattern)}", f"the form {field.pattern}"
