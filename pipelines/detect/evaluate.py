"""Judge every window of every series against the baseline.

A window's p-value per test comes from the series' own past. The tests of a series count together by the smallest of
them times their number (Bonferroni), the series of a product by shares of the allowance that the user gave: "at most N
false alerts a week". What crosses its limit fires if it is large enough to matter, and not the work of one window alone
unless that window is extreme.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipelines.contract import Contract, Sensitivity
from pipelines.detect import evidence, exempt, families, learnt, level, statistics
from pipelines.detect.alerts import active
from pipelines.detect.grid import Floats, Grid, Mask, Times, to_grid, window_range
from pipelines.detect.judged import Judged
from pipelines.detect.learnt import Crowd, Learnt
from pipelines.detect.profile import Calendar
from pipelines.detect.statistics import Sums
from pipelines.errors import StateError

# A window this far below the limit needs no second one.
_EXTREME = 1e-3
_ECHO_P = 0.02
_ECHO_WINDOWS = 3
_WITHOUT_LARGEST = 2.0
_SCORE_CUT = 4.0
_MOST_PASSES = 4
# What one test of one series sees by chance, others see too, and it is one alert; and what is rare must also be large
# and last. So the limits may add up to several times the allowance N, and the more is allowed, the more of what crosses
# is small or told already: to TOGETHER times N^GROWTH. `python -m benchmarks.calibration` counts.
TOGETHER, GROWTH = 6.0, 0.25


@dataclass(frozen=True)
class Allowance:
    """Among whom a product's false alerts are shared: so many metrics, and of each all series and those not muted."""

    metrics: int
    crowds: Mapping[str, tuple[Crowd, Crowd]]

    @classmethod
    def of(cls, contract: Contract, crowds: Mapping[str, tuple[Crowd, Crowd]], last: Times) -> Allowance:
        """From the series that were counted, wherever they are; `last` is the window that mutes are asked of, (1,)."""
        silent = sum(
            crowds[each.name][1] == Crowd(0, 0)
            if each.name in crowds
            else bool(exempt.muted(contract.sensitivity, each.name, [each.name], last).all())
            for each in contract.metrics
        )
        return cls(max(len(contract.metrics) - silent, 1), crowds)


def evaluate(
    series: pd.DataFrame, baseline: pd.DataFrame, contract: Contract, allowance: Allowance | None = None
) -> pd.DataFrame:
    """Evidence of every window from the baseline's `until` to the last one in the frame.

    Args:
        series: series frame of finished windows, from the baseline's `until` on; a window without rows was empty.
        baseline: from `baseline.fit`, of one run.
        contract: metrics, window, and sensitivity.
        allowance: among whom false alerts are shared, where the baseline holds only some of the series.

    Returns:
        Frame with `evidence.COLUMNS`, one row per series, window and test: all rows of whole metrics, and those rows of
        parts that are notable (p <= 0.01) or fired.

    Raises:
        StateError: the frame has windows that the baseline was learnt from, or the baseline is of several runs.
    """
    if not len(series) or not len(baseline):
        return pd.DataFrame(columns=list(evidence.COLUMNS))
    seconds = int(contract.window.total_seconds())
    first, last = series["window_start"].min(), series["window_start"].max()
    until = baseline["until"].max()
    if first < until:
        raise StateError(
            f"window {first} is part of the baseline, which was learnt until {until}",
            hint="evaluate windows after it, or learn the baseline until an earlier time",
        )
    windows = window_range(until.to_datetime64(), (last + pd.Timedelta(seconds=seconds)).to_datetime64(), seconds)
    told = contract.sensitivity
    metrics = heard_metrics(baseline, contract, last) if allowance is None else allowance.metrics
    parts = []
    for metric in contract.metrics:
        known = learnt.from_rows(baseline, metric)
        if known is not None:
            limit = None
            if allowance is not None:
                muted = exempt.muted(told, metric.name, known.names, windows[-1:])[:, 0]
                limit = limits(known, told, metrics, muted, allowance.crowds[metric.name])
            grid = to_grid(series, metric, windows, known.names)
            parts.append(evidence.rows(judge(grid, known, told, metrics, limit)))
    found = [part for part in parts if len(part)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(evidence.COLUMNS))


