"""Gold's partial sums -> the series frame that detection reads: the whole product and its parts, window by window.

Reads the Delta table at one version. Scalars of all metrics come from one pass with GROUPING SETS; histograms and
sketches, which merge instead of adding up, from a pass of their own. `read` brings all of it to the driver, one row per
window and series, and is for at most `MOST_CELLS` of them; `sums` leaves a metric's where it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import reduce
from itertools import combinations
from operator import add

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import Column, DataFrame, GroupedData, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract, Metric
from pipelines.gold.frames import DEPTH, SCALARS, series_frame

_DAY = 86_400
# Windows times series that the driver takes: 0.6 GB of its memory while a baseline is learnt from them.
MOST_CELLS = 1_000_000


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
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """The series frame of the windows that lie wholly in [start, end), both multiples of the contract's window.

    Args:
        spark, uri, version: the gold table and which of its versions.
        contract: metrics, dimensions and window.
        usual: for quantile metrics, series name -> threshold in the metric's unit that `numerator` counts above. The
            quantile over the whole stretch when a series is not in it.
        only: names of the series wanted, so that values that nobody follows do not come; all of them when None.

    Returns:
        Columns `COLUMNS`: series is `metric` or `metric{dimension=value}`; window_start without zone, UTC; value as
        people see it (NaN when undefined); n events behind it; numerator and denominator for ratios and quantiles.
        Every series has every window; one without events has 0 for counts, sums and distinct, NaN otherwise. The whole
        of each metric is always there.
    """
    rows = _leaf_rows(gold(spark, uri, start, end, version), contract)
    dimensions, windows = contract.dimensions, windows_of(contract, start, end)
    segments = None if only is None else sorted({"", *(name[name.find("{") :] for name in only if "{" in name)})

    def collected(grouped: DataFrame) -> pd.DataFrame:
        return (grouped if segments is None else grouped.where(_segment(dimensions).isin(segments))).toPandas()

    scalar = [metric for metric in contract.metrics if metric.kind in SCALARS]
    frames: list[pd.DataFrame] = []
    if scalar:
        depth = max(DEPTH.get(metric.kind, 1) for metric in scalar)
        columns = [column for metric in scalar for column in _scalars(metric)]
        wide = collected(_grouped(rows, dimensions, depth).agg(*columns))
        frames += [series_frame(wide, metric, dimensions, windows, only=only) for metric in scalar]
    for metric in contract.metrics:
        if metric.kind not in SCALARS:
            frames.append(
                series_frame(collected(_merged(rows, metric, dimensions)), metric, dimensions, windows, usual, only)
            )
    return pd.concat(frames, ignore_index=True)


def segments(rows: DataFrame, contract: Contract) -> int:
    """How many series gold rows have at most, all metrics together; counted by Spark."""
    depth = max(DEPTH.get(metric.kind, 1) for metric in contract.metrics)
    every = _grouped(_leaf_rows(rows, contract).withColumn("at", F.lit(0)), contract.dimensions, depth)
    # The unknown can be told from what is not grouped by: it is an empty text.
    width = reduce(add, [F.col(name).isNotNull().cast("int") for name in contract.dimensions], F.lit(0))
    counts = {row["width"]: row["count"] for row in every.count().groupBy(width.alias("width")).count().collect()}
    return sum(
        count for metric in contract.metrics for width, count in counts.items() if width <= DEPTH.get(metric.kind, 1)
    )


def sums(rows: DataFrame, contract: Contract, metric: Metric) -> DataFrame:
    """Grouped sums of one metric, not collected; `frame` makes series of them.

    Columns at (epoch seconds), the dimensions, null where a row is not grouped by them, the parts, `series`, the
    name, and `size`, the events that a series' rank goes by.
    """
    rows = _leaf_rows(rows, contract)
    known = tuple(name for name in contract.dimensions if name in (metric.dimensions or contract.dimensions))
    if metric.kind in SCALARS:
        # A name with a dot in it would not survive being handed to executors.
        parts = [each.alias(part) for each, part in zip(_scalars(metric), SCALARS[metric.kind], strict=True)]
        size = F.col("denominator" if metric.kind == "ratio" else "n")
        grouped = _grouped(rows, known, DEPTH.get(metric.kind, 1)).agg(*parts).where(size > 0)
    else:
        grouped, size = _merged(rows, metric, known), F.col("n")
    absent = {name: F.lit(None).cast("string") for name in contract.dimensions if name not in known}
    name = F.concat(F.lit(metric.name), _segment(contract.dimensions))
    return grouped.withColumns(absent).withColumns({"series": name, "size": size})


def frame(
    grouped: pd.DataFrame,
    contract: Contract,
    metric: Metric,
    windows: npt.NDArray[np.int64],
    usual: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The series frame of all series that collected `sums` have, and of the whole, empty where they have none of it."""
    named = grouped.rename(columns={part: f"{metric.name}.{part}" for part in SCALARS.get(metric.kind, ())})
    every = metric.model_copy(update={"most_series": len(grouped) + 1})
    return series_frame(named, every, contract.dimensions, windows, usual)


