"""What a series is usually like at each slot of the week: global level -> hour of day -> slot of day -> hour of week.

Each stage estimates what the one before left over, by a robust mean over days (values beyond 3 MAD of the cell's median
are cut), and believes it by as much as it stands out of its own noise: a stage without real structure shrinks to zero
(empirical Bayes, Efron and Morris 1973). A part's profile starts from the whole's, so thin parts borrow its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.detect import families
from pipelines.detect.families import Family
from pipelines.detect.grid import Floats, Ints, Mask, Times

DAY = 86_400
_PASSES = 3
_FEWEST_DAYS_FOR_SLOTS = 4
# One event shifts a cell by the inverse of its information; so many are taken whatever the other days have.
_EVENTS_TAKEN = 3.0


@dataclass(frozen=True)
class Calendar:
    """Where each window stands in its day and week (UTC)."""

    day: Ints
    slot: Ints
    weekday: Ints
    slots: int

    @classmethod
    def of(cls, windows: Times, seconds: int) -> Calendar:
        """`slots` is the number of windows in a day, 1 for windows of a day or longer."""
        at = windows.astype("datetime64[s]").astype(np.int64)
        day = at // DAY
        # 1970-01-01 was a Thursday.
        return cls(day - day.min() if len(day) else day, (at % DAY) // seconds, (day + 3) % 7, max(DAY // seconds, 1))

    def only(self, use: Mask) -> Calendar:
        """The calendar of some of the windows."""
        return Calendar(self.day[use], self.slot[use], self.weekday[use], self.slots)

    def of_week(self) -> Ints:
        """Index of each window into a weekly table."""
        return np.asarray(self.weekday * self.slots + np.minimum(self.slot, self.slots - 1), dtype=np.int64)


@dataclass(frozen=True)
class _Days:
    """The history cut into days: arrays (series, days, slots), `weekday` (days,)."""

    y: Floats
    w: Floats
    has: Mask
    weekday: Ints


def fit(family: Family, y: Floats, w: Floats, calendar: Calendar, base: Floats | None = None) -> Floats:
    """Weekly table of eta, shape (series, 7 x slots).

    Args:
        family: how y is distributed.
        y, w: observations (series, windows); a window with w = 0 says nothing.
        calendar: of these windows.
        base: weekly table to start from, (1 or series, 7 x slots); a constant when None.
    """
    days = _cut(y, w, calendar)
    table = np.zeros((len(y), 7, calendar.slots))
    if base is not None:
        table += base.reshape(-1, 7, calendar.slots)
    elif family in ("count", "amount"):
        table += np.log(np.maximum(_ratio(y.sum(axis=1), np.maximum(y.shape[1], 1)), 1e-9))[:, None, None]
    elif family == "share":
        p = (y.sum(axis=1) + 0.5) / (w.sum(axis=1) + 1.0)
        table += np.log(p / (1 - p))[:, None, None]
    else:
        table += _ratio(y.sum(axis=1), w.sum(axis=1))[:, None, None]
    hours = min(24, calendar.slots)
    weeks = np.bincount(days.weekday[days.has.any(axis=1)], minlength=7)
    for _ in range(_PASSES):
        table += _stage(family, days, table, 1, around_day=False)
        if hours > 1:
            table += _smooth(_stage(family, days, table, hours), calendar.slots)
    if calendar.slots > hours and days.has.any(axis=1).sum() >= _FEWEST_DAYS_FOR_SLOTS:
        table += _stage(family, days, table, calendar.slots)
    if weeks.max(initial=0) >= 2:
        table += _week_stage(family, days, table, hours)
    return table.reshape(len(y), -1)


def _cut(y: Floats, w: Floats, calendar: Calendar) -> _Days:
    count = int(calendar.day.max()) + 1
    shape = (len(y), count, calendar.slots)
    cut_y, cut_w = np.zeros(shape), np.zeros(shape)
    has = np.zeros(shape[1:], dtype=bool)
    slot = np.minimum(calendar.slot, calendar.slots - 1)
    cut_y[:, calendar.day, slot], cut_w[:, calendar.day, slot] = y, w
    has[calendar.day, slot] = True
    weekday = (int(calendar.weekday[0]) - int(calendar.day[0]) + np.arange(count)) % 7
    return _Days(cut_y, cut_w, has, weekday)


def _leftover(family: Family, days: _Days, eta: Floats, groups: int) -> tuple[Floats, Floats]:
    """Shift of each (series, day, group of slots) relative to eta (series, days, slots), and its information."""
    m = families.mean(family, eta, days.w)
    numerator, information = families.score(family, days.y, m, days.w)
    use = days.has & (information > 0)
    shape = (*numerator.shape[:2], groups, -1)
    top = np.where(use, numerator, 0.0).reshape(shape).sum(axis=3)
    weight = np.where(use, information, 0.0).reshape(shape).sum(axis=3)
    return _ratio(top, weight), weight


def _stage(family: Family, days: _Days, table: Floats, groups: int, around_day: bool = True) -> Floats:
    """Effect of each group of slots (series, 1, slots), days' own levels taken out first."""
    eta = table[:, days.weekday, :]
    if around_day:
        shift, weight = _leftover(family, days, eta, 1)
        eta = eta + _link(family, _shrunk(shift[:, :, 0], weight[:, :, 0])[:, :, None])
    shift, weight = _leftover(family, days, eta, groups)
    effect, variance = _robust_mean(family, shift, weight)
    if groups > 1:
        effect = _believed(effect, variance)
    return np.repeat(_link(family, effect), table.shape[2] // groups, axis=1)[:, None, :]


def _week_stage(family: Family, days: _Days, table: Floats, hours: int) -> Floats:
    """Effect of each hour of the week that has been seen in at least two weeks, (series, 7, slots)."""
    shift, weight = _leftover(family, days, table[:, days.weekday, :], hours)
    effect = np.zeros((len(table), 7, hours))
    variance = np.full_like(effect, np.inf)
    for weekday in range(7):
        at = days.weekday == weekday
        if at.sum() >= 2:
            mean, spread = _robust_mean(family, shift[:, at], weight[:, at])
            seen = (weight[:, at] > 0).sum(axis=1) >= 2
            effect[:, weekday], variance[:, weekday] = np.where(seen, mean, 0.0), np.where(seen, spread, np.inf)
    flat = _believed(effect.reshape(len(table), -1), variance.reshape(len(table), -1)).reshape(effect.shape)
    return np.repeat(_link(family, flat), table.shape[2] // hours, axis=2)


def _robust_mean(family: Family, shift: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean over days (axis 1) of (series, days, groups), cut at 3 MAD around the median; and its variance.

    Of events that are counted one by one, days cannot differ by less than counting does: with less than one event a day
    most days have none, and around their median, with their deviation of nothing, every event would be cut away.
    """
    counted = family in ("count", "share")
    seen = weight > 0
    centre = _median(shift, seen)[:, None, :]
    scaled = np.abs(shift - centre) * np.sqrt(weight)
    count = seen.sum(axis=1, keepdims=True)
    # The median absolute deviation of n points around their own median is too small by about (n - 1) / n.
    spread = 1.4826 * _median(scaled.reshape(len(scaled), -1), seen.reshape(len(scaled), -1))[:, None, None]
    spread = np.maximum(spread, 1e-9) * np.sqrt(count / np.maximum(count - 1, 0.5))
    if counted:
        spread = np.maximum(spread, 1.0)
    reach = 3.0 * _ratio(spread * np.ones_like(weight), np.sqrt(weight))
    if counted:
        reach += _ratio(np.full_like(weight, _EVENTS_TAKEN), weight)
    cut = np.clip(shift, centre - reach, centre + reach)
    total = weight.sum(axis=1)
    effect = _ratio((cut * weight).sum(axis=1), total)
    return effect, np.where(total > 0, _ratio(spread[:, 0, :] ** 2, total), np.inf)


def _believed(effect: Floats, variance: Floats) -> Floats:
    """Effects (series, cells) times their reliability t^2 / (t^2 + v), t^2 = mean of effect^2 - v, at least 0."""
    known = np.isfinite(variance)
    v = np.where(known, variance, 0.0)
    cells = np.maximum(known.sum(axis=1, keepdims=True), 1)
    t2 = np.maximum(np.where(known, effect**2 - v, 0.0).sum(axis=1, keepdims=True) / cells, 0.0)
    return np.where(known, effect * _ratio(t2 * np.ones_like(v), t2 + v), 0.0)


def _shrunk(shift: Floats, weight: Floats) -> Floats:
    """Levels of days (series, days), shrunk by their sampling noise alone."""
    return _believed(shift, np.where(weight > 0, _ratio(np.ones_like(weight), weight), np.inf))


def _link(family: Family, shift: Floats) -> Floats:
    """A relative shift as a shift of eta."""
    return np.log1p(np.clip(shift, -0.99, None)) if family in ("count", "amount") else shift


def _smooth(effect: Floats, slots: int) -> Floats:
    """Hourly steps (series, 1, slots) as a line through the middles of the hours, around the clock."""
    if slots <= 24:
        return effect
    per = slots // 24
    hourly = effect[:, 0, ::per]
    position = (np.arange(slots) + 0.5) / per - 0.5
    left = np.floor(position).astype(np.int64)
    part = position - left
    return np.asarray(hourly[:, left % 24] * (1 - part) + hourly[:, (left + 1) % 24] * part)[:, None, :]


def _median(values: Floats, seen: Mask) -> Floats:
    """Median over axis 1 of the values that were seen; 0 where none was."""
    ordered = np.sort(np.where(seen, values, np.inf), axis=1)
    count = seen.sum(axis=1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum((count - 1) // 2, 0), axis=1)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[1] - 1), axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(count > 0, (low + high) / 2, 0.0).squeeze(axis=1))


def _ratio(top: Floats, bottom: Floats | int) -> Floats:
    """Quotient, 0 where there is nothing to divide by."""
    bottom = np.asarray(bottom, dtype=np.float64)
    return np.asarray(np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom > 0))
