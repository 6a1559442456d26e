"""Numbers, times and foreign text as the page shows them.

Text of events is hostile: `visible` makes every character that hides, moves or reverses others a sign of its own.
Escaping for HTML is the template engine's.
"""

from __future__ import annotations

import math
import unicodedata
from datetime import UTC, datetime

# Categories of Unicode whose characters show nothing or change how others show: controls, formats (directions and
# joiners among them), surrogates, private and unassigned ones, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# What stands where there is nothing to show.
NONE = "\N{EN DASH}"
# More marks than that above one letter are there to paint over the lines around.
_MARKS = 3


def visible(text: str) -> str:
    """The same text, each character that could not be seen replaced by a sign that names it."""
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        hidden = category in _HIDDEN or marks > _MARKS or (category == "Zs" and character != " ")
        # In plain characters that every font has.
        shown.append(f"[U+{ord(character):04X}]" if hidden else character)
    return "".join(shown)


def raw_text(value: bytes, limit: int) -> str:
    """The first bytes of a record as text; bytes that are no UTF-8 as \\xff."""
    text = value[:limit].decode("utf-8", "backslashreplace")
    return text if len(value) <= limit else f"{text} … {count(len(value) - limit)} more bytes"


def count(number: float) -> str:
    """A whole number: 592,088."""
    return f"{round(number):,}"


def figure(number: float | None) -> str:
    """Any number with the digits that matter: 1,234 or 12.3 or 0.0123; a dash where there is none."""
    if number is None or math.isnan(number):
        return NONE
    if abs(number) >= 1000 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.3g}"


def share(part: float, whole: float) -> str:
    """A part in per cent, with more digits the smaller it is; a dash where there is no whole."""
    if not whole:
        return NONE
    percent = 100 * part / whole
    if part and percent < 0.001:
        return "< 0.001 %"
    for limit, form in ((0.1, ".3f"), (10, ".2f"), (99.95, ".1f")):
        if percent < limit:
            return f"{percent:{form}} %" if part else "0 %"
    return "100 %" if part == whole else f"{math.floor(percent * 1000) / 1000:.3f} %"


def moment(at: datetime | None, *, seconds: bool = False) -> str:
    """A time in UTC: 2026-11-26 10:31."""
    if at is None:
        return NONE
    return f"{utc(at):%Y-%m-%d %H:%M:%S}" if seconds else f"{utc(at):%Y-%m-%d %H:%M}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 batch, 2 batches."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def utc(at: datetime) -> datetime:
    """A moment in UTC; one without a zone is taken as UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
