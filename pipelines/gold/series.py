"""Gold's partial sums -> the series frame that detection reads: the whole product and its parts, window by window.

Reads the Delta table at one version. Scalars of all metrics come from one pass with GROUPING SETS; histograms and
sketches, which merge instead of adding up, from a pass of their own. What detection needs at the driver is small: one
row per window and series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract, Metric
from pipelines.gold.sketches import GROWTH, UNDERFLOW

COLUMNS = ("metric", "series", "dims", "window_start", "value", "n", "numerator", "denominator", "usual")
# Combinations of so many dimensions are watched: rates are thin in the whole and show in pairs; the rest is explained.
DEPTH = {"ratio": 2}
# Series of one metric that are followed, largest first, so that a dimension with many values stays affordable.
MOST_SERIES = 250

Floats = npt.NDArray[np.float64]
_DAY = 86_400


@dataclass(frozen=True)
class _Part:
    """One combination of dimension values: its grouping id, names and values."""

    names: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def dims(self) -> dict[str, str]:
        return dict(zip(self.names, self.values, strict=True))


def gold(spark: SparkSession, uri: str, start: datetime, end: datetime, version: int | None = None) -> DataFrame:
    """Gold rows of the windows that start in [start, end), at a version of the table (the newest when None)."""
    reader = spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    return reader.load(uri).where(
        (F.col("window_start") >= F.lit(_utc(start))) & (F.col("window_start") < F.lit(_utc(end)))
    )


def read(
    spark: SparkSession,
    uri: str,
    contract: Contract,
    start: datetime,
    end: datetime,
    version: int | None = None,
    usual: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The series frame of the windows that lie wholly in [start, end), both multiples of the contract's window.

    Args:
        spark, uri, version: the gold table and which of its versions.
        contract: metrics, dimensions and window.
        usual: for quantile metrics, series name -> threshold in the metric's unit that `numerator` counts above. The
            quantile over the whole stretch when a series is not in it.

    Returns:
        Columns `COLUMNS`: series is `metric` or `metric{dimension=value}`; window_start without zone, UTC; value as
        people see it (NaN when undefined); n events behind it; numerator and denominator for ratios and quantiles.
        Every series has every window; one without events has 0 for counts, sums and distinct, NaN otherwise. The whole
        of each metric is always there.
    """
    rows = gold(spark, uri, start, end, version)
    seconds = int(contract.window.total_seconds())
    first, last = int(_utc(start).timestamp()), int(_utc(end).timestamp())
    windows = np.arange(first, last - seconds + 1, seconds)
    return from_gold(rows, contract, windows, usual or {})


def from_gold(
    rows: DataFrame, contract: Contract, windows: npt.NDArray[np.int64], usual: Mapping[str, float]
) -> pd.DataFrame:
    """As `read`, from gold rows and the starts of the windows wanted in epoch seconds."""
    dimensions = contract.dimensions
    rows = rows.withColumns({name: F.coalesce(F.col(name), F.lit("")) for name in dimensions}).withColumn(
        "at", F.unix_seconds("window_start")
    )
    scalar = [metric for metric in contract.metrics if metric.kind in ("count", "ratio", "sum", "mean")]
    frames: list[pd.DataFrame] = []
    if scalar:
        depth = max(DEPTH.get(metric.kind, 1) for metric in scalar)
        columns = [column for metric in scalar for column in _scalars(metric)]
        sums = _collect(_grouped(rows, dimensions, depth).agg(*columns), dimensions)
        frames += [_scalar_frame(sums, metric, dimensions, windows) for metric in scalar]
    for metric in contract.metrics:
        if metric.kind == "distinct":
            frames.append(_distinct_frame(rows, metric, dimensions, windows))
        elif metric.kind == "quantile":
            frames.append(_quantile_frame(rows, metric, dimensions, windows, usual))
    return pd.concat(frames, ignore_index=True)


def _grouped(rows: DataFrame, dimensions: tuple[str, ...], depth: int, *more: str):  # type: ignore[no-untyped-def]
    """Rows grouped by window, `more`, and every set of at most `depth` dimensions."""
    fixed = ["at", *more]
    sets = [[*fixed, *names] for count in range(depth + 1) for names in combinations(dimensions, count)]
    return rows.groupingSets(
        [[F.col(name) for name in each] for each in sets], *[F.col(n) for n in (*fixed, *dimensions)]
    )


