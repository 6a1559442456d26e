"""Why something did or did not alert at a window: read from the lake and judged again, without a JVM.

**Output**: an answer, nothing is written. Numbers that the detect loop has kept are shown as it kept them; those of
parts that were not notable are recomputed from gold and from the baseline that was in force then.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import Contract, Metric
from pipelines.detect import exempt, learnt
from pipelines.detect.conditions import Reason, reasons
from pipelines.detect.evaluate import heard_metrics, judge, limits, open_alerts
from pipelines.detect.grid import to_grid, window_range
from pipelines.detect.learnt import Learnt
from pipelines.errors import UsageError
from pipelines.gold import local
from pipelines.incidents import Incident, responses, store
from pipelines.jobs import detect_state
from pipelines.jobs.span import LONGEST
from pipelines.platform.lake import Lake


@dataclass(frozen=True)
class Answer:
    """What is said of a series at a window (UTC).

    `said` is one sentence; `kept` are the tests whose numbers are those that the detect loop kept. `incidents` are
    those that the window belongs to.
    """

    product: str
    series: str
    start: datetime
    end: datetime
    said: str
    reasons: tuple[Reason, ...] = ()
    kept: tuple[str, ...] = ()
    alert_open: bool = False
    planned: str | None = None
    muted: bool = False
    history_days: float | None = None
    baseline_until: datetime | None = None
    incidents: tuple[Incident, ...] = ()


def ask(lake: Lake, contract: Contract, series: str, moment: datetime) -> Answer:
    """Every test of a series at the window that a moment (aware) is in.

    Raises:
        UsageError: there is no such metric, or the series is not one that the baseline knows.
    """
    metric = _metric(contract, series)
    contract = responses.heard(contract, responses.read(lake, contract.product))
    start = pd.Timestamp(moment).tz_convert("UTC").floor(contract.window).to_pydatetime()
    blank = Answer(contract.product, series, start, start + contract.window, "")
    tick = store.last_tick(lake, contract.product)
    if tick is None or tick.data_until is None:
        return replace(blank, said=f"not judged: detect has never run, next: pulseiq run live {contract.product}")
    if blank.end > tick.data_until:
        return replace(blank, said=f"not judged yet: the data are known up to {tick.data_until:%Y-%m-%d %H:%M} UTC")
    baseline = detect_state.load_baseline(lake, contract, before=start)
    if not len(baseline):
        return replace(blank, said="not judged: every baseline that is kept was learnt from this window or later ones")
    until = baseline["until"].iloc[0].tz_localize("UTC").to_pydatetime()
    if blank.end > until + LONGEST:
        return replace(
            blank, said=f"not judged: the baseline before it ends at {until:%Y-%m-%d %H:%M} UTC, too long ago"
        )
    series, known = _known(contract, metric, baseline, series)
    blank = replace(blank, series=series)
    incidents = tuple(_of(store.incidents(lake, contract.product), metric, series, blank))
    answer = _judged(lake, contract, replace(blank, incidents=incidents), metric, known, baseline)
    return replace(answer, baseline_until=until, history_days=known.history_days)


def _metric(contract: Contract, series: str) -> Metric:
    """Told before the lake is read: a window that was not judged must not hide that the name is wrong."""
    name = series.partition("{")[0].strip()
    names = [each.name for each in contract.metrics]
    if name not in names:
        near = difflib.get_close_matches(name, names, 5, 0.3) or names
        raise UsageError(f"{contract.product} has no metric '{name}'", hint=f"one of: {', '.join(near)}")
    return contract.metrics[names.index(name)]


def _known(contract: Contract, metric: Metric, baseline: pd.DataFrame, series: str) -> tuple[str, Learnt]:
    """The series as the baseline writes it, and what was learnt of its metric."""
    known = learnt.from_rows(baseline, metric)
    names = {_parts(name): name for name in known.names} if known is not None else {}
    if known is None or _parts(series) not in names:
        every = baseline["series"].tolist()
        near = difflib.get_close_matches(series, every, 5, 0.3) or every[:5]
        raise UsageError(f"no series '{series}' is followed of {contract.product}", hint=f"one of: {'; '.join(near)}")
    return names[_parts(series)], known


def _parts(series: str) -> tuple[str, ...]:
    """What a series' name is made of, whatever the order of its segments."""
    name, _, inside = series.partition("{")
    return name.strip(), *sorted(each.strip() for each in inside.strip().removesuffix("}").split(","))


