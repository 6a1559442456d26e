"""Alerts, causes and facts -> incidents: what moves together in time and has one cause is one incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd

from pipelines.contract import Contract
from pipelines.incidents.build import Build
from pipelines.incidents.groups import groups, runs
from pipelines.incidents.record import Incident
from pipelines.incidents.stories import Explain, Stories

# Alerts that are at most this many windows apart belong to one incident.
_GAP_WINDOWS = 3


def assemble(
    contract: Contract,
    alerts: pd.DataFrame,
    evidence: pd.DataFrame,
    facts: pd.DataFrame,
    results: pd.DataFrame,
    explain: Explain,
    *,
    windows: Sequence[datetime],
    confirmed_until: datetime,
    detector_version: str,
    dims: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Incident]:
    """Incidents of the windows that were evaluated.

    Args:
        contract: names metrics and their weights; its order of metrics is from cause to effect.
        alerts: metric, series, direction, start, end, open, p_value, tests, effect, words, opened, planned.
        evidence: metric, series, window_start, test, direction, value, expected, p_value, fired; of the same windows.
        facts: window_start, class, reason, n; of these windows and of those before.
        results: failed quality checks: window_start, check, observed, expected, owner, and judge, `gate` or `audit`.
        explain: called with a metric and a stretch of time, gives its causes.
        windows: starts of the windows that were evaluated (UTC, without zone).
        confirmed_until: windows that end by then no longer change.
        detector_version: goes into the record.
        dims: dimension values of each series that has any.
    """
    step = pd.Timedelta(contract.window)
    gap = step * _GAP_WINDOWS
    now = pd.Timestamp(max(windows)) + step if windows else pd.Timestamp(confirmed_until)
    build = Build(contract, evidence, facts, results, confirmed_until, detector_version, now)
    stories = Stories(contract.metrics, explain, dims or {}, gap)
    found: list[Incident] = []
    covered: set[pd.Timestamp] = set()
    evaluated = [pd.Timestamp(each) for each in windows]
    bad_windows = build.bad_windows(evaluated)
    for group in groups(alerts, gap):
        planned = bool(group["planned"].iloc[0])
        near = [] if planned else _near(group, bad_windows, gap)
        # Bad data and what goes on beside it are one story, and its verdict says of which kind; see `verdict`.
        parts = [stories.one(group, build.leading(group, near))] if near else stories.of(group)
        for story in parts:
            span = _span(story.alerts, near, step)
            covered |= set(span) if not planned else set()
            found.append(build.from_alerts(story, span))
    alone = [window for window in bad_windows if window not in covered]
    covered |= set(alone)
    # An audit speaks of all windows of its range: it neither joins stories nor stretches them, and is told once.
    for run in [*runs(alone, gap), *runs(build.untold(evaluated, covered), gap)]:
        found += build.from_quality(run, step)
    return sorted(found, key=lambda each: (each.since, each.incident_id))


def _near(group: pd.DataFrame, bad_windows: Sequence[pd.Timestamp], gap: pd.Timedelta) -> list[pd.Timestamp]:
    """Windows with findings on the data right before, during or after the alerts."""
    start, end = pd.Timestamp(group["start"].min()), pd.Timestamp(group["end"].max())
    near = []
    for window in bad_windows:
        if start - gap <= window <= end + gap:
            near.append(window)
            start, end = min(start, window), max(end, window)
    return near


def _span(alerts: pd.DataFrame, near: Sequence[pd.Timestamp], step: pd.Timedelta) -> list[pd.Timestamp]:
    """The windows of alerts and of the findings that belong to them."""
    start = min([pd.Timestamp(alerts["start"].min()), *near])
    end = max([pd.Timestamp(alerts["end"].max()), *(window + step for window in near)])
    return list(pd.date_range(start, end - step, freq=step))
