"""One story, or a run of windows with bad data -> its record: figures, verdict, severity, course through time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipelines.contract import Contract, Metric
from pipelines.contract.sensitivity import DATA
from pipelines.detect import exempt
from pipelines.detect.alerts import QUIET_WINDOWS
from pipelines.detect.grid import ADDITIVE_KINDS, Mask, series_name
from pipelines.explain import Cause, Explanation
from pipelines.incidents import lifecycle, told, verdict
from pipelines.incidents.record import CauseLine, Incident, Level, incident_id
from pipelines.incidents.severity import Inputs, severity
from pipelines.incidents.stories import Story


class Build:
    """Makes single incidents; holds what all of them share."""

    def __init__(
        self,
        contract: Contract,
        evidence: pd.DataFrame,
        facts: pd.DataFrame,
        results: pd.DataFrame,
        confirmed_until: datetime,
        detector_version: str,
        now: pd.Timestamp,
    ) -> None:
        self._now = now
        self._contract, self._evidence, self._facts, self._results = contract, evidence, facts, results
        self._confirmed_until = pd.Timestamp(confirmed_until)
        self._version = detector_version
        self._step = pd.Timedelta(contract.window)
        self._metrics = {metric.name: metric for metric in contract.metrics}
        self._mean_weight = float(np.mean([metric.weight for metric in contract.metrics]))

    def bad_windows(self, windows: Sequence[pd.Timestamp]) -> list[pd.Timestamp]:
        """Windows whose data is wrong by themselves."""
        none = self._results.iloc[:0]
        return [
            window
            for window in verdict.suspects(self._facts, windows)
            if verdict.inspect(self._facts, [window], none).bad
        ]

    def untold(self, windows: Sequence[pd.Timestamp], told_of: set[pd.Timestamp]) -> list[pd.Timestamp]:
        """Windows in which an audit found what no incident of the windows told of says already."""
        audit = self._results[(self._results["judge"] == "audit") & self._results["window_start"].isin(list(windows))]
        said = set(audit.loc[audit["window_start"].isin(told_of), "check"])
        rest = audit[~audit["check"].isin(said) & ~audit["window_start"].isin(told_of)]
        return sorted(set(rest["window_start"]))

    def leading(self, group: pd.DataFrame, near: Sequence[pd.Timestamp]) -> pd.DataFrame:
        """The alerts of a group that can lead its incident: those that findings on the data do not explain, if any."""
        beyond = self._beyond(self.quality(near), group)
        return group[beyond] if beyond.any() else group

    def from_alerts(self, story: Story, span: list[pd.Timestamp]) -> Incident:
        """The incident of alerts that go together."""
        group, lead, explanation = story.alerts, story.lead, story.explanation
        metric = self._metrics[lead["metric"]]
        quality = self.quality(span)
        evidence = self._evidence[self._evidence["window_start"].isin(span) & self._evidence["fired"]]
        moved = sorted(set(evidence.loc[evidence["series"].isin(group["series"]), "window_start"]))
        change = self._change(metric, span)
        short = -change if change is not None and metric.kind in ADDITIVE_KINDS else 0.0
        name = verdict.judge(quality, moved, short, bool(self._beyond(quality, group).any()))
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
        is_open, planned = bool(group["open"].any()), group["planned"].iloc[0] or None
        # A finding on the data can be there before any metric moves.
        opened = min([group["opened"].min(), *(each + self._step for each in quality.windows)])
        return Incident(
            **self._course(level.level, opened, until, is_open, planned),
            incident_id=incident_id(self._contract.product, metric.name, since.to_pydatetime(), story.part),
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
            also_moved=told.also_moved(lead, group),
            severity=level,
            p_value=p_value,
            why=told.why(lead, group),
            quality=told.quality_words(self._inside(span)),
            rate_mix=told.mix_words(explanation),
            next_steps=told.next_steps(self._contract.product, name, causes, since, quality, self._owners),
            detector_version=self._version,
        )

    def from_quality(self, run: list[pd.Timestamp], step: pd.Timedelta) -> list[Incident]:
        """The incident of windows in which only the data is wrong, unless nobody wants to hear of that."""
        times, wanted = np.array(run, dtype="datetime64[s]"), self._contract.sensitivity
        if exempt.muted(wanted, DATA, [DATA], times).all():
            return []
        plans = exempt.plans(
            wanted,
            pd.DataFrame({"metric": DATA, "series": DATA, "window_start": run}),
            int(self._contract.window.total_seconds()),
        )
        quality = self.quality(run)
        since, until = run[0], run[-1] + step
        share = quality.share
        level = severity(
            Inputs(
                relative_change=share,
                weight=1.0,
                p_value=quality.p_value,
                breadth=share,
                duration=timedelta(seconds=(until - since).total_seconds()),
            )
        )
        is_open = quality.held or until + step * QUIET_WINDOWS > self._now
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
            quality=told.quality_words(self._inside(run)),
            rate_mix=None,
            next_steps=told.next_steps(self._contract.product, "bad data", [], since, quality, self._owners),
            detector_version=self._version,
        )
        return [incident]

    def quality(self, span: Sequence[pd.Timestamp]) -> verdict.Quality:
        """What is wrong with the data of these windows."""
        return verdict.inspect(self._facts, span, self._failed(span))

    def _beyond(self, quality: verdict.Quality, group: pd.DataFrame) -> Mask:
        """Which alerts of a group its data's findings do not explain, (alerts,); none where there is no finding."""
        if not quality.bad:
            return np.zeros(len(group), dtype=bool)
        return np.array(
            [
                not verdict.explains(quality, self._metrics[str(row["metric"])], str(row["direction"]), row["tests"])
                or self._was_there(row, min(quality.windows))
                for _, row in group.iterrows()
            ]
        )

    def _was_there(self, alert: Any, before: pd.Timestamp) -> bool:
        """Whether an alert had windows enough before this one, of which no finding speaks."""
        evidence = self._evidence
        own = (
            evidence["fired"] & (evidence["series"] == alert["series"]) & (evidence["direction"] == alert["direction"])
        )
        since = alert["opened"] - self._step
        windows = evidence.loc[own, "window_start"]
        return bool(windows[(windows >= since) & (windows < before)].nunique() >= verdict.ENOUGH_WINDOWS)

    def _change(self, metric: Metric, span: list[pd.Timestamp]) -> float | None:
        """Relative change of the whole metric over its windows."""
        own = self._evidence[
            (self._evidence["series"] == metric.name)
            & self._evidence["window_start"].isin(span)
            & (self._evidence["test"] == "point")
        ].dropna(subset=["value", "expected"])
        expected = float(own["expected"].sum())
        return float(own["value"].sum()) / expected - 1 if len(own) and expected > 0 else None

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

    def _failed(self, span: Sequence[pd.Timestamp]) -> pd.DataFrame:
        """Failed checks of these windows."""
        inside = self._results["window_start"].isin(list(span))
        return self._results[inside].sort_values(["check", "window_start"])

    def _inside(self, span: Sequence[pd.Timestamp]) -> pd.DataFrame:
        return self._facts[self._facts["window_start"].isin(list(span))]

    @property
    def _owners(self) -> list[str]:
        return sorted(set(self._results["owner"])) if len(self._results) else []

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
