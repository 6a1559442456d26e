"""Durations and moments as people write them: `5 minutes`, `1 hour`, `10m`; `2020-01-01`, `2020-01-01T00:00:00Z`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_LONGEST = timedelta(days=36_500)  # Microseconds of sums with it fit 64 bits.
_FORM = re.compile(r"\s*(\d{1,9})\s*(s|m|h|d|(?:second|minute|hour|day)s?)\s*")


def parse_duration(given: Any) -> timedelta:
    """A timedelta from text such as `5 minutes`; ValueError says what is expected."""
    if isinstance(given, timedelta):
        return given
    found = _FORM.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ValueError(
            f"'{given}' is not a duration: write a whole number and seconds, minutes, hours or days, as 15m or 2h"
        )
    unit = next(seconds for name, seconds in _UNITS.items() if name.startswith(found[2].removesuffix("s") or "s"))
    duration = timedelta(seconds=int(found[1]) * unit)
    if duration > _LONGEST:
        raise ValueError(f"'{given}' is too long: at most {_LONGEST.days} days")
    return duration


def in_words(duration: timedelta) -> str:
    """A duration of whole seconds as `parse_duration` reads it."""
    seconds = int(duration.total_seconds())
    name, size = next((n, s) for n, s in sorted(_UNITS.items(), key=lambda each: -each[1]) if seconds % s == 0)
    return f"{seconds // size} {name}" + ("" if seconds == size else "s")


def parse_moment(given: Any) -> datetime:
    """An aware datetime from what YAML gives for a date or a time; without a zone it is UTC."""
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise ValueError(f"'{given}' is not a time: write it as 2020-01-01T00:00:00Z") from None
    if isinstance(given, date) and not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day)
    if not isinstance(given, datetime):
        raise ValueError(f"'{given}' is not a time: write it as 2020-01-01T00:00:00Z")
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def span(start: datetime, end: datetime) -> str:
    """A stretch of time in words; its end has a date of its own where it is on another day."""
    form = "%H:%M" if start.date() == end.date() else "%Y-%m-%d %H:%M"
    return f"{start:%Y-%m-%d %H:%M} to {end:{form}} UTC"


def ago(age: timedelta) -> str:
    """An age in its largest fitting unit: 40 s, 12 min, 3 h, 5 days."""
    seconds = max(0, int(age.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"
