"""One version's JSON Schema -> the fields of an event: paths, types, rules. Refuses what the row rules cannot judge."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from pipelines.contract.model import RESERVED, Field, Type
from pipelines.errors import ContractError

_TYPES = ("string", "integer", "number", "boolean")
_RULES = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "enum": "enum",
}
_SILENT = {"type", "title", "description", "examples", "format", "default", "$comment", "const", *_RULES}
_OBJECT = {
    "$schema", "$id", "$comment", "title", "description", "type", "properties", "required", "additionalProperties",
}  # fmt: skip


def read_fields(file: Path, mapped: Collection[str]) -> tuple[Field, ...]:
    """Payload fields of a schema file, objects flattened with `_`; the paths in `mapped` are the envelope's.

    Raises:
        ContractError: not JSON, not a schema of draft 2020-12, or a construct that row rules cannot judge.
    """
    try:
        schema = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ContractError(f"{file}: no such schema file", hint="correct 'schema' in product.yaml") from error
    except json.JSONDecodeError as error:
        raise ContractError(f"{file}:{error.lineno}: not JSON: {error.msg}", hint="correct the file") from error
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ContractError(f"{file}: {error.json_path}: {error.message}", hint="correct the schema") from error
    fields = [field for field in _walk(file, schema, "$", required=True) if field.path not in mapped]
    for field in fields:
        if field.column in RESERVED:
            raise ContractError(
                f"{file}: {field.path}: column '{field.column}' is reserved",
                hint="map it in the envelope, or rename it in an object of its own",
            )
    return tuple(fields)


def _walk(file: Path, schema: Mapping[str, Any], path: str, required: bool) -> Iterator[Field]:
    unknown = set(schema) - _OBJECT
    if schema.get("type") != "object" or unknown:
        found = f"keyword '{min(unknown)}'" if unknown else f"type {schema.get('type')!r}"
        raise ContractError(f"{file}: {path}: {found}; expected a plain object", hint="see contracts/shop for the form")
    needed = set(schema.get("required", ()))
    for name, each in schema.get("properties", {}).items():
        below = f"{path}.{name}"
        if each.get("type") == "object":
            yield from _walk(file, each, below, required and name in needed)
        elif each.get("type") == "array":
            continue  # Kept in bronze; no metric and no rule reads a list.
        else:
            yield _field(file, below, each, required and name in needed)


def _field(file: Path, path: str, schema: Mapping[str, Any], required: bool) -> Field:
    unknown = set(schema) - _SILENT
    if schema.get("type") not in _TYPES or unknown:
        found = f"keyword '{min(unknown)}'" if unknown else f"type {schema.get('type')!r}"
        raise ContractError(
            f"{file}: {path}: {found} cannot be judged", hint=f"use one type of {', '.join(_TYPES)} and {', '.join(_RULES)}"
        )
    rules = {ours: schema[theirs] for theirs, ours in _RULES.items() if theirs in schema}
    if "const" in schema:
        rules["enum"] = [schema["const"]]
    return Field(
        column=path.removeprefix("$.").replace(".", "_").replace("-", "_"),
        path=path,
        type=cast(Type, schema["type"]),
        required=required,
        **rules,
    )