def _scalars(metric: Metric) -> list[Column]:
    parts = {"count": ("n",), "ratio": ("numerator", "denominator")}.get(metric.kind, ("n", "sum"))
    return [F.sum(F.col(f"`{metric.name}`.{part}")).cast("double").alias(f"{metric.name}.{part}") for part in parts]


def _collect(grouped: DataFrame, dimensions: tuple[str, ...]) -> pd.DataFrame:
    """To the driver; a dimension that a row is not grouped by is None."""
    return grouped.toPandas()


def _parts(
    sums: pd.DataFrame, metric: Metric, dimensions: tuple[str, ...]
) -> tuple[list[_Part], npt.NDArray[np.int64]]:
    """The combinations in a frame of grouped sums, whole first, and each row's place among them (-1: not wanted)."""
    allowed = set(metric.dimensions or dimensions)
    depth = DEPTH.get(metric.kind, 1)
    keys = list(sums[list(dimensions)].astype(object).itertuples(index=False, name=None))
    found: dict[tuple[object, ...], int] = {}
    parts: list[_Part] = [_Part((), ())]
    found[(None,) * len(dimensions)] = 0
    place = np.empty(len(keys), dtype=np.int64)
    for i, key in enumerate(keys):
        where = found.get(key)
        if where is None:
            names = tuple(name for name, value in zip(dimensions, key, strict=True) if value is not None)
            if len(names) <= depth and set(names) <= allowed:
                where = len(parts)
                parts.append(_Part(names, tuple(str(value) for value in key if value is not None)))
            else:
                where = -1
            found[key] = where
        place[i] = where
    return parts, place


def _scalar_frame(
    sums: pd.DataFrame, metric: Metric, dimensions: tuple[str, ...], windows: npt.NDArray[np.int64]
) -> pd.DataFrame:
    column = f"{metric.name}.{'denominator' if metric.kind == 'ratio' else 'n'}"
    has = sums[sums[column] > 0]
    parts, place = _parts(has, metric, dimensions)

    def dense(part: str) -> Floats:
        return _dense(has["at"].to_numpy(), place, has[f"{metric.name}.{part}"].to_numpy(), len(parts), windows)

    if metric.kind == "ratio":
        top, bottom = dense("numerator"), dense("denominator")
        return _long(metric, parts, windows, _quotient(top, bottom), bottom, top, bottom)
    n = dense("n")
    if metric.kind == "count":
        return _long(metric, parts, windows, n, n)
    total = dense("sum")
    return _long(metric, parts, windows, total if metric.kind == "sum" else _quotient(total, n), n)


def _distinct_frame(
    rows: DataFrame, metric: Metric, dimensions: tuple[str, ...], windows: npt.NDArray[np.int64]
) -> pd.DataFrame:
    """Sketches are merged by Spark; only the estimates travel."""
    sketch = f"`{metric.name}`.sketch"
    has = rows.where(F.col(sketch).isNotNull()).select("at", *dimensions, F.col(sketch).alias("sketch"))
    estimate = F.hll_sketch_estimate(F.hll_union_agg("sketch")).cast("double").alias("n")
    sums = _collect(_grouped(has, dimensions, 1).agg(estimate), dimensions)
    parts, place = _parts(sums, metric, dimensions)
    n = _dense(sums["at"].to_numpy(), place, sums["n"].to_numpy(), len(parts), windows)
    return _long(metric, parts, windows, n, n)


