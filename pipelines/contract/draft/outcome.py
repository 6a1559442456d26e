"""Fields and event types that say how something ended: the words for well and for badly, and which values have them.

Knows words only; what follows for dimensions and metrics is decided in `fields` and `metrics`.
"""

from __future__ import annotations

from itertools import pairwise

from pipelines.contract.draft.sample import Place, words_of

# The last word of a type: of `order.failed` and `order.completed`, the former are a share of both.
FAILED = frozenset(
    (
        *("failed", "failure", "fail", "error", "errored", "exception", "crashed", "aborted", "timeout", "timedout"),
        *("declined", "decline", "rejected", "reject", "denied", "refused", "unsuccessful", "undelivered", "bounced"),
        *("cancelled", "canceled", "expired", "unavailable", "invalid"),
    )
)
SOUND = frozenset(
    (
        *("finished", "completed", "complete", "succeeded", "success", "successful", "done", "ended", "delivered"),
        *("approved", "accepted", "paid", "confirmed", "closed"),
    )
)
# Of a value, which stands behind the name of its field, these say as much.
_SOUND_VALUES = SOUND | {"ok", "passed", "pass", "authorised", "authorized", "granted", "valid", "sent"}
_NOT = frozenset(("no", "not", "non", "without"))
_MOST_OUTCOMES = 20


def ended_badly(place: Place) -> tuple[str, ...]:
    """The values of a text field that say of something that it ended badly; none unless others say that it went well.

    A field with bad ends alone is a reason, and no share of anything.
    """
    if place.type != "string" or place.many or len(place.values) > _MOST_OUTCOMES:
        return ()
    values = sorted(each for each in place.values if isinstance(each, str))
    # A quote in a value would end the text of SQL that it becomes.
    failed = tuple(each for each in values if _says(each, FAILED) and not {*each} & {"'", "\\"})
    return failed if any(_says(each, _SOUND_VALUES) for each in values if each not in failed) else ()


def _says(value: str, ends: frozenset[str]) -> bool:
    words = words_of(value)
    # `timed out` and `time-out` are one word each.
    return not {*words} & _NOT and bool({*words, *("".join(pair) for pair in pairwise(words))} & ends)
