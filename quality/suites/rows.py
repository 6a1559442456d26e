"""The suite over single rows: what the contract says of every accepted event's envelope, as expectations.

The row rules have already put aside each event that breaks these, so a failure here means that rules and contract
disagree, which no one event can show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.contract import Contract, Field
from quality.gx import Expectation, gxe

# Spark timestamps arrive in pandas with the session's zone taken off, in whatever unit the two versions agree on.
_TIMESTAMPS = [f"datetime64[{unit}{zone}]" for unit in ("ns", "us", "ms") for zone in ("", ", UTC")]
_INTEGERS = ["int8", "int16", "int32", "int64", "Int32", "Int64"]


@dataclass(frozen=True)
class RowCheck:
    """One expectation on rows and its words."""

    name: str
    column: str
    expectation: Expectation
    expected: str

    def observed(self, result: Mapping[str, Any]) -> str:
        """What a failed expectation found, with up to three values that are wrong."""
        if "observed_value" in result:
            return f"type {result['observed_value']}"
        values = list(dict.fromkeys(map(str, result.get("partial_unexpected_list", ()))))[:3]
        return f"{result.get('unexpected_count')} of {result.get('element_count')} rows: {', '.join(values)}"


def row_checks(contract: Contract) -> dict[str, RowCheck]:
    """The suite by name: envelope and dimensions present and of their types, payload values allowed."""
    return {check.name: check for check in (*_envelope(contract), *_payload(contract))}


def _envelope(contract: Contract) -> Iterator[RowCheck]:
    columns = ("event_id", "event_type", "schema_version", "event_time", *contract.dimensions)
    for column in columns:
        name = f"{column} is present"
        yield RowCheck(
            name, column, gxe.ExpectColumnValuesToNotBeNull(column=column, meta={"check": name}), "never null"
        )
    for column in columns:
        name = f"{column} has its type"
        types = {"schema_version": _INTEGERS, "event_time": _TIMESTAMPS}.get(column)
        meta = {"check": name}
        if types is None:
            yield RowCheck(
                name, column, gxe.ExpectColumnValuesToBeOfType(column=column, type_="str", meta=meta), "text"
            )
        else:
            expectation = gxe.ExpectColumnValuesToBeInTypeList(column=column, type_list=types, meta=meta)
            yield RowCheck(name, column, expectation, {"event_time": "a timestamp"}.get(column, "an integer"))
    yield _in_set("event_type", sorted(contract.events))
    yield _in_set("schema_version", sorted({v.number for event in contract.events.values() for v in event.versions}))


def _payload(contract: Contract) -> Iterator[RowCheck]:
    """Per column of silver, what every event type that has it agrees on; an event without it has a null there."""
    by_column: dict[str, list[Field]] = {}
    for event in contract.events.values():
        for field in event.newest.fields:
            by_column.setdefault(field.column, []).append(field)
    for column, fields in by_column.items():
        if all(field.enum for field in fields):
            yield _in_set(column, sorted({value for field in fields for value in field.enum}, key=str))
        elif len({field.pattern for field in fields}) == 1 and fields[0].pattern:
            name = f"{column} has its form"
            meta = {"check": name}
            expectation = gxe.ExpectColumnValuesToMatchRegex(column=column, regex=fields[0].pattern, meta=meta)
            yield RowCheck(name, column, expectation, f"matches {fields[0].pattern}")
        low = [field.minimum for field in fields if field.minimum is not None]
        high = [field.maximum for field in fields if field.maximum is not None]
        yield from _in_range(
            column, min(low) if len(low) == len(fields) else None, max(high) if len(high) == len(fields) else None
        )


def _in_range(column: str, low: float | None, high: float | None) -> Iterator[RowCheck]:
    if low is None and high is None:
        return
    name = f"{column} is in range"
    meta = {"check": name}
    expectation = gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high, meta=meta)
    limits = [f"{word} {limit:g}" for word, limit in (("at least", low), ("at most", high)) if limit is not None]
    yield RowCheck(name, column, expectation, " and ".join(limits))


def _in_set(column: str, values: list[Any]) -> RowCheck:
    name = f"{column} is known"
    expectation = gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values, meta={"check": name})
    return RowCheck(name, column, expectation, f"one of {', '.join(map(str, values))}")
