"""Gold's partial sums -> the series frame that detection reads: the whole product and its parts, window by window.

Reads the Delta table at one version. Scalars of all metrics come from one pass with GROUPING SETS; histograms and
sketches, which merge instead of adding up, from a pass of their own. What detection needs at the driver is small: one
row per window and series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import Column, DataFrame, GroupedData, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract, Metric
from pipelines.gold.frames import DEPTH, SCALARS, distinct_frame, quantile_frame, scalar_frame

_DAY = 86_400


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
    scalar = [metric for metric in contract.metrics if metric.kind in SCALARS]
    frames: list[pd.DataFrame] = []
    if scalar:
        depth = max(DEPTH.get(metric.kind, 1) for metric in scalar)
        columns = [column for metric in scalar for column in _scalars(metric)]
        sums = _grouped(rows, dimensions, depth).agg(*columns).toPandas()
        frames += [scalar_frame(sums, metric, dimensions, windows) for metric in scalar]
    for metric in contract.metrics:
        if metric.kind == "distinct":
            frames.append(distinct_frame(_estimates(rows, metric, dimensions), metric, dimensions, windows))
        elif metric.kind == "quantile":
            frames.append(quantile_frame(_histograms(rows, metric, dimensions), metric, dimensions, windows, usual))
    return pd.concat(frames, ignore_index=True)


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


def _estimates(rows: DataFrame, metric: Metric, dimensions: tuple[str, ...]) -> pd.DataFrame:
    """Sketches are merged by Spark; only the estimates travel."""
    sketch = f"`{metric.name}`.sketch"
    has = rows.where(F.col(sketch).isNotNull()).select("at", *dimensions, F.col(sketch).alias("sketch"))
    estimate = F.hll_sketch_estimate(F.hll_union_agg("sketch")).cast("double").alias("n")
    return _grouped(has, dimensions, 1).agg(estimate).toPandas()


def _histograms(rows: DataFrame, metric: Metric, dimensions: tuple[str, ...]) -> pd.DataFrame:
    """Buckets and their counts, a row each."""
    has = rows.where(F.col(f"`{metric.name}`.n") > 0).select(
        "at", *dimensions, F.explode(F.col(f"`{metric.name}`.histogram")).alias("bucket", "count")
    )
    return _grouped(has, dimensions, 1, "bucket").agg(F.sum("count").cast("double").alias("n")).toPandas()


def clock_seconds(windows: Iterable[int], pad: int, step: int) -> list[int]:
    """Times of day (seconds) of windows within `pad` seconds of the given ones, around midnight too."""
    out = {(at + shift) % _DAY for at in windows for shift in range(-pad // step * step, pad + 1, step)}
    return sorted(out)


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
