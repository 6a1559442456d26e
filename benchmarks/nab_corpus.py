"""The Numenta Anomaly Benchmark as its checkout holds it: series, labelled windows, and its score of some alerts.

The score is that of NAB's own scorer in sums by file, so that thousands of settings can be tried in a cross-fit;
`differs` compares the two on the whole corpus, and the scorecard of NAB's own scorer is `benchmarks.nab`.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.detect import series
from pipelines.detect.signals import Material
from pipelines.errors import UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
WINDOWS = "labels/combined_windows.json"
PROBATION, _LONGEST_PROBATION = 0.15, 5000
# Weights of a false alert and of a missed window (NAB's config/profiles.json); a found window counts 1.
PROFILES = {"standard": (0.11, 1.0), "reward_low_FP_rate": (0.22, 1.0), "reward_low_FN_rate": (0.11, 2.0)}


@dataclass(frozen=True)
class File:
    """One series: `window` (points,) has the number of the labelled window or -1, `worth` what an alert would earn."""

    name: str
    timestamps: tuple[str, ...]
    material: Material
    scored_from: int
    limits: tuple[tuple[pd.Timestamp, pd.Timestamp], ...]
    window: Ints
    worth: Floats

    @property
    def family(self) -> str:
        return self.name.split("/")[0]

    @property
    def scored(self) -> int:
        return len(self.window) - self.scored_from


@dataclass(frozen=True)
class Counts:
    """What alerts earn, before a profile's weights: of windows found and of false alerts, and the number of each."""

    earned: float = 0.0
    found: int = 0
    lost: float = 0.0
    false: int = 0
    windows: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.earned + other.earned,
            self.found + other.found,
            self.lost + other.lost,
            self.false + other.false,
            self.windows + other.windows,
        )


def load(checkout: Path) -> list[File]:
    """All series of a checkout, in the order of its labels.

    Raises:
        UsageError: it is no checkout of NAB.
    """
    labels = checkout / WINDOWS
    if not labels.is_file():
        raise UsageError(f"{labels}: no such file", hint="git clone https://github.com/numenta/NAB, and give its path")
    return [_file(checkout, name, limits) for name, limits in json.loads(labels.read_text()).items()]


def counts(file: File, alerts: Ints) -> Counts:
    """What the alerts of one file earn; those of its probation neither help nor harm."""
    at = alerts[alerts >= file.scored_from]
    best: dict[int, float] = {}
    for point in at[file.window[at] >= 0]:
        number = int(file.window[point])
        best[number] = max(best.get(number, -1.0), float(file.worth[point]))
    false = at[file.window[at] < 0]
    return Counts(sum(best.values()), len(best), float(file.worth[false].sum()), len(false), len(file.limits))


def score(total: Counts, profile: str = "standard") -> float:
    """0 for a detector that never speaks, 100 for one that is early in every window and never wrong."""
    false, missed = PROFILES[profile]
    raw = total.earned + false * total.lost - missed * (total.windows - total.found)
    silent = -missed * total.windows
    return 100.0 * (raw - silent) / (total.windows - silent)


def differs(checkout: Path, files: Sequence[File], alerts: Sequence[Ints]) -> float:
    """The largest difference of a file's raw score to that of NAB's own sweeper, read from the checkout."""
    source = importlib.util.spec_from_file_location("nab_sweeper", checkout / "nab" / "sweeper.py")
    assert source is not None
    assert source.loader is not None
    sweeper = importlib.util.module_from_spec(source)
    source.loader.exec_module(sweeper)
    largest = 0.0
    for false, missed in PROFILES.values():
        own = sweeper.Sweeper(PROBATION, {"tpWeight": 1.0, "fpWeight": false, "fnWeight": missed})
        for file, points in zip(files, alerts, strict=True):
            fired = np.zeros(len(file.window))
            fired[points] = 1.0
            times = [pd.Timestamp(each) for each in file.timestamps]
            rows = own.calcSweepScore(times, fired, file.limits, file.name)
            # Of a silent file the sweeper lists no threshold of 1, only the first, at which nothing has fired.
            by_threshold = {each.threshold: each.score for each in own.calcScoreByThreshold(rows)}
            expected = by_threshold.get(1.0, by_threshold[1.1])
            got = counts(file, points)
            raw = got.earned + false * got.lost - missed * (got.windows - got.found)
            largest = max(largest, abs(raw - expected))
    return largest


def _file(checkout: Path, name: str, limits: Sequence[Sequence[str]]) -> File:
    frame = pd.read_csv(checkout / "data" / name)
    time = pd.to_datetime(frame["timestamp"])
    spans = tuple((pd.Timestamp(first), pd.Timestamp(last)) for first, last in limits)
    # Some files repeat an hour; a window begins and ends with the first row of its time.
    rows = [(int((time == first).argmax()), int((time == last).argmax())) for first, last in spans]
    window, worth = _worth(len(time), rows)
    per_day = series.points_a_day(time.to_numpy())
    return File(
        name,
        tuple(frame["timestamp"]),
        Material.of(frame["value"].to_numpy(dtype=np.float64), per_day),
        math.ceil(min(math.floor(PROBATION * len(time)), PROBATION * _LONGEST_PROBATION)),
        spans,
        window,
        worth,
    )


def _worth(points: int, windows: Sequence[tuple[int, int]]) -> tuple[Ints, Floats]:
    """A window's number and an alert's worth, (points,): early in a window near 1, far behind one or before all -1."""
    number, worth = np.full(points, -1), np.full(points, -1.0)
    for index, (first, last) in enumerate(windows):
        width = last - first + 1
        inside = np.arange(first, last + 1)
        number[inside] = index
        worth[inside] = _sigmoid(-(last - inside + 1) / width) / _sigmoid(np.array([-1.0]))
        after = windows[index + 1][0] if index + 1 < len(windows) else points
        behind = np.arange(last + 1, after)
        worth[behind] = _sigmoid((behind - last) / (width - 1))
    return number, worth


def _sigmoid(position: Floats) -> Floats:
    """NAB's scaled sigmoid of a position in window widths, relative to a window's end."""
    return np.where(position > 3.0, -1.0, 2.0 / (1.0 + np.exp(np.minimum(5.0 * position, 50.0))) - 1.0)
