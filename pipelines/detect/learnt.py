"""What the baseline knows of one metric: as arrays, and as rows that are stored and can be read by a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pipelines.contract import Metric
from pipelines.detect.calibration import Tail
from pipelines.detect.families import Family
from pipelines.detect.grid import Floats
from pipelines.errors import StateError

COLUMNS = (
    "until",
    "history_start",
    "history_days",
    "windows",
    "window_seconds",
    "metric",
    "series",
    "dims",
    "family",
    "logarithmic",
    "usual",
    "profile",
    "volume",
    "shown",
    "shown_dispersion",
    "volume_dispersion",
    "drift",
    "level",
    "level_variance",
    "dispersions",
    "scales",
    "shapes",
    "quantiles",
)


@dataclass(frozen=True)
class Learnt:
    """One metric's series. Tables are by slot of the week, (series, 7 x slots a day).

    `table` is eta, `volume` the expected number of events; `shown` is the expected value as people see it (quantiles
    only, else None) and `shown_dispersion` the variance that one event adds to its logarithm. `dispersion` is by test,
    `tail` by test and direction. `state` and `variance` are the level at `until`.
    """

    metric: Metric
    family: Family
    names: tuple[str, ...]
    dims: tuple[Mapping[str, str], ...]
    until: np.datetime64
    start: np.datetime64
    windows: int
    window_seconds: int
    logarithmic: bool
    usual: Floats
    table: Floats
    volume: Floats
    shown: Floats | None
    shown_dispersion: Floats
    volume_dispersion: Floats
    drift: Floats
    state: Floats
    variance: Floats
    dispersion: dict[str, Floats]
    tail: dict[tuple[str, str], Tail]

    @property
    def history_days(self) -> float:
        """Length of the history in days."""
        return self.windows * self.window_seconds / 86_400

    def only(self, rows: list[int]) -> Learnt:
        """Some of the series."""
        return replace(
            self,
            names=tuple(self.names[i] for i in rows),
            dims=tuple(self.dims[i] for i in rows),
            usual=self.usual[rows],
            table=self.table[rows],
            volume=self.volume[rows],
            shown=None if self.shown is None else self.shown[rows],
            shown_dispersion=self.shown_dispersion[rows],
            volume_dispersion=self.volume_dispersion[rows],
            drift=self.drift[rows],
            state=self.state[rows],
            variance=self.variance[rows],
            dispersion={test: each[rows] for test, each in self.dispersion.items()},
            tail={key: each.of(rows) for key, each in self.tail.items()},
        )


@dataclass(frozen=True)
class Crowd:
    """How many series of a metric share its allowance: of at most one dimension, and combinations of dimensions."""

    coarse: int
    fine: int

    @classmethod
    def of(cls, dims: Sequence[Mapping[str, str]]) -> Crowd:
        """Of all series, by their dimensions."""
        fine = sum(len(each) > 1 for each in dims)
        return cls(len(dims) - fine, fine)

    def weights(self, dims: Sequence[Mapping[str, str]]) -> Floats:
        """Shares of some of them, (series,); those of all add up to 1.

        Series of at most one dimension share one half, combinations of dimensions the other.
        """
        fine = np.array([len(each) > 1 for each in dims], dtype=bool)
        if not self.fine:
            return np.full(len(dims), 1.0 / max(self.coarse, 1))
        return np.where(fine, 0.5 / self.fine, 0.5 / max(self.coarse, 1))


def to_rows(learnt: Learnt) -> pd.DataFrame:
    """The baseline frame's rows of one metric, with `COLUMNS`."""
    rows = [
        {
            "until": pd.Timestamp(learnt.until),
            "history_start": pd.Timestamp(learnt.start),
            "history_days": learnt.history_days,
            "windows": learnt.windows,
            "window_seconds": learnt.window_seconds,
            "metric": learnt.metric.name,
            "series": name,
            "dims": dict(learnt.dims[i]),
            "family": learnt.family,
            "logarithmic": learnt.logarithmic,
            "usual": float(learnt.usual[i]),
            "profile": learnt.table[i],
            "volume": learnt.volume[i],
            "shown": learnt.shown[i] if learnt.shown is not None else np.array([]),
            "shown_dispersion": float(learnt.shown_dispersion[i, 0]),
            "volume_dispersion": float(learnt.volume_dispersion[i, 0]),
            "drift": float(learnt.drift[i]),
            "level": float(learnt.state[i]),
            "level_variance": float(learnt.variance[i]),
            "dispersions": {test: float(value[i, 0]) for test, value in learnt.dispersion.items()},
            "scales": {"/".join(key): float(tail.scale[i]) for key, tail in learnt.tail.items()},
            "shapes": {"/".join(key): tail.shape for key, tail in learnt.tail.items()},
            "quantiles": {"/".join(key): tail.quantiles[i] for key, tail in learnt.tail.items()},
        }
        for i, name in enumerate(learnt.names)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def from_rows(baseline: pd.DataFrame, metric: Metric) -> Learnt | None:
    """One metric's part of a baseline frame as arrays; None when it has none.

    Raises:
        StateError: the rows are of several runs.
    """
    rows = baseline[baseline["metric"] == metric.name]
    if not len(rows):
        return None
    if rows["until"].nunique() != 1:
        raise StateError(f"the baseline of {metric.name} is of several runs", hint="pulseiq run baseline PRODUCT")
    first = rows.iloc[0]
    shown = _stack(rows["shown"])
    dispersions, scales, quantiles = (_records(rows[name]) for name in ("dispersions", "scales", "quantiles"))
    shapes = dict(first["shapes"])
    tail = {}
    for key in scales[0]:
        test, direction = key.split("/")
        tail[test, direction] = Tail(
            np.stack([np.asarray(each[key], dtype=np.float64) for each in quantiles]),
            np.array([each[key] for each in scales]),
            float(shapes[key]),
        )
    return Learnt(
        metric=metric,
        family=first["family"],
        names=tuple(rows["series"]),
        dims=tuple(_records(rows["dims"])),
        until=np.datetime64(pd.Timestamp(first["until"]), "s"),
        start=np.datetime64(pd.Timestamp(first["history_start"]), "s"),
        windows=int(first["windows"]),
        window_seconds=int(first["window_seconds"]),
        logarithmic=bool(first["logarithmic"]),
        usual=_floats(rows["usual"]),
        table=_stack(rows["profile"]),
        volume=_stack(rows["volume"]),
        shown=shown if shown.size else None,
        shown_dispersion=_floats(rows["shown_dispersion"])[:, None],
        volume_dispersion=_floats(rows["volume_dispersion"])[:, None],
        drift=_floats(rows["drift"]),
        state=_floats(rows["level"]),
        variance=_floats(rows["level_variance"]),
        dispersion={test: np.array([each[test] for each in dispersions])[:, None] for test in dispersions[0]},
        tail=tail,
    )


def _floats(column: pd.Series[float]) -> Floats:
    return np.asarray(column.to_numpy(dtype=np.float64))


def _stack(column: pd.Series[Any]) -> Floats:
    return np.stack([np.asarray(each, dtype=np.float64) for each in column])


def _records(column: pd.Series[Any]) -> list[dict[str, Any]]:
    """Maps of a column as dicts; arrow gives them as lists of pairs."""
    return [dict(each) for each in column]