def windows_of(contract: Contract, start: datetime, end: datetime) -> npt.NDArray[np.int64]:
    """Starts of the windows that lie wholly in [start, end), epoch seconds."""
    seconds = int(contract.window.total_seconds())
    return np.arange(int(_utc(start).timestamp()), int(_utc(end).timestamp()) - seconds + 1, seconds)


def _leaf_rows(rows: DataFrame, contract: Contract) -> DataFrame:
    known = {name: F.coalesce(F.col(name), F.lit("")) for name in contract.dimensions}
    return rows.withColumns(known).withColumn("at", F.unix_seconds("window_start"))


def _segment(dimensions: tuple[str, ...]) -> Column:
    """`{dimension=value,...}` of grouped rows, as in the names of series; empty for the whole."""
    inside = F.concat_ws(",", *[F.concat(F.lit(f"{name}="), F.col(name)) for name in dimensions])
    return F.when(inside == "", F.lit("")).otherwise(F.concat(F.lit("{"), inside, F.lit("}")))


def _grouped(rows: DataFrame, dimensions: tuple[str, ...], depth: int, *more: str) -> GroupedData:
    """Rows grouped by window, `more`, and every set of at most `depth` dimensions."""
    fixed = ["at", *more]
    sets = [[*fixed, *names] for count in range(depth + 1) for names in combinations(dimensions, count)]
    return rows.groupingSets(
        [[F.col(name) for name in each] for each in sets], *[F.col(n) for n in (*fixed, *dimensions)]
    )


def _scalars(metric: Metric) -> list[Column]:
    return [
        F.sum(F.col(f"`{metric.name}`.{part}")).cast("double").alias(f"{metric.name}.{part}")
        for part in SCALARS[metric.kind]
    ]


def _merged(rows: DataFrame, metric: Metric, dimensions: tuple[str, ...]) -> DataFrame:
    """What merges instead of adding up: of a distinct count the estimates, of a quantile the histograms."""
    return (_estimates if metric.kind == "distinct" else _histograms)(rows, metric, dimensions)


def _estimates(rows: DataFrame, metric: Metric, dimensions: tuple[str, ...]) -> DataFrame:
    """Sketches are merged by Spark; only the estimates travel."""
    sketch = f"`{metric.name}`.sketch"
    has = rows.where(F.col(sketch).isNotNull()).select("at", *dimensions, F.col(sketch).alias("sketch"))
    estimate = F.hll_sketch_estimate(F.hll_union_agg("sketch")).cast("double").alias("n")
    return _grouped(has, dimensions, 1).agg(estimate)


def _histograms(rows: DataFrame, metric: Metric, dimensions: tuple[str, ...]) -> DataFrame:
    """Buckets and their counts, a row each."""
    has = rows.where(F.col(f"`{metric.name}`.n") > 0).select(
        "at", *dimensions, F.explode(F.col(f"`{metric.name}`.histogram")).alias("bucket", "count")
    )
    return _grouped(has, dimensions, 1, "bucket").agg(F.sum("count").cast("double").alias("n"))


def clock_seconds(windows: Iterable[int], pad: int, step: int) -> list[int]:
    """Times of day (seconds) of windows within `pad` seconds of the given ones, around midnight too."""
    out = {(at + shift) % _DAY for at in windows for shift in range(-pad // step * step, pad + 1, step)}
    return sorted(out)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
