"""Numbers and durations as people read them."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """Seconds in the largest fitting unit."""
    for size, name in ((365 * 86_400, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 1.95 * size or (size == 60 and seconds >= 60):
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def number(value: float) -> str:
    """Three significant digits, whole numbers above a thousand."""
    if not math.isfinite(value):
        return "unknown"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
