"""Durations as people write them: `5 minutes`, `1 hour`, `10m`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

_UNITS = {"s": 1, "second": 1, "m": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_FORM = re.compile(r"^\s*(\d+)\s*([a-z]+?)s?\s*$")


def parse_duration(given: Any) -> timedelta:
    """A timedelta from text such as `5 minutes`; ValueError says what is expected."""
    if isinstance(given, timedelta):
        return given
    found = _FORM.match(given) if isinstance(given, str) else None
    # `10s` is ten seconds: the plural's s may have been taken for the unit.
    unit = _UNITS.get(found.group(2)) if found else None
    if isinstance(given, str) and (seconds := re.match(r"^\s*(\d+)\s*s\s*$", given)):
        return timedelta(seconds=int(seconds.group(1)))
    if found is None or unit is None:
        raise ValueError(f"'{given}' is not a duration: write a whole number and s, minutes, hours or days")
    return timedelta(seconds=int(found.group(1)) * unit)