def _judged(
    lake: Lake, contract: Contract, answer: Answer, metric: Metric, known: Learnt, baseline: pd.DataFrame
) -> Answer:
    row = known.names.index(answer.series)
    seconds = int(contract.window.total_seconds())
    own = known.only([row])
    first, last = own.until, np.datetime64(int(answer.end.timestamp()), "s")
    windows = window_range(first, last, seconds)
    at = windows[-1:]
    begin = datetime.fromtimestamp(int(first.astype("datetime64[s]").astype(np.int64)), UTC)
    usual = {answer.series: float(own.usual[0])}
    frame = local.read(lake, contract, metric, own.dims[0], begin, answer.end, usual=usual)
    told = contract.sensitivity
    silent = exempt.muted(told, metric.name, known.names, at)[:, 0]
    limit = limits(known, told, heard_metrics(baseline, contract, pd.Timestamp(at[0])), silent)[[row]]
    grid = to_grid(frame, metric, windows, own.names)
    judged = judge(grid, own, told, 1, limit)
    found, kept = _as_kept(lake, contract, answer, reasons(judged, answer.series, at[0], told))
    key = pd.DataFrame({"metric": [metric.name], "series": [answer.series], "window_start": [pd.Timestamp(at[0])]})
    planned = str(exempt.plans(told, key, seconds).iloc[0]) or None
    answer = replace(
        answer,
        reasons=tuple(found),
        kept=kept,
        planned=planned,
        muted=bool(silent[row]),
        alert_open=bool(open_alerts(judged)[0, -1]),
    )
    return replace(answer, said=_said(answer))


def _as_kept(
    lake: Lake, contract: Contract, answer: Answer, found: Sequence[Reason]
) -> tuple[list[Reason], tuple[str, ...]]:
    """The numbers of the evidence table where it has any."""
    if not lake.exists(contract.product, "evidence"):
        return list(found), ()
    moment = pa.scalar(answer.start, type=pa.timestamp("us", tz="UTC"))
    where = (pc.field("series") == answer.series) & (pc.field("window_start") == moment)
    rows = {row["test"]: row for row in lake.read(contract.product, "evidence", filter=where).to_pylist()}
    names = ("direction", "value", "expected", "low", "high", "effect", "p_value", "limit", "fired")
    out, kept = [], []
    for each in found:
        row = rows.get(each.test)
        # What was kept of the other direction, or under another sensitivity, missed other conditions.
        if row is not None and (row["direction"], row["fired"]) == (each.direction, each.fired):
            each = replace(each, **{name: row[name] for name in names})
            kept.append(each.test)
        out.append(each)
    return out, tuple(kept)


def _said(answer: Answer) -> str:
    """The answer in one sentence."""
    fired = [each for each in answer.reasons if each.fired]
    if fired:
        tests = ", ".join(each.test for each in fired)
        said = f"alerted: {tests} {'fires' if len(fired) == 1 else 'fire'}"
        if answer.planned:
            return f"{said}, explained by a planned event: {answer.planned}"
        aside = [each for each in answer.incidents if each.held_back and each.quiet]
        return f"{said}, {aside[0].quiet}" if aside else said
    if answer.muted:
        return "no alert: the series is muted"
    # The one that came nearest is the one that a person asks about.
    nearest = min(answer.reasons, key=lambda each: (len(each.missed), each.p_value))
    still = "an alert that was open stays open, but nothing new fires" if answer.alert_open else "no alert"
    return f"{still}: the nearest is the {nearest.test} test, {'; '.join(nearest.missed)}"


def _of(incidents: Sequence[Incident], metric: Metric, series: str, answer: Answer) -> list[Incident]:
    """Incidents of the window in which the series takes part."""
    start, end = (each.astimezone(UTC).replace(tzinfo=None) for each in (answer.start, answer.end))
    return [
        each
        for each in incidents
        if each.since < end
        and start < each.until
        and (each.metric == metric.name or any(moved.startswith(f"{series} ") for moved in each.also_moved))
    ]
