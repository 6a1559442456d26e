"""Rows of the lake -> what the page tells. Every function reads its rows once, in parts, and keeps only sums and a few.

Pure: Arrow record batches come in. Which rows and columns to read is the caller's; `COLUMNS` says what is needed.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from quality.report.facts import Audit, BadEvent, Bins, Counts, Promotions, Refused, Tally, Trend, Volume, Window
from quality.report.words import figure, raw_text, utc

POSITION = ("kafka_topic", "kafka_partition", "kafka_offset")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "batches": ("batch_time", "rows_in", "silver", "quarantine", "duplicates", "held", "late", "verdict"),
    "quality_results": (
        "batch_time", "check", "severity", "success", "errored", "observed", "expected", "why", "owner",
    ),
    "quarantine": ("reason", "detail", "arrived_at", *POSITION),
    "evidence": ("metric", "series", "window_start", "test", "value", "expected", "low", "high"),
    "audit_results": (
        "run_id", "run_at", "layer", "suite", "expectation", "column", "severity", "owner", "why", "success", "error",
        "observed", "expected", "rows",
    ),
}  # fmt: skip

_WIDTHS = [timedelta(minutes=each) for each in (1, 2, 5, 10, 15, 30, 60)]
_BINS = 48
SAMPLES = 3
SAMPLE_BYTES = 600
_RUNS = 30
_WINDOWS = 288

Rows = Iterable[pa.RecordBatch]


def bins_of(first: datetime | None, made_at: datetime) -> Bins:
    """Parts of equal, round width that reach from the first batch to now, at most 48 of them where an hour allows."""
    start = utc(first) if first else made_at - _WIDTHS[0]
    width = next((each for each in _WIDTHS if (made_at - start) / each <= _BINS - 1), _WIDTHS[-1])
    seconds = int(width.total_seconds())
    floor = int(start.timestamp()) // seconds * seconds
    begin = datetime.fromtimestamp(floor, tz=made_at.tzinfo)
    return Bins(begin, width, max(1, int((made_at - begin) / width) + 1))


def promotions(rows: Rows, bins: Bins) -> Promotions:
    """Refine's batches by verdict, and their events."""
    verdicts: Counter[str] = Counter()
    per_bin = [Counts()] * bins.number
    total = Counts()
    for row in _each(rows):
        counted = Counts(**{name: int(row[name] or 0) for name in Counts.__dataclass_fields__})
        verdicts[str(row["verdict"])] += 1
        total += counted
        if (at := bins.at(utc(row["batch_time"]))) is not None:
            per_bin[at] += counted
    return Promotions(verdicts, total, tuple(per_bin))


def checks(rows: Rows, bins: Bins) -> tuple[Trend, ...]:
    """The gate's expectations, those that fail first."""
    tallies: dict[str, list[Tally]] = defaultdict(lambda: [Tally()] * bins.number)
    newest: dict[str, dict[str, Any]] = {}
    failing: dict[str, dict[str, Any]] = {}
    for row in _each(rows):
        at, name = utc(row["batch_time"]), row["check"]
        where = bins.at(at)
        if where is not None:
            tallies[name][where] += _tally(bool(row["success"]), bool(row["errored"]))
        _keep_newest(newest, name, row, at)
        if not row["success"]:
            _keep_newest(failing, name, row, at)
    found = [
        Trend(
            name=name,
            severity=row["severity"],
            owner=row["owner"] or "",
            why=row["why"] or "",
            expected=row["expected"] or "",
            per_bin=tuple(tallies[name]),
            observed=failing[name]["observed"] or "" if name in failing else "",
            at=utc(failing[name]["batch_time"]) if name in failing else None,
        )
        for name, row in newest.items()
    ]
    return tuple(sorted(found, key=_urgency))


def refused(rows: Rows, bins: Bins) -> dict[str, tuple[list[int], list[dict[str, Any]]]]:
    """Per reason: how many events in each bin with those outside in the first, and the newest few as rows."""
    numbers: dict[str, list[int]] = defaultdict(lambda: [0] * bins.number)
    newest: dict[str, list[tuple[datetime, int, dict[str, Any]]]] = defaultdict(list)
    for order, row in enumerate(_each(rows)):
        reason, at = str(row["reason"]), utc(row["arrived_at"])
        numbers[reason][bins.at(at) or 0] += 1
        kept = newest[reason]
        if len(kept) < SAMPLES:
            heapq.heappush(kept, (at, order, row))
        else:
            heapq.heappushpop(kept, (at, order, row))
    return {
        reason: (number, [row for *_, row in sorted(newest[reason], key=lambda each: each[:2], reverse=True)])
        for reason, number in numbers.items()
    }


def with_samples(
    found: Mapping[str, tuple[list[int], list[dict[str, Any]]]], values: Mapping[tuple[str, int, int], bytes | None]
) -> tuple[Refused, ...]:
    """Reasons with their newest events' bytes, the most frequent first; `values` is by topic, partition and offset."""
    return tuple(
        Refused(
            reason=reason,
            number=sum(per_bin),
            per_bin=tuple(per_bin),
            samples=tuple(_bad_event(row, values.get(position(row))) for row in rows),
        )
        for reason, (per_bin, rows) in sorted(found.items(), key=lambda each: (-sum(each[1][0]), each[0]))
    )


