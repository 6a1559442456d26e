"""Alerts, causes and facts -> incidents: what moves together in time is one incident, led by its most basic metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipelines.contract import Contract, Metric
from pipelines.contract.sensitivity import DATA
from pipelines.detect import exempt
from pipelines.detect.alerts import QUIET_WINDOWS
from pipelines.detect.grid import series_name
from pipelines.explain import Cause, Explanation
from pipelines.incidents import lifecycle, verdict
from pipelines.incidents.groups import groups, runs
from pipelines.incidents.record import CauseLine, Incident, Level, incident_id
from pipelines.incidents.severity import Inputs, severity

Explain = Callable[[Metric, datetime, datetime], Explanation]

# Alerts that are at most this many windows apart belong to one incident.
_GAP_WINDOWS = 3
_WHY_LINES = 6


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
) -> list[Incident]:
    """Incidents of the windows that were evaluated.

    Args:
        contract: names metrics and their weights; its order of metrics is from cause to effect.
        alerts: metric, series, direction, start, end, open, p_value, tests, effect, words, opened, planned.
        evidence: metric, series, window_start, test, direction, value, expected, p_value, fired; of the same windows.
        facts: window_start, class, reason, n; of these windows and of those before.
        results: failed quality checks: window_start (of the batch), check, observed, expected, owner.
        explain: called with a metric and a stretch of time, gives its causes.
        windows: starts of the windows that were evaluated (UTC, without zone).
        confirmed_until: windows that end by then no longer change.
        detector_version: goes into the record.
    """
    step = pd.Timedelta(contract.window)
    now = pd.Timestamp(max(windows)) + step if windows else pd.Timestamp(confirmed_until)
    build = _Build(contract, evidence, facts, results, explain, confirmed_until, detector_version, now)
    found: list[Incident] = []
    covered: set[pd.Timestamp] = set()
    bad_windows = build.bad_windows([pd.Timestamp(each) for each in windows])
    for group in groups(alerts, step * _GAP_WINDOWS):
        start, end = pd.Timestamp(group["start"].min()), pd.Timestamp(group["end"].max())
        planned = bool(group["planned"].iloc[0])
        # Findings on the data right before or after belong to the same story, unless that is one of a planned event.
        for window in bad_windows if not planned else ():
            if start - step * _GAP_WINDOWS <= window <= end + step * _GAP_WINDOWS:
                start, end = min(start, window), max(end, window + step)
        span = list(pd.date_range(start, end - step, freq=step))
        covered |= set(span) if not planned else set()
        found.append(build.from_alerts(group, span))
    for run in runs([window for window in bad_windows if window not in covered], step * _GAP_WINDOWS):
        found += build.from_quality(run, step)
    return sorted(found, key=lambda each: (each.since, each.incident_id))


class _Build:
    """Makes single incidents; holds what all of them share."""

    def __init__(
        self,
        contract: Contract,
        evidence: pd.DataFrame,
        facts: pd.DataFrame,
        results: pd.DataFrame,
        explain: Explain,
        confirmed_until: datetime,
        detector_version: str,
        now: pd.Timestamp,
    ) -> None:
        self._now = now
        self._contract, self._evidence, self._facts, self._results = contract, evidence, facts, results
        self._explain = explain
        self._confirmed_until = pd.Timestamp(confirmed_until)
        self._version = detector_version
        self._step = pd.Timedelta(contract.window)
        self._mean_weight = float(np.mean([metric.weight for metric in contract.metrics]))

    def bad_windows(self, windows: Sequence[pd.Timestamp]) -> list[pd.Timestamp]:
        """Windows whose data is wrong by themselves."""
        classes = set(self._facts["class"]) if len(self._facts) else set()
        if not classes & {"held", "quarantine", "duplicates", "late"}:
            return []
        none = self._results.iloc[:0]
        return [window for window in windows if verdict.inspect(self._facts, [window], none).bad]

    def from_alerts(self, group: pd.DataFrame, span: list[pd.Timestamp]) -> Incident:
        """The incident of alerts that go together."""
        lead, explanation = self._lead(group)
        metric = next(each for each in self._contract.metrics if each.name == lead["metric"])
        quality = verdict.inspect(self._facts, span, self._failed(span))
        evidence = self._evidence[self._evidence["window_start"].isin(span) & self._evidence["fired"]]
        moved = sorted(set(evidence["window_start"]))
        change, missing = self._change(metric, span)
        name = verdict.judge(quality, moved, missing)
        causes = [_line(each, self._own_change(metric, each, span)) for each in explanation.causes]
        breadth = self._breadth(explanation)
        since, until = span[0], span[-1] + self._step
        p_value = float(group["p_value"].min())
        level = severity(
            Inputs(
                relative_change=change if change is not None else float(lead["effect"] or 0),
                weight=metric.weight / self._mean_weight,
                p_value=p_value,
                breadth=breadth,
                duration=timedelta(seconds=(until - since).total_seconds()),
            )
        )
        opened, is_open, planned = group["opened"].min(), bool(group["open"].any()), group["planned"].iloc[0] or None
        return Incident(
            **self._course(level.level, opened, until, is_open, planned),
            incident_id=incident_id(self._contract.product, metric.name, since.to_pydatetime()),
            product=self._contract.product,
            verdict=name,
            verdict_evidence=quality.findings or ("no finding on the data of these windows",),
            data_headline=quality.headline,
            metric=metric.name,
            title=metric.title,
            direction=str(lead["direction"]),
            change=change,
            since=since.to_pydatetime(),
            until=until.to_pydatetime(),
            causes=tuple(causes),
            candidates=tuple(_line(each) for each in explanation.ranked[:5]),
            also_moved=_also_moved(lead, group),
            severity=level,
            p_value=p_value,
            why=_why(lead, group),
            quality=self._quality_words(span),
            rate_mix=_mix_words(explanation),
            next_steps=self._next(name, causes, since, quality),
            detector_version=self._version,
        )

    def from_quality(self, run: list[pd.Timestamp], step: pd.Timedelta) -> list[Incident]:
        """The incident of windows in which only the data is wrong, unless nobody wants to hear of that."""
        times, told = np.array(run, dtype="datetime64[s]"), self._contract.sensitivity
        if exempt.muted(told, DATA, [DATA], times).all():
            return []
        plans = exempt.plans(
            told,
            pd.DataFrame({"metric": DATA, "series": DATA, "window_start": run}),
            int(self._contract.window.total_seconds()),
        )
        quality = verdict.inspect(self._facts, run, self._failed(run))
        since, until = run[0], run[-1] + step
        arrived = int(self._facts[self._facts["window_start"].isin(run)]["n"].sum())
        share = min(1.0, quality.affected / max(arrived, 1))
        level = severity(
            Inputs(
                relative_change=share,
                weight=1.0,
                p_value=quality.p_value,
                breadth=share,
                duration=timedelta(seconds=(until - since).total_seconds()),
            )
        )
        held = bool((self._facts[self._facts["window_start"].isin(run)]["class"] == "held").any())
        is_open = held or until + step * QUIET_WINDOWS > self._now
        incident = Incident(
            **self._course(level.level, run[0] + step, until, is_open, plans.iloc[0] if plans.all() else None),
            incident_id=incident_id(self._contract.product, DATA, since.to_pydatetime()),
            product=self._contract.product,
            verdict="bad data",
            verdict_evidence=quality.findings,
            data_headline=quality.headline,
            metric=DATA,
            title="Data quality",
            direction="down",
            change=None,
            since=since.to_pydatetime(),
            until=until.to_pydatetime(),
            causes=(),
            candidates=(),
            also_moved=(),
            severity=level,
            p_value=quality.p_value,
            why=quality.findings,
            quality=self._quality_words(run),
            rate_mix=None,
            next_steps=self._next("bad data", [], since, quality),
            detector_version=self._version,
        )
        return [incident]

    def _lead(self, group: pd.DataFrame) -> tuple[Any, Explanation]:
        """The alert that leads, with its causes: the first metric of the contract that moved and can be localised."""
        order = {metric.name: i for i, metric in enumerate(self._contract.metrics)}
        ranked = group.assign(
            order=group["metric"].map(order), whole=(group["series"] != group["metric"]).astype(int)
        ).sort_values(["order", "whole", "p_value", "series"])
        fallback: tuple[Any, Explanation] | None = None
        for name in dict.fromkeys(ranked["metric"]):
            own = ranked[ranked["metric"] == name]
            lead = own.iloc[0]
            metric = next(each for each in self._contract.metrics if each.name == name)
            start, end = own["start"].min(), own["end"].max()
            found = self._explain(metric, start.to_pydatetime(), end.to_pydatetime())
            if found.causes and found.causes[0].confident:
                return lead, found
            fallback = fallback or (lead, found)
        assert fallback is not None
        return fallback

    def _change(self, metric: Metric, span: list[pd.Timestamp]) -> tuple[float | None, float]:
        """Relative change of the whole metric over its windows, and how many events a count fell short by."""
        own = self._evidence[
            (self._evidence["series"] == metric.name)
            & self._evidence["window_start"].isin(span)
            & (self._evidence["test"] == "point")
        ].dropna(subset=["value", "expected"])
        expected = float(own["expected"].sum())
        if not len(own) or expected <= 0:
            return None, 0.0
        change = float(own["value"].sum()) / expected - 1
        missing = max(0.0, expected - float(own["value"].sum())) if metric.kind == "count" else 0.0
        return change, missing

    def _own_change(self, metric: Metric, cause: Cause, span: list[pd.Timestamp]) -> float | None:
        """Relative change of the metric in a cause's own segment."""
        if metric.kind != "quantile":
            return cause.actual / cause.expected - 1 if cause.expected > 0 else None
        # A quantile's leaves count slow events; its value is known of the segments that are followed.
        own = self._evidence[
            (self._evidence["series"] == series_name(metric.name, cause.elements))
            & self._evidence["window_start"].isin(span)
            & (self._evidence["test"] == "point")
        ]
        expected = float(own["expected"].sum())
        return float(own["value"].sum()) / expected - 1 if expected > 0 else None

    @staticmethod
    def _breadth(explanation: Explanation) -> float:
        """Share of the expected total that lies in the causes."""
        parts = [each.share / each.lift for each in explanation.causes if each.lift and np.isfinite(each.lift)]
        return float(min(1.0, sum(abs(part) for part in parts))) if parts else 1.0

    def _failed(self, span: list[pd.Timestamp]) -> pd.DataFrame:
        """Failed checks of the batches of these windows, each check once."""
        if not len(self._results):
            return self._results
        inside = self._results["window_start"].isin(span)
        return self._results[inside].drop_duplicates("check").sort_values("check")

    def _quality_words(self, span: list[pd.Timestamp]) -> tuple[str, ...]:
        if not len(self._facts):
            return ()
        totals = self._facts[self._facts["window_start"].isin(span)].groupby("class")["n"].sum()
        names = ("silver", "held", "quarantine", "duplicates", "late")
        return tuple(f"{name} {int(totals.get(name, 0)):,}" for name in names)

    def _course(
        self, level: Level, opened: pd.Timestamp, until: pd.Timestamp, is_open: bool, planned: str | None
    ) -> dict[str, Any]:
        """The record's fields on its course through time."""
        words, held_back = lifecycle.quiet(
            self._contract.sensitivity, opened.to_pydatetime(), until.to_pydatetime(), level
        )
        over = None if is_open else (until + self._step * QUIET_WINDOWS).to_pydatetime()
        confirmed = self._confirmed_until.to_pydatetime()
        return {
            "open": is_open,
            "opened": opened.to_pydatetime(),
            "state": lifecycle.state(opened=opened.to_pydatetime(), over=over, confirmed_until=confirmed),
            "planned": planned,
            "quiet": words,
            "held_back": held_back,
        }

    def _next(
        self, name: str, causes: Sequence[CauseLine], since: pd.Timestamp, quality: verdict.Quality
    ) -> tuple[str, ...]:
        product, steps = self._contract.product, []
        if name != "changed behaviour":
            held = any("held by" in finding for finding in quality.findings)
            owners = sorted(set(self._results["owner"])) if len(self._results) else []
            if held:
                steps.append(f"pulseiq quality held list {product}: look at the batch, then release or reject it")
            if owners:
                steps.append(f"tell the owners of the failed checks: {', '.join(owners)}")
            steps.append("find the producer or release that began to send these events, and stop or roll it back")
        if name != "bad data":
            where = causes[0].words if causes and causes[0].elements else "all segments"
            steps.append(f"what changed for {where} shortly before {since:%H:%M} UTC: a release, a setting, an outage?")
            steps.append("compare one raw event of the segment before and after that time")
        return tuple(steps)


