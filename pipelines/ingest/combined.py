"""One line of an access log in Apache's combined format -> one event. The only code that knows web logs.

The format, from Apache's documentation of `mod_log_config`:
`%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"`; inside quotes the server writes `\\"` and `\\xhh` escapes.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_LINE = re.compile(rf"(\S+) \S+ (.+?) \[([^\]]{{1,40}})\] {_QUOTED} (\d{{3}}) (\d+|-) {_QUOTED} {_QUOTED}")
_TIME = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The first match names the family, so what pretends to be a browser comes before the browsers.
_FAMILIES = tuple(
    (family, re.compile(pattern, re.IGNORECASE))
    for family, pattern in (
        ("bot", r"bot\b|bot[/_-]|spider|crawl|slurp|facebookexternalhit|sogou|archiver|monitor|portscout"),
        ("feed reader", r"feed|rss|reader|liferea|livejournal|netvibes|magpie"),
        ("bot", r"https?://|\S@\S"),  # Robots name a page or a person to complain to.
        ("tool", r"^(curl|wget|python|java|ruby|perl|go-http|libwww|lwp|apache-http|chef|puppet|okhttp)"),
        ("edge", r"edge?/|edga/|edgios/"),
        ("opera", r"opera|opr/|presto"),
        ("firefox", r"firefox|iceweasel|fxios"),
        ("chrome", r"chrome|chromium|crios"),
        ("internet explorer", r"msie|trident"),
        ("safari", r"safari|applewebkit"),
    )
)

Event = dict[str, str | int]


def parse(line: bytes, event_id: str) -> Event | None:
    """The event of one line without its line end, or None where the line is not of the format (or not UTF-8).

    Fields: event_id, event_time (RFC 3339), client, status, bytes (0 where the log has `-`), status_class (`2xx`),
    path_group, agent_family; and where the log has them: method, path, protocol, referrer, agent.
    """
    try:
        found = _LINE.fullmatch(line.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    time = _time(found[3]) if found else None
    if found is None or time is None:
        return None
    client, _, _, request, status, size, referrer, agent = found.groups()
    event: Event = {
        "event_id": event_id,
        "event_time": time,
        "client": client,
        "status": int(status),
        "bytes": 0 if size == "-" else int(size),
        "status_class": f"{status[0]}xx",
        "agent_family": agent_family(agent),
    }
    method, _, rest = request.partition(" ")
    path, _, protocol = rest.rpartition(" ") if " " in rest else (rest, "", "")
    event["path_group"] = path_group(path)
    optional = {"method": method, "path": path, "protocol": protocol, "referrer": referrer, "agent": agent}
    return event | {name: text for name, text in optional.items() if text not in ("", "-")}


def path_group(path: str) -> str:
    """`/blog/` for anything in that folder, `/*.css` for files at the top, `/` for the start page.

    Groups must be few: names of single files, which scanners try by the hundred, are not told apart.
    """
    path = re.sub(r"^[a-z]+://[^/]*", "", path.partition("?")[0].partition("#")[0])
    if not path.startswith("/"):
        return "(none)"
    first, slash, _ = path.lstrip("/").partition("/")
    if slash:
        return f"/{first[:100]}/"
    if not first:
        return "/"
    _, dot, extension = first.rpartition(".")
    return f"/*.{extension.lower()[:10]}" if dot and extension.isalnum() else "/*"


def agent_family(agent: str) -> str:
    """The kind of client that a user agent's text names; `other` where it names none that is known."""
    if agent in ("", "-"):
        return "(none)"
    return next((family for family, pattern in _FAMILIES if pattern.search(agent)), "other")


def _time(text: str) -> str | None:
    """`17/May/2015:10:05:03 +0000` as RFC 3339; month names are English whatever the machine's language."""
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return None
    day, _, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == "-" else 1)
    try:
        zone = timezone(offset)
        moment = datetime(
            int(year), _MONTHS.index(found[2]) + 1, int(day), int(hour), int(minute), int(second), tzinfo=zone
        )
    except ValueError:
        return None
    return moment.isoformat()
