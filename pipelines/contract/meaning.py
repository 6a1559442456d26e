"""That a contract makes sense as a whole: what metrics and checks name exists, and kinds of values go together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipelines.contract.expressions import Expression, Kind, check
from pipelines.contract.model import INTEGER_PARTS, RESERVED, Check, Contract, Metric, Source, Type
from pipelines.contract.sensitivity import DATA, matches
from pipelines.errors import ContractError

# Bodies of a webhook that come with PulseIQ.
_BODIES = ("json", "slack")
_TIME_TYPES: Mapping[str, tuple[Type, ...]] = {
    "rfc3339": ("string",),
    "epoch_ms": ("integer",),
    "epoch_s": ("integer", "number"),
}
_DESCRIBE = "correct the path, or describe the field in a schema"


def checked(contract: Contract, file: Path, measured_file: Path) -> Contract:
    """The contract with its SQL made safe; ContractError names the place of the first thing that is wrong."""
    if contract.born > datetime.now(UTC):
        raise ContractError(
            f"{file}: born: {contract.born.astimezone(UTC):%Y-%m-%d %H:%M} UTC is in the future: "
            "every event until then would be refused",
            hint="give the day of the first event",
        )
    _check_sources(contract, file)
    known = _known(contract)
    taken = {name.lower() for name in known} | RESERVED
    metrics = []
    for metric in contract.metrics:
        place = f"{measured_file}: metrics.{metric.name}"
        if metric.name in taken:
            raise ContractError(f"{place}: there is a column of that name", hint="rename the metric")
        if metric.name == DATA:
            raise ContractError(f"{place}: '{DATA}' stands for findings on the data", hint="rename the metric")
        metrics.append(_safe_metric(metric, contract, known, place))
    seen: set[str] = set()
    for i, each in enumerate(contract.checks):
        place = f"{measured_file}: checks[{i}] '{each.name}'"
        if each.name in seen:
            raise ContractError(f"{place}: two checks of that name", hint="rename one of them")
        seen.add(each.name)
        _check_check(each, contract, known, place)
    _check_patterns(contract, f"{measured_file}: sensitivity")
    _check_bodies(contract, measured_file)
    return contract.model_copy(update={"metrics": tuple(metrics)})


def columns_of_layers(contract: Contract) -> Mapping[str, Mapping[str, Kind]]:
    """Columns that an audit's expectations may read, by layer; a part of a metric is `metric_part`."""
    integers = ("partition", "offset", "value_bytes")
    gold = [f"{metric.name}_{part}" for metric in contract.metrics for part in INTEGER_PARTS[metric.kind]]
    return {
        "bronze": {"topic": "string", "text": "string", "timestamp": "timestamp", **dict.fromkeys(integers, "integer")},
        "silver": {**_known(contract), "late": "boolean", "arrived_at": "timestamp"},
        "gold": {
            "window_start": "timestamp",
            **dict.fromkeys(contract.dimensions, "string"),
            **dict.fromkeys(gold, "number"),
        },
    }


def _known(contract: Contract) -> dict[str, Kind]:
    """An event's columns and what they hold."""
    return {
        "event_id": "string",
        "event_type": "string",
        "schema_version": "integer",
        "event_time": "timestamp",
        **dict.fromkeys(contract.dimensions, "string"),
        **contract.columns,
    }


def _check_patterns(contract: Contract, place: str) -> None:
    """A pattern that names nothing would leave loud what was meant to be silent."""
    names = [metric.name for metric in contract.metrics]
    given = {"planned": contract.sensitivity.planned, "mute": contract.sensitivity.mute}
    for where, which in ((f"{place}.{key}[{i}]", each) for key, some in given.items() for i, each in enumerate(some)):
        for pattern in which.metrics:
            if not any(matches(pattern, name) for name in (*names, DATA)):
                raise ContractError(f"{where}.metrics: no metric '{pattern}'", hint=f"one of: {', '.join(names)}")
        for pattern in which.series:
            metric, _, inside = pattern.partition("{")
            if not any(matches(metric, name) for name in (*names, DATA)):
                raise ContractError(f"{where}.series: no metric '{metric}'", hint=f"one of: {', '.join(names)}")
            for part in inside.split(","):
                name = part.partition("=")[0]
                if "=" in part and not any(matches(name, each) for each in contract.dimensions):
                    known = ", ".join(contract.dimensions)
                    raise ContractError(f"{where}.series: no dimension '{name}'", hint=f"one of: {known}")


