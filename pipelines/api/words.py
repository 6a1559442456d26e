"""Numbers, times and charts as the pages write them: filters of the templates, without any judgement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from jinja2 import Environment
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pipelines.api.model import Brief, Curve
from pipelines.contract.duration import ago
from pipelines.detect.figures import number

_UNKNOWN = "\N{EN DASH}"


def figure(value: float | None, kind: str = "") -> str:
    """A value with three significant digits; a ratio in percent."""
    if value is None:
        return _UNKNOWN
    if kind == "ratio":
        return f"{100 * value:.{1 if value >= 0.1 else 2}f}%"
    if abs(value) >= 1e6:
        return f"{number(value / 1e6)} M"
    return f"{value:,.0f}" if abs(value) >= 100 else number(value)


def percent(value: float | None) -> str:
    """A relative change with its sign, as in an incident's headline; large ones as a factor."""
    if value is None:
        return _UNKNOWN
    return f"x {value + 1:,.0f}" if value > 10 else f"{value:+.0%}"


def share(value: float | None) -> str:
    """A part of something, which can be more than all of it where others moved the other way."""
    return _UNKNOWN if value is None else f"{value:.0%}"


def whole(value: float | None) -> str:
    """A count."""
    return _UNKNOWN if value is None else f"{value:,.0f}"


def short_time(moment: datetime | None) -> str:
    """`14:05`, with the date where it is not today."""
    if moment is None:
        return _UNKNOWN
    now = datetime.now(UTC)
    return f"{moment:%H:%M}" if moment.date() == now.date() else f"{moment:%b} {moment.day}, {moment:%H:%M}"


def long_time(moment: datetime | None) -> str:
    """`2026-11-25 14:05 UTC`."""
    return _UNKNOWN if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def since(moment: datetime | None) -> str:
    """How long ago."""
    return _UNKNOWN if moment is None else ago(datetime.now(UTC) - moment)


def lasted(found: Brief) -> str:
    """From an incident's first window to its last."""
    return span(found.until - found.since)


def span(length: timedelta) -> str:
    """A length of time: `65 min`, `5 h 20 min`, `3 days`."""
    minutes = int(length.total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours // 24} days" if hours >= 48 else f"{hours} h {rest} min" if rest else f"{hours} h"


def seconds(value: float | None) -> str:
    """Seconds with as many digits as help."""
    return _UNKNOWN if value is None else f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def chart(curve: Curve, incidents: Sequence[Brief]) -> Markup:
    """A curve in the columns that `charts.js` draws, with the incidents that lie in it; JSON that may stand in HTML."""
    points = curve.points
    first, last = (points[0].at, points[-1].at) if points else (None, None)
    columns = {
        "kind": curve.kind,
        "unit": curve.unit,
        "step": curve.window_seconds,
        "t": [int(each.at.timestamp()) for each in points],
        **{name: [_short(getattr(each, name)) for each in points] for name in ("value", "expected", "low", "high")},
        "judged": [int(each.judged) for each in points],
        "fired": [int(each.fired) for each in points],
        "marks": [
            {"from": int(each.since.timestamp()), "to": int(each.until.timestamp()), "level": each.level}
            for each in incidents
            if first is not None and last is not None and each.since <= last and each.until >= first
        ],
    }
    return htmlsafe_json_dumps(columns, separators=(",", ":"))


def _short(value: float | None) -> float | None:
    """As many digits as a screen can show."""
    return None if value is None else float(f"{value:.5g}")


def described(curve: Curve) -> str:
    """A chart in one sentence, for those who do not see it."""
    known = [each for each in curve.points if each.value is not None]
    if not known:
        return f"{curve.title}: no data in this stretch"
    last = known[-1]
    fired = sum(each.fired for each in curve.points)
    text = f"{curve.title}, {len(known)} windows until {long_time(last.at)}: last {figure(last.value, curve.kind)}"
    if last.expected is not None:
        text += f", expected {figure(last.low, curve.kind)} to {figure(last.high, curve.kind)}"
    return f"{text}; a test fired in {fired} window{'s' * (fired != 1)}"


def register(pages: Environment) -> None:
    """Add all of them to a template environment."""
    for each in (figure, percent, share, whole, short_time, long_time, since, lasted, seconds, described):
        pages.filters[each.__name__] = each
