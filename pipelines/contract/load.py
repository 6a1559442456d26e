"""Reads `contracts/<product>/` into a Contract, or refuses it with the file, the place in it and the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from pipelines.contract.expressions import columns_of
from pipelines.contract.json_schema import read_fields
from pipelines.contract.model import Check, Contract, EventType, Field, Metric, Source, Type, Version
from pipelines.errors import ContractError, UsageError

FOLDER = Path(__file__).resolve().parents[2] / "contracts"

_DEFAULTS: dict[str, Any] = {
    "clock": "arrival",
    "window": "1 minute",
    "allowed_lateness": "10 minutes",
    "dedup_horizon": "1 hour",
    "future_tolerance": "5 minutes",
    "max_event_bytes": 1024 * 1024,
    "max_depth": 20,
    "sensitivity": {},
}
_Model = TypeVar("_Model", Contract, Metric, Check, Source)

_ENVELOPE_COLUMNS: dict[str, Type] = {
    "event_id": "string",
    "event_type": "string",
    "schema_version": "integer",
}


def load(name_or_path: str | Path) -> Contract:
    """The contract of a product, by the name of its folder under contracts/ or by a path.

    Raises:
        UsageError: there is no such contract.
        ContractError: it is wrong; the message names file, place and reason.
    """
    given = Path(name_or_path)
    folder = given if (given / "product.yaml").is_file() else FOLDER / given
    if not (folder / "product.yaml").is_file():
        raise UsageError(f"there is no contract '{name_or_path}'", hint=f"one of: {', '.join(names())}, or a folder")
    return _compile(folder)


def names() -> list[str]:
    """Products that have a contract under contracts/."""
    return sorted(each.parent.name for each in FOLDER.glob("*/product.yaml"))


def load_all() -> list[Contract]:
    """Every contract under contracts/."""
    return [load(name) for name in names()]


def _compile(folder: Path) -> Contract:
    file = folder / "product.yaml"
    product = _yaml(file)
    measured_file = folder / "metrics.yaml"
    measured = _yaml(measured_file)
    envelope = product.get("envelope")
    if not isinstance(envelope, dict):
        raise ContractError(f"{file}: envelope: missing", hint="see contracts/shop/product.yaml")
    sources = {**envelope, **_mapping(file, product, "dimensions")}
    paths = [each.get("path") if isinstance(each, dict) else each for each in sources.values()]
    mapped = {each for each in paths if isinstance(each, str)}
    events = {
        name: _event(file, folder, name, each, mapped) for name, each in _mapping(file, product, "events").items()
    }
    _same_types(file, events)
    unknown = set(measured) - {"metrics", "checks", "sensitivity"}
    if unknown:
        raise ContractError(f"{measured_file}: {min(unknown)}: unknown key", hint="metrics, checks, sensitivity")
    dimensions = list(_mapping(file, product, "dimensions"))
    metrics = [
        {"title": name.replace("_", " "), "dimensions": dimensions, **(each or {}), "name": name}
        for name, each in _mapping(measured_file, measured, "metrics").items()
    ]
    fields = {
        "title": product.get("product"),
        "topic": f"{product.get('product')}.events",
        **_DEFAULTS,
        **{key: value for key, value in product.items() if key != "dimensions"},
        "dimension_sources": product["dimensions"],
        "events": events,
        "folder": str(folder),
    }
    fields["sensitivity"] = measured.get("sensitivity", {})
    contract = _validated(file, {**fields, "metrics": [], "checks": []})
    contract = contract.model_copy(
        update={
            "metrics": tuple(_part(Metric, measured_file, f"metrics.{each['name']}", each) for each in metrics),
            "checks": tuple(
                _part(Check, measured_file, f"checks[{i}]", each) for i, each in enumerate(measured.get("checks", []))
            ),
        }
    )
    _cross_check(file, measured_file, contract)
    return contract


def _event(file: Path, folder: Path, name: str, given: Any, mapped: set[str]) -> EventType:
    where = f"{file}: events.{name}"
    if not isinstance(given, dict) or not isinstance(given.get("versions"), dict) or not given["versions"]:
        raise ContractError(f"{where}: needs 'versions'", hint="see contracts/shop/product.yaml")
    if unknown := set(given) - {"versions", "key"}:
        raise ContractError(f"{where}.{min(unknown)}: unknown key", hint="versions, key")
    versions = []
    for number, each in sorted(given["versions"].items()):
        if not isinstance(number, int) or not isinstance(each, dict) or set(each) - {"schema", "upgrade"}:
            raise ContractError(f"{where}.versions.{number}: expected 'schema' and 'upgrade'", hint="correct it")
        schema = folder / str(each.get("schema"))
        versions.append(Version(number=number, fields=read_fields(schema, mapped), upgrade=each.get("upgrade", {})))
    newest = {field.column for field in versions[-1].fields}
    for version in versions[:-1]:
        for column, sql in version.upgrade.items():
            place = f"{where}.versions.{version.number}.upgrade.{column}"
            if column not in newest:
                raise ContractError(f"{place}: version {versions[-1].number} has no such column", hint="correct it")
            _known_columns(place, sql, {field.column for field in version.fields})
        lacking = {f.column for f in versions[-1].fields if f.required} - {f.column for f in version.fields}
        if lacking := lacking - set(version.upgrade):
            raise ContractError(
                f"{where}.versions.{version.number}: version {versions[-1].number} requires '{min(lacking)}'",
                hint="say under 'upgrade' how an old event has it",
            )
    key = given.get("key")
    if key is not None and key not in newest:
        raise ContractError(f"{where}.key: no column '{key}'", hint=f"one of: {', '.join(sorted(newest))}")
    return EventType(name=name, versions=tuple(versions), key=key)


def _same_types(file: Path, events: Mapping[str, EventType]) -> None:
    """One path has one type, and one column one path: silver has a single column for it."""
    seen: dict[str, tuple[Field, str]] = {}
    for event in events.values():
        for version in event.versions:
            for field in version.fields:
                where = f"events.{event.name}.versions.{version.number}"
                known, first = seen.setdefault(field.column, (field, where))
                if (known.type, known.path) != (field.type, field.path):
                    raise ContractError(
                        f"{file}: {where}: column '{field.column}' is {field.type} at {field.path}, "
                        f"but {known.type} at {known.path} in {first}",
                        hint="give one of them another name",
                    )


def _cross_check(file: Path, measured_file: Path, contract: Contract) -> None:
    """What metrics and checks name must exist."""
    known: dict[str, Type] = {
        **_ENVELOPE_COLUMNS,
        **contract.columns,
        **dict.fromkeys(contract.dimensions, "string"),
    }
    clash = set(contract.dimensions) & (set(contract.columns) | {"event_id", "event_type", "schema_version", "event_time"})
    if clash:
        raise ContractError(f"{file}: dimensions.{min(clash)}: an event has a column of that name", hint="rename it")
    if not contract.events:
        raise ContractError(f"{file}: events: none", hint="name at least one event type")
    if not contract.metrics:
        raise ContractError(f"{measured_file}: metrics: none", hint="name at least one metric")
    for metric in contract.metrics:
        place = f"{measured_file}: metrics.{metric.name}"
        if metric.name in known:
            raise ContractError(f"{place}: an event has a column of that name", hint="rename the metric")
        if foreign := set(metric.dimensions) - set(contract.dimensions):
            raise ContractError(f"{place}.dimensions: no dimension '{min(foreign)}'", hint=", ".join(contract.dimensions))
        for part, sql in metric.expressions():
            _known_columns(f"{place}.{part}", sql, {*known, "event_time", "late"})
    for i, check in enumerate(contract.checks):
        place = f"{measured_file}: checks[{i}] '{check.name}'"
        for column in (check.column, *check.by, *(condition.column for condition in check.where)):
            if column not in known:
                raise ContractError(f"{place}: no column '{column}'", hint=f"one of: {', '.join(sorted(known))}")
        numeric = check.statistic in ("median", "mean", "in_range_share", "min", "max")
        if numeric and known[check.column] not in ("integer", "number"):
            raise ContractError(f"{place}: {check.statistic} of '{check.column}', which is no number", hint="correct it")


def _known_columns(place: str, sql: str, known: Iterable[str]) -> None:
    unknown = columns_of(sql, place) - set(known)
    if unknown:
        raise ContractError(f"{place}: no column '{min(unknown)}'", hint=f"one of: {', '.join(sorted(known))}")


class _UniqueKeys(yaml.SafeLoader):
    """YAML whose mappings refuse a key given twice, which plain YAML takes the last of."""


def _construct_mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
        if key in found:
            raise yaml.MarkedYAMLError(problem=f"key '{key}' is given twice", problem_mark=key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)  # type: ignore[no-untyped-call]
    return found


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def _yaml(file: Path) -> dict[str, Any]:
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506  # a SafeLoader
    except FileNotFoundError as error:
        raise ContractError(f"{file}: no such file", hint="see contracts/shop") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(f"{file}:{line}: {error.problem}", hint="correct the file") from error
    if not isinstance(found, dict):
        raise ContractError(f"{file}: expected keys and values", hint="see contracts/shop")
    return found


def _mapping(file: Path, given: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = given.get(key)
    if not isinstance(found, dict) or not found:
        raise ContractError(f"{file}: {key}: missing or empty", hint="see contracts/shop")
    return found


def _validated(file: Path, fields: dict[str, Any]) -> Contract:
    fields["dimension_sources"] = {
        name: _part(Source, file, f"dimensions.{name}", each) for name, each in fields["dimension_sources"].items()
    }
    return _part(Contract, file, "", fields)


def _part(model: type[_Model], file: Path, place: str, given: Any) -> _Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(each) for each in ((place,) if place else ()) + tuple(first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise ContractError(f"{file}: {where}: {message}", hint="see contracts/shop for the form") from error