def _check_bodies(contract: Contract, file: Path) -> None:
    """A channel whose template is missing would be heard of when the first incident is."""
    for i, channel in enumerate(contract.alerting.channels):
        template = f"{channel.body}.json.j2"
        if channel.body not in _BODIES and not (file.parent / template).is_file():
            raise ContractError(
                f"{file}: alerts.channels[{i}].body: there is no {template} beside this file",
                hint=f"write it, or one of: {', '.join(_BODIES)}",
            )


def _check_sources(contract: Contract, file: Path) -> None:
    types, columns = contract.path_types, {name.lower() for name in contract.columns}
    for name, source in contract.dimension_sources.items():
        place = f"{file}: dimensions.{name}"
        _described(place, source, contract)
        if name.lower() in columns | RESERVED:
            raise ContractError(f"{place}: there is a column of that name", hint="rename the dimension")
        if not name.isidentifier() or name != name.lower():
            raise ContractError(f"{place}: a name of small letters, digits and _ is expected", hint="rename it")
        if source.hash or source.position:
            raise ContractError(f"{place}: a dimension is not derived", hint="give a path or a constant")
        _expect(place, source, types, ("string", "integer", "boolean"))
    time, envelope = contract.envelope.event_time, contract.envelope
    _expect(f"{file}: envelope.event_time ({time.format})", time, types, _TIME_TYPES[time.format])
    _described(f"{file}: envelope.event_id", envelope.event_id, contract)
    _expect(f"{file}: envelope.event_id", envelope.event_id, types, ("string", "integer", "number", "boolean"))
    _expect(f"{file}: envelope.event_type", envelope.event_type, types, ("string",))
    _expect(f"{file}: envelope.schema_version", envelope.schema_version, types, ("string", "integer"))
    for name, source in (
        ("event_type", envelope.event_type),
        ("schema_version", envelope.schema_version),
        ("event_time", time),
    ):
        _no_slip(f"{file}: envelope.{name}", source, contract)
    constant = envelope.event_type.constant
    if constant is not None and constant not in contract.events:
        raise ContractError(f"{file}: envelope.event_type: no event type '{constant}'", hint=", ".join(contract.events))


def _described(place: str, source: Source, contract: Contract) -> None:
    """A path that is misspelt leads to nothing in every event; what the envelope reads need not be in a schema."""
    envelope = contract.envelope
    others = (envelope.event_type, envelope.schema_version, envelope.event_time)
    known = _described_paths(contract) | {path for each in others for path in each.paths}
    if lost := [path for path in source.paths if path not in known]:
        raise ContractError(f"{place}: no schema describes {lost[0]}", hint=_DESCRIBE)


def _no_slip(place: str, source: Source, contract: Contract) -> None:
    """Of an object that the schemas describe, a member that they do not name is as a rule a slip of the pen."""
    known = _described_paths(contract)
    if source.path is None or source.default is not None or source.path in known:
        return
    first = ".".join(source.path.split(".")[:2])
    beside = sorted(path for path in known if path.startswith(f"{first}."))
    if nearest := get_close_matches(source.path, beside, n=1, cutoff=0):
        raise ContractError(f"{place}: no schema describes {source.path}; nearest is {nearest[0]}", hint=_DESCRIBE)


def _described_paths(contract: Contract) -> set[str]:
    versions = [version for event in contract.events.values() for version in event.versions]
    return {field.path for version in versions for field in (*version.mapped, *version.fields)}


