"""Alerts that move together in time -> stories: what has one cause is one, another cause at the same time another.

A parent and its children, and all metrics that one cause moved, stay together: their causes are nested in each other.
Two causes are two stories when neither is a part of the other, when they moved one metric in opposite directions, or
when they moved it at different times. What cannot be localised goes with what it fits best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pipelines.contract import Metric
from pipelines.detect.alerts import stayed_away
from pipelines.detect.grid import ADDITIVE_KINDS
from pipelines.explain import Cause, Explanation

Explain = Callable[[Metric, datetime, datetime], Explanation]
Dims = Mapping[str, str]


@dataclass(frozen=True)
class Story:
    """Alerts of one cause, the one that leads, and the causes of its metric.

    `part` tells it from another story of the same metric that began at the same time, empty for the first.
    """

    alerts: pd.DataFrame
    lead: Any
    explanation: Explanation
    part: str = ""


@dataclass
class _Draft:
    """A story in the making: its metric's causes, and the rows of the alerts that belong to it."""

    metric: str
    explanation: Explanation
    rows: list[int]


class Stories:
    """Finds the stories in a group of alerts; `explain` is asked for as few metrics as can tell."""

    def __init__(
        self, metrics: Sequence[Metric], explain: Explain, dims: Mapping[str, Dims], apart: pd.Timedelta
    ) -> None:
        """`metrics` are in the order from cause to effect, `dims` by series; onsets further `apart` are two."""
        self._metrics = {metric.name: metric for metric in metrics}
        self._order = {metric.name: i for i, metric in enumerate(metrics)}
        self._explain, self._dims, self._apart = explain, dims, apart

    def one(self, group: pd.DataFrame, leading: pd.DataFrame) -> Story:
        """All alerts as one story, led by the first metric of the `leading` ones that can be localised."""
        ranked = self._ranked(leading)
        fallback: tuple[Any, Explanation] | None = None
        for name in dict.fromkeys(ranked["metric"]):
            own = ranked[ranked["metric"] == name]
            found = self._explained(own)
            if _sure(found):
                return Story(group, own.iloc[0], found)
            fallback = fallback or (own.iloc[0], found)
        assert fallback is not None
        return Story(group, *fallback)

    def of(self, group: pd.DataFrame) -> list[Story]:
        """The stories of a group, the one of the first metric first."""
        ranked = self._ranked(group)
        drafts: list[_Draft] = []
        unsure: dict[str, Explanation] = {}
        for name in self._earliest_first(ranked):
            own = ranked[ranked["metric"] == name]
            known = next((draft for draft in drafts if self._tells(draft, own)), None)
            if known is not None:
                known.rows += [place for place, _ in _rows(own)]
                continue
            found = self._explained(own)
            if _sure(found):
                self._add(drafts, own, found)
            else:
                unsure[name] = found
        for name, found in unsure.items():
            own = ranked[ranked["metric"] == name]
            if not drafts:
                drafts.append(_Draft(name, found, []))
            for place, row in _rows(own):
                self._best(drafts, row).rows.append(place)
        return [self._story(draft, ranked, i) for i, draft in enumerate(drafts)]

    def _ranked(self, group: pd.DataFrame) -> pd.DataFrame:
        """Alerts by metric, the whole first, then the rarest."""
        whole = (group["series"] != group["metric"]).astype(int)
        ranked = group.assign(order=group["metric"].map(self._order), whole=whole)
        return ranked.sort_values(["order", "whole", "p_value", "series"], ignore_index=True)

    def _earliest_first(self, ranked: pd.DataFrame) -> list[str]:
        """Metrics in their order, but those that moved long after the first ones behind these: no effect leads."""
        began = ranked.groupby("metric")["start"].min()
        late = began - began.min() > self._apart
        return sorted(dict.fromkeys(ranked["metric"]), key=lambda name: bool(late[name]))

    def _explained(self, own: pd.DataFrame) -> Explanation:
        metric = self._metrics[own["metric"].iloc[0]]
        if metric.kind not in ADDITIVE_KINDS and own["tests"].map(stayed_away).all():
            # The rates of those who still come say nothing of those who do not.
            return Explanation((), (), everywhere=False, rate_mix=None)
        return self._explain(metric, own["start"].min().to_pydatetime(), own["end"].max().to_pydatetime())

    def _tells(self, draft: _Draft, own: pd.DataFrame) -> bool:
        """Whether a story's cause tells of all alerts of a further metric, so that nobody needs to search again."""
        strongest = self._of(min((row for _, row in _rows(own)), key=lambda row: float(row.p_value)))
        for cause in draft.explanation.causes:
            fits = all(_compatible(self._of(row), cause.elements) for _, row in _rows(own))
            if strongest and cause.elements and fits and _nested(strongest, cause.elements):
                return True
        return False

    def _add(self, drafts: list[_Draft], own: pd.DataFrame, found: Explanation) -> None:
        """The alerts of a metric to the stories of its causes, new ones where there are none."""
        themes = self._themes(own, found)
        homes = []
        for theme in themes:
            home = next((draft for draft in drafts if _same(draft.explanation.causes, theme.causes)), None)
            if home is None:
                home = _Draft(str(own["metric"].iloc[0]), theme, [])
                drafts.append(home)
            homes.append(home)
        for place, row in _rows(own):
            fits = [self._fit(theme.causes, row) for theme in themes]
            homes[fits.index(max(fits))].rows.append(place)
        drafts[:] = [draft for draft in drafts if draft.rows]

    def _themes(self, own: pd.DataFrame, found: Explanation) -> list[Explanation]:
        """Causes of one metric that go together: in the same direction, and from the same time on.

        A cause without an alert of its own that would tell it from the others stays with the first.
        """
        themes: list[list[Cause]] = []
        onsets: list[pd.Timestamp | None] = []
        for cause in found.causes:
            onset = self._onset(own, cause, found.causes)
            for i, theme in enumerate(themes):
                alike = (theme[0].shift > 0) == (cause.shift > 0)
                began = onsets[i]
                if onset is None or (alike and (began is None or abs(onset - began) <= self._apart)):
                    theme.append(cause)
                    break
            else:
                themes.append([cause])
                onsets.append(onset)
        return [replace(found, causes=tuple(theme)) for theme in themes]

    def _onset(self, own: pd.DataFrame, cause: Cause, causes: Sequence[Cause]) -> pd.Timestamp | None:
        """When the alerts began that are of this cause, and of none of the others."""
        direction = "up" if cause.shift > 0 else "down"
        others = [each for each in causes if each is not cause and (each.shift > 0) == (cause.shift > 0)]
        starts = [
            row.start
            for _, row in _rows(own)
            if row.direction == direction
            and (dims := self._of(row))
            and _nested(dims, cause.elements)
            and not any(_nested(dims, each.elements) for each in others)
        ]
        return min(starts) if starts else None

    def _best(self, drafts: Sequence[_Draft], row: Any) -> _Draft:
        return max(drafts, key=lambda draft: self._fit(draft.explanation.causes, row)[1:])

    def _fit(self, causes: Sequence[Cause], row: Any) -> tuple[bool, bool, int]:
        """In the same direction as a metric's causes, not outside of them, and with how many values in common."""
        dims = self._of(row)
        same = any((cause.shift > 0) == (row.direction == "up") for cause in causes)
        inside = [cause for cause in causes if _compatible(dims, cause.elements)]
        common = max((len(dims.items() & cause.elements.items()) for cause in inside), default=0)
        return same, bool(inside), common

    def _of(self, row: Any) -> Dims:
        return self._dims.get(str(row.series), {})

    def _story(self, draft: _Draft, ranked: pd.DataFrame, number: int) -> Story:
        rows = ranked.loc[sorted(draft.rows)]
        own = rows[rows["metric"] == draft.metric]
        part = "" if not number else "; ".join(cause.words for cause in draft.explanation.causes)
        return Story(rows.drop(columns=["order", "whole"]), own.iloc[0], draft.explanation, part)


def _rows(alerts: pd.DataFrame) -> Iterator[tuple[int, Any]]:
    """Place and row of each alert."""
    return zip(alerts.index.to_numpy(dtype=np.int64).tolist(), alerts.itertuples(index=False), strict=True)


def _sure(found: Explanation) -> bool:
    return bool(found.causes) and found.causes[0].confident


def _same(one: Sequence[Cause], other: Sequence[Cause]) -> bool:
    """Whether any cause of one is any of the other, or a part of it, or holds it; everywhere is only itself."""
    return any(_nested(a.elements, b.elements) and bool(a.elements) == bool(b.elements) for a in one for b in other)


def _nested(one: Dims, other: Dims) -> bool:
    return one.items() <= other.items() or other.items() <= one.items()


def _compatible(one: Dims, other: Dims) -> bool:
    """Whether two segments have anything in common."""
    return all(other.get(name, value) == value for name, value in one.items())
