"""Literals and lists of Spark SQL."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.contract.model import Field


def string(text: str) -> str:
    """A text literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def strings(values: Iterable[str]) -> str:
    """A list of text literals."""
    return ", ".join(string(value) for value in values)


def value(field: Field, given: object) -> str:
    """A literal of a field's type."""
    if field.type == "string":
        return string(str(given))
    if field.type == "boolean":
        return "true" if given else "false"
    if field.type == "integer" and float(str(given)).is_integer() and abs(float(str(given))) < 2**63:
        return f"{int(float(str(given)))}L" if not isinstance(given, int) else f"{given}L"
    return f"{float(str(given))!r}D"
