"""A declared fix of quarantined events: a YAML file that says which ones, and what is changed in them, step by step.

Pure: bytes in, bytes out. Nothing is guessed; an event to which a step does not apply is left out and counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from pipelines.errors import UsageError, no_file

_HINT = "see docs/cookbook/redrive-quarantined-events.md"
_SMALLEST = "{why: WHY, reason: REASON, steps: []}"

# A place in an event, as contracts write it: `$.payment.amount`.
Place = Annotated[str, Field(pattern=r"^\$(\.[A-Za-z_@][A-Za-z0-9_@-]*)+$")]
Kind = Literal["string", "integer", "number", "boolean"]


def _factor(given: Any) -> float:
    # Whole numbers of any length are finite, and `isfinite` cannot take them all.
    if type(given) is not int and not (isinstance(given, float) and math.isfinite(given)):
        raise ValueError(f"{given!r} is no number")
    return given


Factor = Annotated[float, PlainValidator(_factor)]


class UnfixableError(Exception):
    """An event that a fix cannot be applied to; the message says why."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Frozen):
    """One change, exactly one of: fields get other names, other types, a value where they have none, other values.

    `multiply` is for another unit. `key` (a place) makes the record's Kafka key the text at it.
    """

    rename: Mapping[Place, Place] | None = None
    cast: Mapping[Place, Kind] | None = None
    default: Mapping[Place, Any] | None = None
    map: Mapping[Place, Mapping[str, Any]] | None = None
    multiply: Mapping[Place, Factor] | None = None
    key: Place | None = None

    @model_validator(mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        if isinstance(given, dict) and (unknown := set(given) - {*cls.model_fields}):
            raise ValueError(f"'{min(map(str, unknown))}' is no step; steps are {', '.join(cls.model_fields)}")
        return given

    @model_validator(mode="after")
    def _one_change(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"a step is exactly one of {', '.join(type(self).model_fields)}")
        return self


class Fix(_Frozen):
    """Which events (`reason` of quarantine, and values at places `where`), why, and the steps in order.

    Without steps the events are sent as they are.
    """

    why: str = Field(min_length=1)
    reason: str
    where: Mapping[Place, Any] = {}
    steps: tuple[Step, ...]

    def apply(self, key: bytes | None, value: bytes | None) -> tuple[bytes | None, bytes] | None:
        """The corrected key and value; None for an event that the fix is not about.

        Raises:
            UnfixableError: the bytes are no JSON object, a cast fails, or no step has changed anything.
        """
        try:
            event = json.loads(value or b"")
        except ValueError as error:
            raise UnfixableError("not JSON") from error
        if not isinstance(event, dict):
            raise UnfixableError("not an object")
        if any(_get(event, place) != wanted for place, wanted in self.where.items()):
            return None
        before, new_key = _text(event), key
        for step in self.steps:
            if step.key is not None:
                found = _get(event, step.key)
                new_key = None if found is _NOTHING else str(found).encode()
            for change, arguments in _CHANGES:
                for place, argument in (getattr(step, arguments) or {}).items():
                    change(event, place, argument)
        if self.steps and _text(event) == before and new_key == key:
            raise UnfixableError("no step changes it")
        return new_key, value if not self.steps and value else _text(event).encode()


def read(file: Path) -> Fix:
    """A fix from its file; UsageError names the place and the reason."""
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
        if given is None:
            what = f"{file}: is empty; the smallest fix sends the events of a reason as they are: {_SMALLEST}"
            raise UsageError(what, hint=_HINT)
        return Fix.model_validate(given)
    except OSError as error:
        raise no_file(file, _HINT) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{file}: {place}: {first['msg'].removeprefix('Value error, ')}", hint=_HINT) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not YAML: {' '.join(str(error).split())}", hint=_HINT) from error


_NOTHING = object()
# Room for the digits of any two numbers that Python reads.
_EXACT = Context(prec=9_000)


def _text(event: Mapping[str, Any]) -> str:
    try:
        return json.dumps(event, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise UnfixableError("a number that JSON has no word for") from error


def _get(event: Mapping[str, Any], place: str) -> Any:
    found: Any = event
    for name in place.split(".")[1:]:
        if not isinstance(found, dict) or name not in found:
            return _NOTHING
        found = found[name]
    return found


def _put(event: dict[str, Any], place: str, value: Any) -> None:
    *parents, leaf = place.split(".")[1:]
    for name in parents:
        event = event.setdefault(name, {})
        if not isinstance(event, dict):
            raise UnfixableError(f"{place}: '{name}' is no object")
    event[leaf] = value


def _rename(event: dict[str, Any], place: str, to: str) -> None:
    value = _get(event, place)
    if value is _NOTHING:
        return
    if _get(event, to) not in (_NOTHING, None):
        raise UnfixableError(f"{to} has a value already")
    *parents, leaf = place.split(".")[1:]
    parent = _get(event, ".".join(("$", *parents))) if parents else event
    del parent[leaf]
    _put(event, to, value)


def _cast(event: dict[str, Any], place: str, kind: Kind) -> None:
    value = _get(event, place)
    if value in (_NOTHING, None):
        return
    try:
        _put(event, place, _KINDS[kind](value))
    except (TypeError, ValueError, OverflowError) as error:
        raise UnfixableError(f"{place}: {str(value)[:50]!r} is no {kind}") from error


def _default(event: dict[str, Any], place: str, value: Any) -> None:
    if _get(event, place) in (_NOTHING, None):
        _put(event, place, value)


def _map(event: dict[str, Any], place: str, values: Mapping[str, Any]) -> None:
    value = _get(event, place)
    if isinstance(value, str | int | float) and str(value) in values:
        _put(event, place, values[str(value)])


def _multiply(event: dict[str, Any], place: str, by: float) -> None:
    value = _get(event, place)
    if value in (_NOTHING, None):
        return
    # By its digits: 0.29 times 100 is 29, and not what two binary numbers make of it.
    number = Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if number is None or not number.is_finite():
        raise UnfixableError(f"{place}: {str(value)[:50]!r} is no number")
    product = _EXACT.multiply(number, Decimal(str(by)))
    _put(event, place, int(product) if product == int(product) else float(product))


def _integer(value: Any) -> int:
    number = float(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(str(value)) if isinstance(value, str) and value.strip().lstrip("+-").isdigit() else int(number)


def _boolean(value: Any) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    return known[str(value).strip().lower()] if str(value).strip().lower() in known else _refuse(value)


def _refuse(value: Any) -> bool:
    raise ValueError(value)


def _number(value: Any) -> float:
    number = float(value)
    # JSON has no word for these.
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(value)
    return number


_KINDS: Mapping[Kind, Callable[[Any], Any]] = {
    "string": lambda value: value if isinstance(value, str) else json.dumps(value),
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
_CHANGES: tuple[tuple[Callable[..., None], str], ...] = (
    (_rename, "rename"), (_cast, "cast"), (_default, "default"), (_map, "map"), (_multiply, "multiply"),
)  # fmt: skip
