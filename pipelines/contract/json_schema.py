"""One version's JSON Schema -> the fields of an event: paths, types, rules. Refuses what the row rules cannot judge."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from pipelines.contract.form import REFERENCE
from pipelines.contract.model import RESERVED, Field, Type
from pipelines.contract.pattern import fault
from pipelines.errors import ContractError

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
RULES = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "enum": "enum",
}
_ANY_TYPE = (*_TYPES, "object", "array", "null")
_WORDS = {"title", "description", "examples", "default", "deprecated", "$comment", "$id"}
_LEAF = {"type", "format", "const", *_WORDS, *RULES}
_OBJECT = {"$schema", "type", "properties", "required", "additionalProperties", *_WORDS}
_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_@-]*")


def read_fields(file: Path) -> tuple[Field, ...]:
    """Every field of a schema file, objects flattened with `_`, lists left out: no rule and no metric reads them.

    Raises:
        ContractError: not JSON, not a schema of draft 2020-12, or a construct that row rules cannot judge.
    """
    schema = _read(file)
    fields = list(_walk(file, schema, "$", required=True))
    seen: dict[str, Field] = {}
    for field in fields:
        other = seen.setdefault(field.column.lower(), field)
        if other is not field:
            raise ContractError(
                f"{file}: {field.path} and {other.path} would both be column '{other.column}'",
                hint="leave one of them out: a schema need not name every field",
            )
    return tuple(fields)


def payload(file: Path, fields: tuple[Field, ...], mapped: Collection[str]) -> tuple[Field, ...]:
    """The fields that the envelope and the dimensions do not take, whose columns are silver's own."""
    found = tuple(field for field in fields if field.path not in mapped)
    for field in found:
        if field.column.lower() in RESERVED:
            raise ContractError(
                f"{file}: {field.path}: column '{field.column}' is reserved",
                hint="map the field in the envelope or as a dimension, or leave it out of the schema",
            )
    return found


def _read(file: Path) -> Mapping[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ContractError(f"{file}: key '{twice}' is given twice in one object", hint="remove one of them")
        return found

    try:
        schema = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=once)
    except OSError as error:
        raise ContractError(f"{file}: no such schema file", hint="correct 'schema' in product.yaml") from error
    except json.JSONDecodeError as error:
        raise ContractError(f"{file}:{error.lineno}: not JSON: {error.msg}", hint="correct the file") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ContractError(f"{file}: not JSON: {error}", hint="correct the file") from error
    if not isinstance(schema, dict):
        raise ContractError(f"{file}: $: expected an object", hint="see contracts/shop for the form")
    if schema.get("$schema", _DRAFT).rstrip("#") != _DRAFT:
        raise ContractError(f"{file}: $.$schema: '{schema['$schema']}' is another draft", hint=f"use {_DRAFT}")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        # The drafts' own schema offers a type or a list of types, and says of anything else that it is neither.
        what = f"{error.instance!r} is no type: expected one of {', '.join(_ANY_TYPE)}, or a list of them"
        message = what if error.json_path.endswith(".type") and error.validator == "anyOf" else error.message
        raise ContractError(f"{file}: {error.json_path}: {message}", hint=REFERENCE) from error
    return schema


def _walk(file: Path, schema: Mapping[str, Any], path: str, required: bool) -> Iterator[Field]:
    if unknown := set(schema) - _OBJECT:
        raise ContractError(f"{file}: {path}: keyword '{min(unknown)}' cannot be judged", hint="leave it out")
    kinds, nullable = _kinds(schema)
    if kinds != ["object"]:
        raise ContractError(f"{file}: {path}: type is {schema.get('type')!r}, expected 'object'", hint="correct it")
    if schema.get("additionalProperties", True) is False:
        raise ContractError(
            f"{file}: {path}.additionalProperties: unknown fields cannot be refused: they are kept in bronze",
            hint="leave it out, or set it to true",
        )
    needed = set(schema.get("required", ())) if required and not nullable else set()
    properties = schema.get("properties", {})
    if missing := needed - set(properties):
        raise ContractError(
            f"{file}: {path}.required: '{min(missing)}' has no type", hint="describe it under 'properties'"
        )
    for name, each in properties.items():
        below = f"{path}.{name}"
        if not _NAME.fullmatch(name):
            raise ContractError(
                f"{file}: {below}: a name of letters, digits, _, -, @ is expected",
                hint="leave the field out: a schema need not name every field",
            )
        if not isinstance(each, dict):
            raise ContractError(f"{file}: {below}: true and false are no description", hint="give it a type")
        kinds, _ = _kinds(each)
        if kinds == ["object"]:
            yield from _walk(file, each, below, name in needed)
        elif kinds != ["array"]:
            yield _field(file, below, each, name in needed)


def _field(file: Path, path: str, schema: Mapping[str, Any], required: bool) -> Field:
    kinds, nullable = _kinds(schema)
    unknown = set(schema) - _LEAF
    if len(kinds) != 1 or kinds[0] not in _TYPES or unknown:
        found = f"keyword '{min(unknown)}'" if unknown else f"type {schema.get('type')!r}"
        raise ContractError(
            f"{file}: {path}: {found} cannot be judged",
            hint=f"use one type of {', '.join(_TYPES)} (and null), and {', '.join(RULES)}",
        )
    kind = cast(Type, kinds[0])
    rules = {ours: schema[theirs] for theirs, ours in RULES.items() if theirs in schema}
    if "const" in schema:
        rules["enum"] = [schema["const"]]
    if "enum" in rules:
        rules["enum"] = [value for value in rules["enum"] if value is not None]
        for value in rules["enum"]:
            if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
                raise ContractError(f"{file}: {path}.enum: {value!r} is no {kind}", hint="correct the values")
    if "pattern" in rules and (wrong := fault(rules["pattern"])):
        raise ContractError(f"{file}: {path}.pattern: {wrong}: {rules['pattern']}", hint="correct the pattern")
    _check_bounds(f"{file}: {path}", schema)
    column = re.sub(r"[^A-Za-z0-9_]", "_", path.removeprefix("$.").replace(".", "_"))
    return Field(column=column, path=path, type=kind, required=required and not nullable, **rules)


def _check_bounds(place: str, schema: Mapping[str, Any]) -> None:
    """Bounds that no value meets refuse every event."""
    least, greatest = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
    for name in (*least, *greatest):
        if name in schema and not _is_finite(schema[name]):
            raise ContractError(f"{place}.{name}: a number too large to compare with", hint="write a smaller one")
    pairs = [(low, high) for low in least for high in greatest]
    for low, high in (*pairs, ("minLength", "maxLength")):
        if low in schema and high in schema:
            below, above = schema[low], schema[high]
            if below > above or (below == above and "exclusive" in low + high):
                raise ContractError(
                    f"{place}: no value meets {low} {below} and {high} {above}", hint="correct one of them"
                )


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _kinds(schema: Mapping[str, Any]) -> tuple[list[Any], bool]:
    """The types of a description without null, and whether null is one of them."""
    given = schema.get("type")
    kinds = given if isinstance(given, list) else [given]
    return [kind for kind in kinds if kind != "null"], "null" in kinds
