"""What the web app says instead of an answer: one sentence and the next command, with a fitting status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.errors import PulseIQError, ServiceError, UsageError

# What was expected, by the validator's word for what is wrong; `{}` are the bounds that it names.
_EXPECTED: Mapping[str, str] = {
    "literal_error": "expected {expected}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected {ge} or more",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected {le} or less",
    "string_too_short": "expected {min_length} or more characters",
    "string_too_long": "expected {max_length} or fewer characters",
    "string_pattern_mismatch": "expected a text of the form dimension=value",
    "string_type": "expected a text",
    "string_unicode": "expected a text of Unicode",
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "json_invalid": "it is no JSON",
    "model_attributes_type": "expected a JSON object, sent as application/json",
    "finite_number": "expected a finite number",
}
# Kinds of values, by the beginning of the validator's word.
_KINDS: Mapping[str, str] = {
    "int_": "expected a whole number",
    "float_": "expected a number",
    "bool_": "expected true or false",
    "datetime_": "expected a time such as 2026-11-27T00:00:00Z",
}
_PLACES = {"query": "parameter", "path": "address", "body": "field", "header": "header"}
_LONGEST = 60


class UnknownError(UsageError):
    """What was asked for by name is not there."""


def status_of(error: PulseIQError) -> int:
    """HTTP status of an error: 404 not there, 400 cannot be used, 503 a service does not answer, else 500."""
    if isinstance(error, UnknownError):
        return 404
    if isinstance(error, UsageError):
        return 400
    return 503 if isinstance(error, ServiceError) else 500


def of_form(errors: Sequence[Mapping[str, Any]]) -> UsageError:
    """The first thing that is wrong with a request's form: the parameter, what was found, what is allowed.

    Args:
        errors: of FastAPI's RequestValidationError.
    """
    first = errors[0]
    kind, loc = str(first["type"]), [str(each) for each in first["loc"]]
    whole = kind in ("json_invalid", "model_attributes_type") or len(loc) < 2
    name = "the body" if loc[0] == "body" and whole else f"{_PLACES.get(loc[0], loc[0])} {_short('.'.join(loc[1:]))}"
    given = first.get("input")
    found = f" is {_short(given)}" if isinstance(given, str | int | float) and kind != "json_invalid" else ""
    what = f"{name}{found}: {_expected(kind, first)}"
    return UsageError(what, hint="see /api for the routes, /api/openapi.json for what each takes")


def _expected(kind: str, error: Mapping[str, Any]) -> str:
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(**error.get("ctx", {}))
    known = next((words for start, words in _KINDS.items() if kind.startswith(start)), None)
    return known or str(error["msg"])


def _short(given: object) -> str:
    """Cut short, and with signs that cannot be shown written out."""
    text = repr(given)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