def _line(cause: Cause, change: float | None = None) -> CauseLine:
    return CauseLine(
        elements=cause.elements,
        change=None if change is None else round(change, 4),
        actual=round(cause.actual, 4),
        expected=round(cause.expected, 4),
        share=round(cause.share, 4),
        consistency=cause.consistency,
        confident=cause.confident,
    )


def _why(lead: Any, group: pd.DataFrame) -> tuple[str, ...]:
    """The alerts in words, the leading one first; series that fell silent are counted in one line."""
    others = group[group["series"] != lead["series"]].sort_values(["p_value", "series"])
    silent = _silent(others)
    lines = list(dict.fromkeys([str(lead["words"]), *others.loc[~silent, "words"].astype(str)]))[:_WHY_LINES]
    return (
        (*lines, f"no events in {_series(silent.sum())} that had some at such times") if silent.any() else tuple(lines)
    )


def _also_moved(lead: Any, group: pd.DataFrame) -> tuple[str, ...]:
    """The other alerts' series and directions; those that fell silent are counted."""
    others = group[group["series"] != lead["series"]]
    silent = _silent(others)
    moved = list(dict.fromkeys(f"{row.series} {row.direction}" for row in others[~silent].itertuples()))
    return (*moved, f"{_series(silent.sum())} silent") if silent.any() else tuple(moved)


def _silent(alerts: pd.DataFrame) -> pd.Series[bool]:
    return alerts["tests"].map(lambda tests: "missing" in tests).astype(bool)


def _series(count: int) -> str:
    return f"{count:,} other series"


def _mix_words(explanation: Explanation) -> str | None:
    split = explanation.rate_mix
    if split is None:
        return None
    return f"of the change of {split.total:+.4f}, {split.rate:+.4f} is rate and {split.mix:+.4f} is mix of segments"
