"""The metrics of a first contract: a count of each type of events, and what the names and values of fields speak for.

Suggests and does not judge; a person corrects it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from pipelines.contract.draft.fields import AMOUNT_WORDS, DURATION_WORDS, column_of, lettered_name, of_type, plain_name
from pipelines.contract.draft.outcome import FAILED, SOUND, ended_badly
from pipelines.contract.draft.sample import Place, Sample, words_of

_ERROR_WORDS = ("error", "failed", "failure", "errored", "exception")
_SUCCESS_WORDS = ("success", "ok", "succeeded", "approved", "completed")
_PERSON_WORDS = ("user", "customer", "client", "account", "visitor", "session", "member")


def metrics(
    by_type: Mapping[str, Sample], payload: Mapping[str, str], taken: Set[str]
) -> tuple[dict[str, Any], list[str]]:
    """Suggested metrics: a count of each type, and what names and values of its fields speak for.

    Args:
        by_type: the well-formed events of each type.
        payload: places of their own columns, with types.
        taken: names of columns, in small letters, which no metric may have.
    """
    found: dict[str, Any] = {}

    def free(name: str, kind: str) -> str:
        plain = lettered_name(name)
        return next(each for each in (plain, *(f"{plain}_{kind}{n}" for n in ("", *range(2, 99)))) if each not in taken)

    for name, seen in by_type.items():
        where = {"where": f"event_type = '{name}'"} if len(by_type) > 1 else {}
        own = "" if len(by_type) == 1 else f"{plain_name(name)}_"
        found[free(f"{own}count", "events")] = {"kind": "count", **where, "direction": "both"}
        for each, _ in of_type(seen, payload):
            column = column_of(each.path)
            if not column.isidentifier():
                continue
            suggested = _suggested(each, column, seen.events)
            if suggested:
                found.setdefault(free(f"{own}{suggested[0]}", suggested[1]["kind"]), {**suggested[1], **where})
    for stem, failed, ended in _failures(by_type):
        where = {"where": _one_of("event_type", ended), "numerator": _one_of("event_type", failed)}
        found[free(f"{stem}_failure_rate", "ratio")] = {"kind": "ratio", **where, "direction": "up", "weight": 3}
    return found, [f"metrics: {', '.join(found)}"]


def _failures(types: Iterable[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Of types that say how something ended: its name, those that say badly, and all of them."""
    by_stem: dict[tuple[str, ...], list[str]] = {}
    for each in sorted(types):
        by_stem.setdefault(words_of(each)[:-1], []).append(each)
    for stem, own in by_stem.items():
        failed, sound = ([each for each in own if {*words_of(each)[-1:]} & ends] for ends in (FAILED, SOUND))
        if stem and failed and sound:
            yield "_".join(stem), failed, sorted([*failed, *sound])


def _one_of(column: str, values: Sequence[str]) -> str:
    named = ", ".join(f"'{each}'" for each in values)
    return f"{column} = {named}" if len(values) == 1 else f"{column} IN ({named})"


def _suggested(place: Place, column: str, events: int) -> tuple[str, dict[str, Any]] | None:
    words, kind = set(place.words), place.type
    if kind == "boolean" and not place.many and len(place.values) < 2:
        return None  # It is always the same here, and says nothing.
    if kind == "boolean" and words & set(_ERROR_WORDS):
        return f"{column}_rate", {"kind": "ratio", "numerator": column, "direction": "up", "weight": 3}
    if kind == "boolean" and words & set(_SUCCESS_WORDS):
        return f"{column}_rate", {"kind": "ratio", "numerator": column, "direction": "down", "weight": 3}
    if failed := ended_badly(place):
        # Events that do not say how it ended, or not yet, are no part of the share.
        parts = {"numerator": _one_of(column, failed), "denominator": f"{column} IS NOT NULL"}
        return f"{column}_failure_rate", {"kind": "ratio", **parts, "direction": "up", "weight": 3}
    if kind in ("integer", "number") and words & set(DURATION_WORDS):
        return f"{column}_p95", {"kind": "quantile", "value": column, "quantile": 0.95, "direction": "up", "weight": 2}
    if kind in ("integer", "number") and words & set(AMOUNT_WORDS):
        return column, {"kind": "sum", "value": column, "direction": "down", "weight": 5}
    several = place.many or 20 < len(place.values) < 0.95 * events
    if kind in ("string", "integer") and words & set(_PERSON_WORDS) and several:
        return f"unique_{column}", {"kind": "distinct", "value": column, "direction": "down"}
    return None