def heard_metrics(baseline: pd.DataFrame, contract: Contract, last: pd.Timestamp) -> int:
    """How many metrics share the allowance: all but those whose every series is muted in the last window."""
    at = np.array([last.to_datetime64()], dtype="datetime64[s]")
    silent = 0
    for metric in contract.metrics if contract.sensitivity.mute else ():
        names = baseline.loc[baseline["metric"] == metric.name, "series"].tolist() or [metric.name]
        silent += int(exempt.muted(contract.sensitivity, metric.name, names, at).all())
    return max(len(contract.metrics) - silent, 1)


def limits(
    known: Learnt,
    sensitivity: Sensitivity,
    metrics: int,
    muted: Mask | None = None,
    crowds: tuple[Crowd, Crowd] | None = None,
) -> Floats:
    """p-value that each series must reach in one window, its tests counted, (series,).

    The allowance per week times what `together` says, spread evenly over windows and metrics, and over series by
    `Crowd.weights`. Series that are `muted` (series,) take no part of it; they are shown beside what they would have
    to reach. `crowds` are all of the metric's series and those not muted, where `known` has only some of them.
    """
    asked = sensitivity.false_alerts_per_week
    per_window = together(asked) * asked * known.window_seconds / (7 * 86_400)
    loud = np.arange(len(known.dims)) if muted is None else np.flatnonzero(~muted)
    every, heard = crowds or (Crowd.of(known.dims), Crowd.of([known.dims[i] for i in loud]))
    weights = every.weights(known.dims)
    if heard != Crowd(0, 0):
        weights[loud] = heard.weights([known.dims[i] for i in loud])
    return np.asarray(per_window / metrics * weights)


def together(asked: float) -> float:
    """How many times the allowance (alerts a week) all limits may add up to."""
    return float(TOGETHER * asked**GROWTH)


def judge(grid: Grid, known: Learnt, sensitivity: Sensitivity, metrics: int, limit: Floats | None = None) -> Judged:
    """All tests of one metric's windows; the level is frozen wherever an alert is open or an event was planned.

    `limit` (series,) is given where these are not all of the metric's series.
    """
    week = Calendar.of(grid.windows, known.window_seconds).of_week()
    eta, volume = known.table[:, week], known.volume[:, week]
    y, w = families.observed(grid, volume, known.logarithmic)
    planned = exempt.planned(sensitivity, grid.metric.name, grid.names, grid.windows, known.window_seconds)
    muted = exempt.muted(sensitivity, grid.metric.name, grid.names, grid.windows)
    if limit is None:
        limit = limits(known, sensitivity, metrics, muted[:, -1] if muted.size else None)
    keep = level.memory(known.window_seconds)
    plain = known.dispersion["point"]
    frozen = planned
    judged = None
    # What is frozen at one window changes only later ones, so that few passes settle it.
    for _ in range(_MOST_PASSES):
        followed = level.follow(known.family, y, w, eta, plain, known.drift, keep, known.state, known.variance, frozen)
        judged = _judge_apart(
            grid, known, limit, sensitivity, _Data(y, w, eta, volume, followed.predicted, planned, muted)
        )
        alarmed = open_alerts(judged) | planned
        if (alarmed == frozen).all():
            break
        frozen = alarmed
    assert judged is not None
    return judged.silenced()


def open_alerts(judged: Judged) -> Mask:
    """Windows in which the series has an open alert in either direction, (series, windows)."""
    out = np.zeros(judged.grid.value.shape, dtype=bool)
    for direction in ("up", "down"):
        keys = [key for key in judged.p if key[1] == direction]
        fired = np.logical_or.reduce([judged.fired[key] for key in keys], axis=0)
        if np.any(fired):
            notable = np.logical_or.reduce([judged.p[key] <= evidence.NOTABLE for key in keys], axis=0)
            for row in np.flatnonzero(fired.any(axis=1)):
                out[row] |= active(fired[row], notable[row])
    return out


@dataclass(frozen=True)
class _Data:
    y: Floats
    w: Floats
    eta: Floats
    volume: Floats
    predicted: Floats
    planned: Mask
    muted: Mask