def position(row: Mapping[str, Any]) -> tuple[str, int, int]:
    """Where a record stands in Kafka."""
    return row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]


def volumes(rows: Rows, metrics: Mapping[str, tuple[str, str]]) -> tuple[Volume, ...]:
    """Counted metrics beside their expectation; `metrics` gives title and unit of each, in the contract's order."""
    found: dict[str, dict[datetime, Window]] = defaultdict(dict)
    for row in _each(rows):
        if row["metric"] in metrics and row["series"] == row["metric"] and row["test"] == "point":
            start = utc(row["window_start"])
            found[row["metric"]][start] = Window(start, row["value"], row["expected"], row["low"], row["high"])
    return tuple(
        Volume(title, unit, tuple(window for _, window in sorted(found[name].items())[-_WINDOWS:]))
        for name, (title, unit) in metrics.items()
        if name in found
    )


def audit(rows: Rows) -> Audit | None:
    """The newest audit, and the ones before it as each expectation's trend."""
    kept: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in _each(rows):
        kept[row["run_id"]].append(row)
        if len(kept) > _RUNS:
            del kept[min(kept, key=lambda run: kept[run][0]["run_at"])]
    if not kept:
        return None
    runs = sorted(kept, key=lambda run: kept[run][0]["run_at"])
    trends: dict[tuple[str, str], list[Tally]] = defaultdict(lambda: [Tally()] * len(runs))
    for number, run in enumerate(runs):
        for row in kept[run]:
            trends[row["suite"], row["expectation"]][number] += _tally(bool(row["success"]), row["error"] is not None)
    last = kept[runs[-1]]
    found = [_audited(row, trends[row["suite"], row["expectation"]]) for row in last]
    return Audit(
        run_id=runs[-1],
        run_at=utc(last[0]["run_at"]),
        runs=len(runs),
        rows=max((int(row["rows"] or 0) for row in last), default=0),
        trends=tuple(sorted(found, key=lambda trend: (trend.per_bin[-1].passed > 0, *_urgency(trend)))),
    )


def _audited(row: Mapping[str, Any], tallies: list[Tally]) -> Trend:
    observed = row["error"] if row["error"] is not None else told(row["observed"])
    return Trend(
        name=row["expectation"],
        severity=row["severity"] or "",
        owner=row["owner"] or "",
        why=row["why"] or "",
        expected=told(row["expected"]),
        per_bin=tuple(tallies),
        observed=observed or "",
        at=utc(row["run_at"]),
        suite=row["suite"] or row["layer"] or "",
    )


def told(given: str | None) -> str:
    """A JSON value of `audit_results` in a line: strata by name, limits in words, anything else by its keys."""
    try:
        value = json.loads(given or "null")
    except json.JSONDecodeError:
        return given or ""
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    strata = value.get("strata")
    if isinstance(strata, list) and strata:
        lines = [
            f"{each.get('where', 'all rows')}: {figure(_number(each.get('value')))}"
            + (f" ({each['note']})" if each.get("note") else "")
            for each in strata
            if isinstance(each, dict)
        ]
        return "; ".join(lines) + (f"; and {value['more']} more" if value.get("more") else "")
    if "measure" in value:
        words = (("min", "at least"), ("max", "at most"))
        limits = [f"{word} {figure(_number(value[key]))}" for key, word in words if value.get(key) is not None]
        return f"{value['measure']}: {' and '.join(limits)}" if limits else str(value["measure"])
    if value.get("note"):
        return str(value["note"])
    plain = {name: figure(each) if isinstance(each, int | float) else each for name, each in value.items()}
    return ", ".join(f"{name} {each}" for name, each in plain.items())


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _bad_event(row: Mapping[str, Any], value: bytes | None) -> BadEvent:
    topic, partition, offset = position(row)
    return BadEvent(
        reason=str(row["reason"]),
        detail=str(row["detail"] or ""),
        place=f"{topic}[{partition}] {offset}",
        arrived_at=utc(row["arrived_at"]),
        text="(no value)" if value is None else raw_text(value, SAMPLE_BYTES),
    )


def _tally(success: bool, broken: bool) -> Tally:
    return Tally(broken=1) if broken else Tally(passed=1) if success else Tally(failed=1)


def _keep_newest(kept: dict[str, dict[str, Any]], name: str, row: dict[str, Any], at: datetime) -> None:
    if name not in kept or utc(kept[name]["batch_time"]) <= at:
        kept[name] = row


def _urgency(trend: Trend) -> tuple[bool, bool, str]:
    total = trend.total
    return not (total.failed or total.broken), trend.severity != "critical", trend.name


def _each(rows: Rows) -> Iterator[dict[str, Any]]:
    for batch in rows:
        yield from batch.to_pylist()
