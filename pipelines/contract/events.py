"""Event types of a contract: their schema versions, upgrades and keys, and that they go together in one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.contract.expressions import Kind, check
from pipelines.contract.json_schema import payload, read_fields
from pipelines.contract.model import EventType, Field, Version
from pipelines.errors import ContractError


def read(
    file: Path, folder: Path, given: Mapping[str, Any], mapped: Mapping[str, str], dimensions: tuple[str, ...]
) -> dict[str, EventType]:
    """Event types by name.

    Args:
        file: product.yaml, for messages.
        folder: where the schema files are.
        given: what product.yaml says under `events`.
        mapped: path -> name of the envelope field or dimension that takes it.
        dimensions: names of the dimensions; an event's key may be one of them.
    """
    found = {name: _event(file, folder, name, each, mapped, dimensions) for name, each in given.items()}
    _go_together(file, found)
    return found


def _event(
    file: Path, folder: Path, name: str, given: Any, mapped: Mapping[str, str], dimensions: tuple[str, ...]
) -> EventType:
    where = f"{file}: events.{name}"
    if not isinstance(given, dict) or not isinstance(given.get("versions"), dict) or not given["versions"]:
        raise ContractError(f"{where}: needs 'versions'", hint="see contracts/shop/product.yaml")
    if unknown := set(given) - {"versions", "key"}:
        raise ContractError(f"{where}.{min(map(str, unknown))}: unknown key", hint="versions, key")
    versions = []
    for number, each in sorted(given["versions"].items(), key=lambda item: str(item[0]).zfill(12)):
        place = f"{where}.versions.{number}"
        if not isinstance(number, int) or not 0 <= number < 2**31:
            raise ContractError(f"{place}: a version is a whole number", hint="write 1, not '1'")
        if not isinstance(each, dict) or not isinstance(each.get("schema"), str):
            raise ContractError(f"{place}.schema: missing", hint="name the JSON Schema file of this version")
        if unknown := set(each) - {"schema", "upgrade"}:
            raise ContractError(f"{place}.{min(map(str, unknown))}: unknown key", hint="schema, upgrade")
        versions.append(_version(folder / each["schema"], number, each.get("upgrade") or {}, mapped, place))
    newest = versions[-1]
    upgraded = [_upgrade(where, version, newest) for version in versions[:-1]]
    if newest.upgrade:
        raise ContractError(f"{where}.versions.{newest.number}.upgrade: it is the newest version", hint="remove it")
    key = given.get("key")
    columns = {field.column for field in newest.fields} | set(dimensions)
    if key is not None and key not in columns:
        raise ContractError(f"{where}.key: no column '{key}'", hint=f"one of: {', '.join(sorted(columns))}")
    return EventType(name=name, versions=(*upgraded, newest), key=key)


def _version(schema: Path, number: int, upgrade: Any, mapped: Mapping[str, str], place: str) -> Version:
    if not isinstance(upgrade, dict) or not all(isinstance(each, str | int | float) for each in upgrade.values()):
        raise ContractError(f"{place}.upgrade: expected columns and SQL", hint="write {column: expression}")
    fields = read_fields(schema)
    taken = tuple(f.model_copy(update={"column": mapped[f.path]}) for f in fields if f.path in mapped)
    return Version(
        number=number,
        fields=payload(schema, fields, mapped),
        mapped=taken,
        upgrade={column: str(sql) for column, sql in upgrade.items()},
    )


def _upgrade(where: str, version: Version, newest: Version) -> Version:
    """The version with its upgrade checked against both versions' columns."""
    new = {field.column: field for field in newest.fields}
    old: dict[str, Kind] = {field.column: field.type for field in version.fields}
    safe = {}
    for column, sql in version.upgrade.items():
        place = f"{where}.versions.{version.number}.upgrade.{column}"
        if column not in new:
            raise ContractError(f"{place}: version {newest.number} has no such column", hint=", ".join(sorted(new)))
        expression = check(sql, old, place)
        kind = new[column].type
        if expression.kind not in (kind, "null") and not (kind == "number" and expression.kind == "integer"):
            raise ContractError(f"{place}: gives {expression.kind}, the column is {kind}: {sql}", hint="use cast(...)")
        safe[column] = expression.sql
    carried = {field.column for field in version.fields if field.required}
    lacking = {name for name, field in new.items() if field.required} - carried - set(safe)
    if lacking:
        raise ContractError(
            f"{where}.versions.{version.number}: version {newest.number} requires '{min(lacking)}'",
            hint="say under 'upgrade' how an old event has it",
        )
    return version.model_copy(update={"upgrade": safe})


def _go_together(file: Path, events: Mapping[str, EventType]) -> None:
    """One path has one type, and one column one path: silver has a single column for it, whatever its case."""
    by_column: dict[str, tuple[Field, str]] = {}
    by_path: dict[str, tuple[Field, str]] = {}
    for event in events.values():
        for version in event.versions:
            where = f"events.{event.name}.versions.{version.number}"
            for field in (*version.fields, *version.mapped):
                known, first = by_path.setdefault(field.path.lower(), (field, where))
                if field in version.fields:
                    other, place = by_column.setdefault(field.column.lower(), (field, where))
                    if other.path != field.path or other.column != field.column:
                        known, first = other, place
                if (known.type, known.path) != (field.type, field.path):
                    raise ContractError(
                        f"{file}: {where}: column '{field.column}' is {field.type} at {field.path}, "
                        f"but {known.type} at {known.path} in {first}",
                        hint="give one of them another name, or leave it out of its schema",
                    )
    for path, (_, where) in by_path.items():
        inside = next((other for other in by_path if other.startswith(f"{path}.")), None)
        if inside is not None:
            raise ContractError(
                f"{file}: {path} is a value in {where} and an object in {by_path[inside][1]}",
                hint="leave one of them out of its schema",
            )