def _expect(place: str, source: Source, types: Mapping[str, Type], allowed: tuple[Type, ...]) -> None:
    for path in source.paths:
        if types[path] not in allowed:
            raise ContractError(
                f"{place}: the schema says that {path} is {types[path]}, expected {' or '.join(allowed)}",
                hint="correct the schema or the format",
            )


def _safe_metric(metric: Metric, contract: Contract, known: Mapping[str, Kind], place: str) -> Metric:
    if twice := [name for name in metric.dimensions if metric.dimensions.count(name) > 1]:
        raise ContractError(f"{place}.dimensions: '{twice[0]}' is given twice", hint="remove one of them")
    if foreign := set(metric.dimensions) - set(contract.dimensions):
        raise ContractError(f"{place}.dimensions: no dimension '{min(foreign)}'", hint=", ".join(contract.dimensions))
    safe: dict[str, Any] = {}
    for part, sql in metric.expressions():
        where = f"{place}.{part}"
        expression = check(sql, {**known, "late": "boolean"}, where)
        _check_values(expression, contract, where)
        _check_kind(part, metric, expression, where)
        safe[part] = expression.sql
    return metric.model_copy(update=safe)


def _check_kind(part: str, metric: Metric, expression: Expression, place: str) -> None:
    if part != "value":
        if expression.kind != "boolean":
            raise ContractError(f"{place}: gives {expression.kind}, expected a condition", hint="compare it")
    elif metric.kind in ("sum", "mean", "quantile") and expression.kind not in ("integer", "number"):
        raise ContractError(f"{place}: {metric.kind} of {expression.kind}, expected a number", hint="correct the value")


def _check_values(expression: Expression, contract: Contract, place: str) -> None:
    """A text that a column can never hold makes a metric that is silently always zero."""
    allowed = {"event_type": set(contract.events), **_enumerated(contract)}
    for column, text in expression.compared:
        if column in allowed and text not in allowed[column]:
            wrong = f"no event type '{text}'" if column == "event_type" else f"'{column}' is never '{text}'"
            raise ContractError(f"{place}: {wrong}", hint=f"one of: {', '.join(sorted(allowed[column]))}")


def _enumerated(contract: Contract) -> dict[str, set[str]]:
    """Columns of text whose every event type and newest version lists the values, and these values."""
    found: dict[str, set[str] | None] = {}
    for event in contract.events.values():
        for field in event.newest.fields:
            before = found.get(field.column, set())
            listed = field.type == "string" and field.enum and before is not None
            found[field.column] = {*(before or ()), *map(str, field.enum)} if listed else None
    return {column: values for column, values in found.items() if values is not None}


def _check_check(given: Check, contract: Contract, known: Mapping[str, Kind], place: str) -> None:
    for column in (given.column, *given.by, *(condition.column for condition in given.where)):
        if column not in known:
            raise ContractError(f"{place}: no column '{column}'", hint=f"one of: {', '.join(sorted(known))}")
    kind = known[given.column]
    if given.statistic in ("median", "mean", "in_range_share", "min", "max") and kind not in (
        ("integer", "number", "boolean") if given.statistic == "mean" else ("integer", "number")
    ):
        raise ContractError(f"{place}: {given.statistic} of '{given.column}', which is {kind}", hint="correct it")
    for value in given.values:
        _check_literal(f"{place}.values", given.column, kind, value, contract)
    for condition in given.where:
        values = condition.value if condition.op == "in" else [condition.value]
        if not isinstance(values, list | tuple) or not values:
            raise ContractError(f"{place}.where: 'in' needs a list of values", hint="write [a, b]")
        for value in values:
            _check_literal(f"{place}.where", condition.column, known[condition.column], value, contract)


def _check_literal(place: str, column: str, kind: Kind, value: Any, contract: Contract) -> None:
    fits = {
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int | float) and not isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
    }
    if not fits.get(kind, False):
        raise ContractError(f"{place}: '{column}' is {kind}, found {value!r}", hint="correct the value")
    if isinstance(value, str):
        _check_values(Expression("", "boolean", ((column, value),)), contract, place)
