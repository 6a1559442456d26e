"""What belongs to one incident: alerts that move together in time, parents and children alike, and runs of windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from pipelines.detect.alerts import ALERTS


def groups(alerts: pd.DataFrame, gap: pd.Timedelta) -> Iterator[pd.DataFrame]:
    """Alerts whose stretches overlap, or nearly; those of a planned event by themselves."""
    alerts = alerts.reindex(columns=list(ALERTS))
    # Where nobody says, an alert is known from its end on.
    alerts = alerts.assign(planned=alerts["planned"].fillna(""), opened=alerts["opened"].fillna(alerts["end"]))
    for _, part in alerts.groupby("planned", sort=True):
        yield from _overlapping(part, gap)


def _overlapping(alerts: pd.DataFrame, gap: pd.Timedelta) -> Iterator[pd.DataFrame]:
    ordered = alerts.sort_values(["start", "end", "series"], ignore_index=True)
    group: list[int] = [0]
    starts, ends = list(pd.DatetimeIndex(ordered["start"])), list(pd.DatetimeIndex(ordered["end"]))
    latest = ends[0]
    for i in range(1, len(ordered)):
        if starts[i] > latest + gap:
            yield ordered.iloc[group]
            group = []
        group.append(i)
        latest = max(latest, ends[i])
    yield ordered.iloc[group]


def runs(windows: Sequence[pd.Timestamp], gap: pd.Timedelta) -> Iterator[list[pd.Timestamp]]:
    """Windows that are at most `gap` apart, in order."""
    run: list[pd.Timestamp] = []
    for window in sorted(windows):
        if run and window > run[-1] + gap:
            yield run
            run = []
        run.append(window)
    if run:
        yield run