def _judge_apart(grid: Grid, known: Learnt, limit: Floats, sensitivity: Sensitivity, data: _Data) -> Judged:
    """Planned windows with all that happened; the others as though the planned ones had been as usual."""
    judged = _judge(grid, known, limit, sensitivity, data)
    if not data.planned.any():
        return judged
    usual = np.where(data.planned, families.mean(known.family, data.eta + data.predicted, data.w), data.y)
    n, denominator = (np.where(data.planned, data.volume, part) for part in (grid.n, grid.denominator))
    value = grid.value
    if known.shown is not None:
        week = Calendar.of(grid.windows, known.window_seconds).of_week()
        value = np.where(data.planned, known.shown[:, week], value)
    calm = replace(grid, n=n, denominator=denominator, value=value)
    return judged.apart(_judge(calm, known, limit, sensitivity, replace(data, y=usual)))


def _judge(grid: Grid, known: Learnt, limit: Floats, sensitivity: Sensitivity, data: _Data) -> Judged:
    directions = statistics.hurting(grid.metric)
    sums: dict[str, Sums] = {}
    statistic: dict[tuple[str, str], Floats] = {}
    p: dict[tuple[str, str], Floats] = {}
    for test in statistics.CALIBRATED:
        part = statistics.sums_of(test, known.family, data.y, data.w, data.eta, data.predicted)
        for direction, value in statistics.values(test, known.family, part, known.dispersion[test], directions).items():
            statistic[test, direction] = value
            p[test, direction] = np.minimum(known.tail[test, direction].p_value(value) * len(directions), 1.0)
        sums[test] = part
    point = statistics.normal_score(
        *families.surprise(known.family, sums["point"].y, sums["point"].m, sums["point"].w, known.dispersion["point"])
    )
    # A drift is shown by the longest stretch, which is what people can check.
    sums["drift"] = sums["long"]
    events = grid.denominator if grid.metric.kind == "ratio" else grid.n
    nats, awaited = statistics.missing(events, data.volume, known.volume_dispersion)
    statistic["missing", "down"], p["missing", "down"] = nats, np.exp(-nats)
    sums["missing"] = Sums(np.zeros_like(awaited), awaited, awaited, np.ones_like(awaited))
    effect = {test: evidence.effect(grid, known, part, test) for test, part in sums.items()}
    fired, met = {}, {}
    for test, direction in p:
        sign = 1.0 if direction == "up" else -1.0
        part = sums[test]
        strong = p[test, direction] <= (limit / len(statistics.TESTS))[:, None]
        large = np.nan_to_num(effect[test]) * sign >= sensitivity.min_effect
        seen = part.m if known.family == "count" or test == "missing" else part.w
        many = np.maximum(seen, part.y if known.family == "count" else 0.0) >= sensitivity.min_count
        lasts = _lasts(test, sign, point, p[test, direction], limit)
        met[test, direction] = {"rare": strong, "large": large, "many": many, "lasting": lasts}
        fired[test, direction] = strong & large & many & lasts
    since = {(test, direction): _since(test, direction, point, nats) for test, direction in p}
    return Judged(grid, known, limit, sums, statistic, p, fired, since, effect, met, data.planned, data.muted)


def _lasts(test: str, sign: float, point: Floats, p: Floats, limit: Floats) -> Mask:
    """Whether more than one window speaks, or one is extreme."""
    if test == "missing":
        return np.ones(p.shape, dtype=bool)
    if test == "point":
        echo = (p <= _ECHO_P).astype(np.int64)
        recent = echo.copy()
        for back in range(1, _ECHO_WINDOWS):
            recent[:, back:] += echo[:, :-back]
        return np.asarray((p <= (limit * _EXTREME)[:, None]) | (recent >= 2))
    count = statistics.POOLED.get(test, statistics.POOLED["long"])
    total, largest, seen = np.zeros_like(point), np.full_like(point, -np.inf), np.zeros_like(point)
    length = point.shape[1]
    for back in range(min(count, length)):
        z = np.clip(sign * point[:, : length - back], -_SCORE_CUT, _SCORE_CUT)
        total[:, back:] += z
        largest[:, back:] = np.maximum(largest[:, back:], z)
        seen[:, back:] += 1
    without = (total - largest) / np.sqrt(np.maximum(seen - 1, 1))
    return np.asarray((without >= _WITHOUT_LARGEST) & (seen > 1))


def _since(test: str, direction: str, point: Floats, nats: Floats) -> Floats:
    """Index of the window where the deviation began, (series, windows): of a silence its first, else the likeliest."""
    if test == "missing":
        return statistics.run_start(nats > 0)
    score = point if direction == "up" else -point
    return statistics.onset(score, statistics.POOLED.get(test, statistics.DRIFT_LAG))