def _quantile_frame(
    rows: DataFrame,
    metric: Metric,
    dimensions: tuple[str, ...],
    windows: npt.NDArray[np.int64],
    usual: Mapping[str, float],
) -> pd.DataFrame:
    """Histograms as a cube (series, windows, buckets): two histograms merge by adding their counts."""
    assert metric.quantile is not None
    has = rows.where(F.col(f"`{metric.name}`.n") > 0).select(
        "at", *dimensions, F.explode(F.col(f"`{metric.name}`.histogram")).alias("bucket", "count")
    )
    sums = _collect(_grouped(has, dimensions, 1, "bucket").agg(F.sum("count").cast("double").alias("n")), dimensions)
    parts, place = _parts(sums, metric, dimensions)
    bucket = sums["bucket"].to_numpy(dtype=np.int64)
    # The underflow bucket goes just below the lowest real one.
    real = bucket[bucket != UNDERFLOW]
    low, high = (int(real.min()), int(real.max())) if len(real) else (0, 0)
    width = high - low + 2
    code = np.where(bucket == UNDERFLOW, 0, bucket - low + 1)
    column = np.searchsorted(windows, sums["at"].to_numpy())
    keep = (place >= 0) & (column < len(windows))
    cube = np.zeros((len(parts), len(windows), width), dtype=np.float64)
    np.add.at(cube, (place[keep], column[keep], code[keep]), sums["n"].to_numpy(dtype=np.float64)[keep])
    values = np.concatenate([[0.0], GROWTH ** (np.arange(low, high + 1) + 0.5)])
    upper = np.concatenate([[0.0], GROWTH ** (np.arange(low, high + 1) + 1.0)])
    n = cube.sum(axis=2)
    value = np.where(n > 0, values[_quantile_at(cube, metric.quantile)], np.nan)
    above, thresholds = np.zeros_like(n), np.full(len(parts), np.nan)
    pooled = cube.sum(axis=1)
    for i, part in enumerate(parts):
        name = _name(metric, part)
        thresholds[i] = usual.get(name, np.nan)
        if not np.isfinite(thresholds[i]):
            thresholds[i] = upper[_quantile_at(pooled[i], metric.quantile)]
        # A bucket counts when all of it lies above, within rounding.
        first = int(np.searchsorted(upper, thresholds[i] * (1 + 1e-9), side="right"))
        above[i] = cube[i, :, first:].sum(axis=1)
    frame = _long(metric, parts, windows, value, n, above, n)
    frame["usual"] = np.repeat(thresholds, len(windows))
    return frame


def _quantile_at(histograms: Floats, q: float) -> npt.NDArray[np.int64]:
    """Index of the bucket that holds the q-quantile, over the last axis; as `sketches.quantile`."""
    total = histograms.sum(axis=-1, keepdims=True)
    return np.asarray((np.cumsum(histograms, axis=-1) > q * (total - 1)).argmax(axis=-1), dtype=np.int64)


def _dense(
    at: npt.NDArray[np.int64], place: npt.NDArray[np.int64], values: Floats, series: int, windows: npt.NDArray[np.int64]
) -> Floats:
    out = np.zeros((series, len(windows)))
    column = np.searchsorted(windows, at)
    keep = (place >= 0) & (column < len(windows))
    np.add.at(out, (place[keep], column[keep]), values[keep].astype(np.float64))
    return out


def _quotient(top: Floats, bottom: Floats) -> Floats:
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))


def _name(metric: Metric, part: _Part) -> str:
    inside = ",".join(f"{name}={value}" for name, value in part.dims.items())
    return f"{metric.name}{{{inside}}}" if inside else metric.name


def _long(
    metric: Metric,
    parts: list[_Part],
    windows: npt.NDArray[np.int64],
    value: Floats,
    n: Floats,
    numerator: Floats | None = None,
    denominator: Floats | None = None,
) -> pd.DataFrame:
    """Dense arrays as a long frame; the largest series only, the whole among them."""
    size = n.sum(axis=1)
    size[0] = np.inf
    kept = np.sort(np.argsort(-size, kind="stable")[:MOST_SERIES])
    length = len(windows)
    unknown = np.full((len(parts), length), np.nan)
    dims = np.empty(len(kept), dtype=object)
    dims[:] = [parts[i].dims for i in kept]
    return pd.DataFrame(
        {
            "metric": metric.name,
            "series": np.repeat(np.array([_name(metric, parts[i]) for i in kept], dtype=object), length),
            "dims": np.repeat(dims, length),
            "window_start": np.tile(windows.astype("datetime64[s]").astype("datetime64[ns]"), len(kept)),
            "value": value[kept].ravel(),
            "n": n[kept].ravel(),
            "numerator": (unknown if numerator is None else numerator)[kept].ravel(),
            "denominator": (unknown if denominator is None else denominator)[kept].ravel(),
            "usual": np.full(len(kept) * length, np.nan),
        },
        columns=list(COLUMNS),
    )


def clock_seconds(windows: Iterable[int], pad: int, step: int) -> list[int]:
    """Times of day (seconds) of windows within `pad` seconds of the given ones, around midnight too."""
    out = {(at + shift) % _DAY for at in windows for shift in range(-pad // step * step, pad + 1, step)}
    return sorted(out)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
