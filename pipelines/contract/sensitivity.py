"""How readily PulseIQ speaks up, in the user's words: allowances, quiet hours, planned events, muted series.

Says which stretches of time and which series are meant. What follows from that is decided where windows are judged
and incidents are made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, model_validator
from pydantic import Field as Limited

from pipelines.contract.form import Frozen, Moment

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
# Under this name the findings on the data itself are meant, beside the metrics.
DATA = "data"
Stretch = tuple[datetime, datetime]

_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)")


def _time_of_day(given: Any) -> Any:
    """Minutes since midnight from `22:00`; YAML reads that without quotes as a number, which is 60 or more."""
    if isinstance(given, int) and not isinstance(given, bool) and 60 <= given <= 1440:
        return given
    found = _CLOCK.fullmatch(given) if isinstance(given, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found else 1441
    if minutes > 1440:
        raise ValueError(f"'{given}' is not a time of day: write it as '07:30', up to '24:00'")
    return minutes


def _zone(given: Any) -> Any:
    try:
        ZoneInfo(given)
    except Exception:
        raise ValueError(f"'{given}' is not a time zone: write it as UTC or Europe/Berlin") from None
    return given


def _several(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


TimeOfDay = Annotated[int, BeforeValidator(_time_of_day)]
Zone = Annotated[str, BeforeValidator(_zone)]
Pattern = Annotated[str, Limited(min_length=1)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_several)]


class Hours(Frozen):
    """Times of day, from `start` up to `end` in minutes since midnight, past midnight where `end` is not later.

    `days` are those on which they start; `zone` is where the clock hangs.
    """

    start: TimeOfDay
    end: TimeOfDay
    days: tuple[Day, ...] = Limited(default=DAYS, min_length=1)
    zone: Zone = "UTC"

    def stretches(self, first: datetime, last: datetime) -> Iterator[Stretch]:
        """Stretches of time (UTC) that have something in common with [first, last), both aware, in order."""
        zone = ZoneInfo(self.zone)
        day = first.astimezone(zone).date() - timedelta(days=1)
        while day <= last.astimezone(zone).date():
            if DAYS[day.weekday()] in self.days:
                midnight = datetime(day.year, day.month, day.day)
                end = self.end if self.end > self.start else self.end + 1440
                begin, stop = (
                    (midnight + timedelta(minutes=each)).replace(tzinfo=zone).astimezone(UTC)
                    for each in (self.start, end)
                )
                if begin < last and stop > first:
                    yield begin, stop
            day += timedelta(days=1)


class Which(Frozen):
    """Which series are meant, by patterns in which * stands for anything; every series where none is given.

    `metrics` names metrics with all their series, `series` single ones, such as `errors` or `errors{place=*}`.
    """

    metrics: Patterns = ()
    series: Patterns = ()

    def covers(self, metric: str, series: str) -> bool:
        """Whether a series of a metric is meant."""
        if not self.metrics and not self.series:
            return True
        return any(matches(each, metric) for each in self.metrics) or any(matches(each, series) for each in self.series)


class Planned(Which):
    """An event that explains what its series do meanwhile: once from `start` to `end`, or `weekly`."""

    name: str = Limited(min_length=1)
    start: Moment | None = None
    end: Moment | None = None
    weekly: Hours | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        once = self.start is not None and self.end is not None
        if once == (self.weekly is not None) or (self.start is None) != (self.end is None):
            raise ValueError("give either start and end, or weekly")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("ends before it starts")
        return self

    def stretches(self, first: datetime, last: datetime) -> Iterator[Stretch]:
        """Its stretches of time (UTC) that have something in common with [first, last), both aware, in order."""
        if self.weekly is not None:
            yield from self.weekly.stretches(first, last)
        elif self.start is not None and self.end is not None and self.start < last and self.end > first:
            yield self.start, self.end


class Mute(Which):
    """Series of which nothing is wanted, from the beginning or `since` a moment, for good or `until` one."""

    since: Moment | None = None
    until: Moment | None = None
    why: str = ""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.metrics and not self.series:
            raise ValueError("say which: metrics, series or both")
        return self


class Sensitivity(Frozen):
    """How readily PulseIQ speaks up, in the user's words."""

    false_alerts_per_week: float = Limited(default=0.5, gt=0)
    min_effect: float = Limited(default=0.1, ge=0)
    min_count: int = Limited(default=20, ge=0)
    quiet_hours: tuple[Hours, ...] = ()
    planned: tuple[Planned, ...] = ()
    mute: tuple[Mute, ...] = ()

    def quiet_until(self, moment: datetime) -> datetime | None:
        """When the quiet hours end that a moment (aware) is in, those that follow at once included; None outside."""
        end = moment
        while True:
            ends = [
                stop
                for hours in self.quiet_hours
                for begin, stop in hours.stretches(end, end + timedelta(seconds=1))
                if begin <= end < stop
            ]
            # Quiet hours around the clock would have no end.
            if not ends or end - moment > timedelta(days=7):
                return end if end > moment else None
            end = max(ends)


@lru_cache(maxsize=4096)
def matches(pattern: str, text: str) -> bool:
    """Whether a pattern, in which * stands for anything, is the whole text."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
