"""Whether a request or a response is what botocore's model of the operation allows.

botocore's own validator knows types, required members and lower bounds; upper bounds, enumerations and patterns are
checked here, because AWS checks them too.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

# Java writes characters beyond 16 bits as pairs in its classes; Python would look for the halves.
_SURROGATES = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")


def problems(shape: Shape | None, value: Any, tolerated: Collection[str] = ()) -> list[str]:
    """What is wrong with `value`, in words; nothing where the shape allows it.

    Args:
        shape: of the operation's input or output; None where it has none.
        value: as botocore passes it in and out.
        tolerated: names of shapes whose limits are not checked.
    """
    if shape is None:
        return [] if not value else [f"expected nothing, found {sorted(value)}"]
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [line.strip() for line in report.generate_report().splitlines()]
    return list(_beyond_limits(shape, value, "", frozenset(tolerated)))


def sent(shape: Shape | None, request: Mapping[str, Any] | None) -> dict[str, Any]:
    """The members that the caller sent: a list of the query string that nobody gave is parsed as an empty one."""
    members = shape.members if isinstance(shape, StructureShape) else {}

    def absent(name: str, value: Any) -> bool:
        place = members[name].serialization.get("location") if name in members else None
        return value is None or (value == [] and place == "querystring")

    return {name: value for name, value in (request or {}).items() if not absent(name, value)}


def _beyond_limits(shape: Shape, value: Any, where: str, tolerated: frozenset[str]) -> Iterator[str]:
    if value is None or shape.name in tolerated:
        return
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if name in value:
                yield from _beyond_limits(member, value[name], f"{where}.{name}".lstrip("."), tolerated)
    elif isinstance(shape, ListShape):
        yield from _too_much(shape, len(value), where, "items")
        for position, item in enumerate(value):
            yield from _beyond_limits(shape.member, item, f"{where}[{position}]", tolerated)
    elif isinstance(shape, MapShape):
        yield from _too_much(shape, len(value), where, "entries")
        for key, item in value.items():
            yield from _beyond_limits(shape.key, key, f"{where} (key: {key})", tolerated)
            yield from _beyond_limits(shape.value, item, f"{where}.{key}", tolerated)
    elif shape.type_name == "string":
        yield from _wrong_text(shape, value, where)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _too_much(shape, value, where, "")


def _too_much(shape: Shape, size: float, where: str, unit: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and size > most:
        yield f"{where}: {size} {unit}".rstrip() + f", at most {most} are allowed"


def _wrong_text(shape: Shape, value: str, where: str) -> Iterator[str]:
    yield from _too_much(shape, len(value), where, "characters")
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield f"{where}: '{value}', allowed are {', '.join(allowed)}"
    pattern = shape.metadata.get("pattern")
    expression = _compiled(pattern) if pattern else None
    if expression is not None and not expression.fullmatch(value):
        yield f"{where}: '{value[:60]}' is not {pattern}"


@functools.lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None for a pattern of Java's that Python reads otherwise or not at all."""
    if _SURROGATES.search(pattern):
        return None
    try:
        return re.compile(pattern.removeprefix("^").removesuffix("$"), re.DOTALL)
    except re.error:
        return None
