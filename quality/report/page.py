"""The page itself: one self-contained file of HTML, style and charts, without a script.

Whatever a template prints passes `visible` and is then escaped, so no field of an event can be anything but text.
"""

from __future__ import annotations

import functools
from typing import Any

import jinja2

from pipelines.contract.duration import ago
from quality.report import charts, words
from quality.report.facts import Bins, Counts, Report

DATA_DOCS = "data-docs/index.html"


def render(report: Report, *, data_docs: bool) -> str:
    """The page as HTML; `data_docs` says whether Great Expectations' pages lie beside it."""
    template = _environment().get_template("page.html.j2")
    return template.render(report=report, data_docs=DATA_DOCS if data_docs else None, small=_small_charts(report))


def headline(report: Report) -> tuple[str, str]:
    """The state in a sentence, and its kind: bad, warn, good or none; what a person rejected is in it either way."""
    sentence, kind = _state(report)
    if not (rejected := _rejected(report)):
        return sentence, kind
    if kind == "good":
        sentence, kind = "Nothing is held", "warn"
    return f"{sentence}; {words.plural(rejected, 'event was', 'events were')} rejected by a person", kind


def _rejected(report: Report) -> int:
    """Events that were rejected in the reported time."""
    decided = ((batch.rows, batch.decided) for batch in report.held if batch.state == "rejected")
    return sum(rows for rows, by in decided if by is not None and words.utc(by.at) >= report.since)


def _state(report: Report) -> tuple[str, str]:
    total = report.promotions.total
    if waiting := report.waiting:
        events = sum(batch.rows for batch in waiting)
        return f"{words.plural(len(waiting), 'batch', 'batches')} with {events:,} events held: waiting for you", "bad"
    failing = [trend for trend in report.audit.trends if not trend.per_bin[-1].passed] if report.audit else []
    if any(trend.severity == "critical" and trend.per_bin[-1].failed for trend in failing):
        return "Nothing is held; the last audit found bad data", "bad"
    if not total.rows_in:
        return "No batch in the last 24 hours", "none"
    if report.promotions.batches.get("warn") or failing:
        return "Nothing is held; some expectations do not pass", "warn"
    return "Nothing is held and every expectation passes", "good"


def _small_charts(report: Report) -> list[dict[str, Any]]:
    """Rates over time, each as title, value of all the time, and one bar for each part of it."""
    total, per_bin = report.promotions.total, report.promotions.per_bin

    def chart(title: str, value: str, values: list[float], kind: str, note: str) -> dict[str, Any]:
        said = f"{title} over time, {value} in all"
        return {"title": title, "value": value, "svg": charts.bars(values, said, kind), "note": note}

    def rate(title: str, part: str, of: str, kind: str) -> dict[str, Any]:
        def shares(counted: Counts) -> float:
            whole = getattr(counted, of)
            return getattr(counted, part) / whole if whole else 0.0

        values = [shares(counted) for counted in per_bin]
        value = words.share(getattr(total, part), getattr(total, of))
        peak = max(values, default=0.0)
        note = f"{words.count(getattr(total, part))} events, at most {words.share(peak, 1)} in {_span(report.bins)}"
        return chart(title, value, values, kind, note)

    volume = [float(counted.rows_in) for counted in per_bin]
    busiest = f"at most {words.count(max(volume, default=0))} in {_span(report.bins)}"
    return [
        chart("Events read", words.count(total.rows_in), volume, "plain", busiest),
        rate("Late", "late", "rows_in", "warn"),
        rate("Duplicates", "duplicates", "rows_in", "plain"),
        rate("Quarantine", "quarantine", "rows_in", "bad"),
        rate("Held", "held", "rows_in", "bad"),
    ]


def _span(bins: Bins) -> str:
    return words.plural(int(bins.width.total_seconds() // 60), "minute")


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("quality.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    made.filters |= {
        "count": words.count,
        "figure": words.figure,
        "moment": words.moment,
        "age": ago,
    }
    made.globals |= {
        "share": words.share,
        "plural": words.plural,
        "strip": charts.strip,
        "bars": charts.bars,
        "band": charts.band,
        "headline": headline,
        "span": _span,
    }
    return made


def _finalized(value: Any) -> Any:
    return words.visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
