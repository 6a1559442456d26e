"""Evidence as rows: the value that people see, what was expected, how rare that is; in numbers and in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.detect import statistics
from pipelines.detect.grid import Floats, Grid
from pipelines.detect.judged import Judged
from pipelines.detect.learnt import Learnt
from pipelines.detect.profile import Calendar
from pipelines.detect.statistics import Sums
from pipelines.detect.words import sentence

# `p_value` is the test's own, `limit` what it had to reach, `since` where the deviation began; `effect` is relative;
# `words` say it in a sentence where it is notable or fired.
COLUMNS = (
    "metric",
    "series",
    "window_start",
    "test",
    "value",
    "expected",
    "low",
    "high",
    "statistic",
    "p_value",
    "direction",
    "effect",
    "fired",
    "since",
    "limit",
    "words",
)
# Evidence at least this strong is kept for every series, and keeps an open alert open.
NOTABLE = 0.01
# Usual range shown beside a value: 99 of 100 ordinary windows.
_RANGE = 2.576


def rows(judged: Judged) -> pd.DataFrame:
    """Evidence frame of one metric: all rows of the whole, and those of parts that are notable or fired."""
    grid, known = judged.grid, judged.learnt
    whole = np.array([not dims for dims in known.dims])[:, None]
    parts = []
    for test, sums in judged.sums.items():
        sides = [direction for direction in ("up", "down") if (test, direction) in judged.p]
        p = np.stack([judged.p[test, side] for side in sides])
        fired = np.stack([judged.fired[test, side] for side in sides])
        side = np.asarray(np.where(fired.any(axis=0), fired.argmax(axis=0), p.argmin(axis=0)))
        least = np.take_along_axis(p, side[None], axis=0)[0]
        any_side = np.asarray(fired.any(axis=0))
        keep = whole | (least <= NOTABLE) | any_side
        if test == "missing":
            keep &= judged.statistic[test, "down"] > 0
        row, column = np.nonzero(keep)
        if not len(row):
            continue
        value, expected = (sums.y, sums.m) if test == "missing" else shown(grid, known, sums)
        low, high = usual_range(grid, known, sums, test)
        at = (side[row, column], row, column)
        statistic = np.stack([judged.statistic[test, each] for each in sides])
        since = np.stack([judged.since[test, each] for each in sides])
        parts.append(
            pd.DataFrame(
                {
                    "metric": grid.metric.name,
                    "series": np.array(grid.names, dtype=object)[row],
                    "window_start": grid.windows[column],
                    "test": test,
                    "value": value[row, column],
                    "expected": expected[row, column],
                    "low": low[row, column],
                    "high": high[row, column],
                    "statistic": statistic[at],
                    "p_value": least[row, column],
                    "direction": np.array(sides, dtype=object)[side[row, column]],
                    "effect": judged.effect[test][row, column],
                    "fired": any_side[row, column],
                    "since": grid.windows[since[at].astype(np.int64)],
                    "limit": judged.limit[row] / len(statistics.TESTS),
                }
            )
        )
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    found = pd.concat(parts, ignore_index=True).sort_values(["window_start", "series", "test"], ignore_index=True)
    # An ordinary window needs no sentence, and there are thousands of them.
    told = (found["fired"] | (found["p_value"] <= NOTABLE)).to_numpy()
    found["words"] = ""
    found.loc[told, "words"] = [
        sentence(dict(zip(found.columns, each, strict=True)), grid.metric, known.window_seconds, known.history_days)
        for each in found[told].itertuples(index=False, name=None)
    ]
    return found[list(COLUMNS)]


def course(judged: Judged, row: int) -> pd.DataFrame:
    """One series window by window: window_start, judged, value, expected, low, high, p_value, fired (by any test)."""
    sums = judged.sums["point"]
    value, expected = shown(judged.grid, judged.learnt, sums)
    low, high = usual_range(judged.grid, judged.learnt, sums, "point")
    own = [p for (test, _), p in judged.p.items() if test == "point"]
    return pd.DataFrame(
        {
            "window_start": judged.grid.windows,
            "value": value[row],
            "judged": True,
            "fired": np.logical_or.reduce(list(judged.fired.values()), axis=0)[row],
            "expected": expected[row],
            "low": low[row],
            "high": high[row],
            "p_value": np.minimum.reduce(own)[row],
        }
    )


def effect(grid: Grid, known: Learnt, sums: Sums, test: str) -> Floats:
    """Relative deviation of the value that people see, over the test's windows; NaN where there is none."""
    if test == "missing":
        return np.full_like(sums.y, -1.0)
    value, expected = shown(grid, known, sums)
    with np.errstate(all="ignore"):
        return np.where(np.abs(expected) > 1e-12, (value - expected) / np.abs(expected), np.nan)


def shown(grid: Grid, known: Learnt, sums: Sums) -> tuple[Floats, Floats]:
    """Value and expectation as people see them: per window for counts and sums, else the mean over the windows."""
    with np.errstate(all="ignore"):
        if known.shown is not None:
            expected = known.shown[:, Calendar.of(grid.windows, known.window_seconds).of_week()]
            return _trailing(grid.value, grid.n, sums.count), _trailing(expected, grid.n, sums.count)
        if known.family in ("count", "amount"):
            return sums.y / sums.count, sums.m / sums.count
        value, expected = sums.y / sums.w, sums.m / sums.w
        return (np.exp(value), np.exp(expected)) if known.logarithmic else (value, expected)


def usual_range(grid: Grid, known: Learnt, sums: Sums, test: str) -> tuple[Floats, Floats]:
    """Bounds that 99 of 100 ordinary windows keep, in the unit of the value; of a silence, in events."""
    if test == "missing":
        spread = np.sqrt(sums.m + known.volume_dispersion * sums.m**2)
        return np.maximum(sums.m - _RANGE * spread, 0.0), sums.m + _RANGE * spread
    d = known.dispersion.get(test, known.dispersion["long"])
    _, expected = shown(grid, known, sums)
    with np.errstate(all="ignore"):
        if known.shown is not None or known.logarithmic:
            each = known.shown_dispersion if known.shown is not None else d
            factor = np.exp(_RANGE * np.sqrt(each / sums.w))
            return expected / factor, expected * factor
        if known.family == "count":
            spread = np.sqrt(sums.m + d * sums.m**2) / sums.count
        elif known.family == "share":
            spread = np.sqrt(expected * (1 - expected) * (1 + d * np.maximum(sums.w - 1, 0)) / sums.w)
        elif known.family == "amount":
            spread = expected * np.sqrt(d / sums.w)
        else:
            spread = np.sqrt(d / sums.w)
    low, high = expected - _RANGE * spread, expected + _RANGE * spread
    if known.family != "level":
        low = np.maximum(low, 0.0)
    return low, np.minimum(high, 1.0) if known.family == "share" else high


def _trailing(value: Floats, n: Floats, count: Floats) -> Floats:
    """Geometric mean over the last `count` windows, weighted by events."""
    use = (n > 0) & (value > 0)
    w = np.where(use, n, 0.0)
    logs = np.where(use, np.log(np.where(use, value, 1.0)), 0.0) * w
    length = value.shape[1]
    top, bottom = np.zeros_like(w), np.zeros_like(w)
    for back in range(int(count.max(initial=0))):
        reach = count[:, back:] > back
        top[:, back:] += np.where(reach, logs[:, : length - back], 0.0)
        bottom[:, back:] += np.where(reach, w[:, : length - back], 0.0)
    with np.errstate(all="ignore"):
        return np.asarray(np.exp(top / bottom))
