"""Keys of a contract's files, with their forms, limits and defaults, out of the models that read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pages.blocks import Facts, filled
from pipelines.contract import alerting, expected, form, json_schema, model, sensitivity
from pipelines.contract.duration import in_words
from pipelines.contract.load import DEFAULTS, MADE

_MODELS: Mapping[str, type[BaseModel]] = {
    each.__name__: each
    for each in (
        *(model.Contract, model.Source, model.Metric, model.Check, model.Condition),
        *(sensitivity.Sensitivity, sensitivity.Hours, sensitivity.Planned, sensitivity.Mute),
        *(alerting.Alerting, alerting.Channel, expected.Expected, expected.Reference),
    )
}
# Named forms, before what they are made of: a duration is more than the timedelta that it becomes.
_FORMS: tuple[tuple[Any, str], ...] = (
    (form.Duration, "duration"),
    (form.Moment, "time"),
    (form.Path, "path"),
    (form.Name, "name"),
    (form.TopicName, "topic"),
    (form.ChannelName, "name"),
    (sensitivity.TimeOfDay, "time of day"),
    (sensitivity.Zone, "time zone"),
    (sensitivity.Patterns, "pattern, or a list of them"),
    (model.Envelope, "[envelope](#envelope)"),
)
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}
# Keys of product.yaml that the compiled contract has under another name, or in another form than the file.
_IN_PRODUCT = {"dimensions": "name: [source](#source)", "events": "name: [event](#event)"}
_WRITTEN_FIRST = ("product", "title", "topic", "files", "clock")


def fields(name: str) -> Facts:
    """The keys of one part of a contract, by the name of its model."""
    if name == "Contract":
        return Facts(("key", "form", "default", "meaning"), tuple(_of_product()))
    hints = get_type_hints(_MODELS[name], include_extras=True)
    # A metric's name is its key in the file.
    listed = {key: field for key, field in _MODELS[name].model_fields.items() if (name, key) != ("Metric", "name")}
    filled = {"title": "the name in words", "dimensions": "all of the product"} if name == "Metric" else {}
    rows = [
        (f"`{key}`", _form(hints[key], field), filled.get(key) or _default(hints[key], field))
        for key, field in listed.items()
    ]
    return Facts(("key", "form", "default", "meaning"), tuple(rows))


def schema_keywords() -> str:
    """The keywords of JSON Schema that become rules on single events."""
    return filled(", ".join(f"`{each}`" for each in ("type", "required", "const", *json_schema.RULES)))


def _of_product() -> list[tuple[str, str, str]]:
    hints = get_type_hints(model.Contract, include_extras=True)
    known = {key: field for key, field in model.Contract.model_fields.items() if key not in MADE}
    ordered = [*_WRITTEN_FIRST, *(key for key in known if key not in _WRITTEN_FIRST)]
    ordered.insert(ordered.index("events"), "dimensions")
    made = {"title": "the product's name", "topic": "`PRODUCT.events`", "dimensions": "required"}
    rows = []
    for key in ordered:
        given = DEFAULTS.get(key)
        default = made.get(key) or (f"`{given}`" if given is not None else _default(hints[key], known[key]))
        rows.append((f"`{key}`", _IN_PRODUCT.get(key) or _form(hints[key], known[key]), default))
    return rows


def _form(hint: Any, field: FieldInfo) -> str:
    limits = [text for each in field.metadata for text in _limits(each)]
    return ", ".join([_kind(hint), *limits])


def _kind(hint: Any) -> str:
    """What may be written for a type."""
    for known, words in _FORMS:
        if hint == known:
            return words
    origin, inside = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind(inside[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(each) for each in inside if each is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inside)
    if origin is tuple:
        return f"list of {_kind(inside[0])}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return f"[{hint.__name__.lower()}](#{hint.__name__.lower()})"
    return "any value" if hint is Any else _PLAIN[hint]


def _limits(of: Any) -> list[str]:
    words: Mapping[str, Callable[[Any], str]] = {
        "gt": lambda limit: f"more than {_shown(limit)}",
        "ge": lambda limit: f"at least {_shown(limit)}",
        "lt": lambda limit: f"less than {_shown(limit)}",
        "le": lambda limit: f"at most {_shown(limit)}",
    }
    return [say(getattr(of, name)) for name, say in words.items() if getattr(of, name, None) is not None]


def _shown(value: Any) -> str:
    return (in_words(value) if value else "0") if isinstance(value, timedelta) else f"{value:,}"


def _default(hint: Any, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if hint == sensitivity.TimeOfDay:
        return f"`{value // 60:02}:{value % 60:02}`"
    if isinstance(value, timedelta):
        return f"`{in_words(value)}`"
    if value == sensitivity.DAYS:
        return "all"
    if value is None or value in ((), "") or isinstance(value, BaseModel):
        return ""
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"
