"""Series that are too many for the driver, learnt and judged in executors by the same functions as in the driver.

Executors take slices of a metric's series, each beside the metric as a whole. What all series share is told to every
slice: what the largest ones have in common when a baseline is learnt, and among how many the allowance is shared when
windows are judged. To the driver come counts, the whole of each metric, the `baseline.pool_size` largest series of one
metric at a time, and of the evidence what `told` says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import reduce

import pandas as pd
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from pipelines.contract import Contract, Metric
from pipelines.detect import baseline, exempt
from pipelines.detect.evaluate import Allowance, evaluate
from pipelines.detect.evidence import COLUMNS as EVIDENCE
from pipelines.detect.learnt import Crowd
from pipelines.gold import frames, series
from pipelines.jobs import detect_state

# Windows times series of one slice: some hundred megabytes of an executor's Python.
SLICE_CELLS = 500_000
_TASKS_PER_CORE = 3
# Firing series whose evidence the driver sees, the rarest first: more of them are one incident that nobody reads out.
MOST_FIRING = 2_000
# Rows of notable evidence on quantiles that the driver sees beside them, from so many windows before the first alert.
_MOST_QUANTILE_ROWS, _BEFORE = 200_000, 4

_ROWS = from_arrow_schema(detect_state.BASELINE)
_FOUND = StructType([each for each in from_arrow_schema(detect_state.EVIDENCE) if each.name in EVIDENCE])
_COUNTS = "metric string, coarse bigint, fine bigint, coarse_heard bigint, fine_heard bigint"


@contextmanager
def learnt(rows: DataFrame, contract: Contract, start: datetime, end: datetime) -> Iterator[DataFrame]:
    """The baseline, `learnt.COLUMNS`, from gold rows of [start, end); as `baseline.fit` of the series frame."""
    with ExitStack() as stack:
        parts = []
        for metric in contract.metrics:
            # Read three times: for the ranks, for the largest, for the slices.
            grouped = stack.enter_context(_kept(series.sums(rows, contract, metric)))
            parts.append(_learn(grouped, contract, metric, start, end))
        yield reduce(DataFrame.unionByName, parts)


@contextmanager
def judged(
    rows: DataFrame, known: DataFrame, contract: Contract, start: datetime, end: datetime
) -> Iterator[DataFrame]:
    """Evidence, `evidence.COLUMNS`, of the windows of [start, end); as `evaluate` of the series frame.

    Args:
        rows: gold rows of these windows.
        known: the baseline's rows, of one run.
    """
    windows = series.windows_of(contract, start, end)
    allowance = _allowance(known, contract, windows)
    found = [
        _judge(rows, known, contract, metric, windows, allowance)
        for metric in contract.metrics
        if metric.name in allowance.crowds
    ]
    with _kept(reduce(DataFrame.unionByName, found)) as rows:
        yield rows


def told(found: DataFrame, contract: Contract) -> pd.DataFrame:
    """What incidents are made of, in the driver, in the order of `evaluate`.

    All evidence on the whole of each metric and on the `MOST_FIRING` rarest series that fired; and the points of
    quantile metrics, whose value in a cause's segment no leaf tells.
    """
    wholes = [metric.name for metric in contract.metrics]
    firing = found.where("fired").groupBy("series").agg(F.min("p_value").alias("rarest"), F.min("since").alias("since"))
    few = firing.orderBy("rarest", "series").limit(MOST_FIRING).toPandas()
    names = [*wholes, *few["series"]]
    mine = F.col("series").isin(names)
    parts = [found.where(mine).toPandas()]
    quantiles = [metric.name for metric in contract.metrics if metric.kind == "quantile"]
    if len(few) and quantiles:
        # Without a zone it would be taken for the machine's local time.
        since = few["since"].min().tz_localize("UTC").to_pydatetime() - _BEFORE * contract.window
        beside = F.col("metric").isin(quantiles) & (F.col("test") == "point") & (F.col("window_start") >= F.lit(since))
        rare = found.where(~mine & beside).orderBy("p_value", "series", "window_start")
        parts.append(rare.limit(_MOST_QUANTILE_ROWS).toPandas())
    rows = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    order = rows["metric"].map({name: i for i, name in enumerate(wholes)})
    rows = rows.assign(order=order).sort_values(["order", "window_start", "series", "test"], ignore_index=True)
    return rows[list(EVIDENCE)]


def _learn(grouped: DataFrame, contract: Contract, metric: Metric, start: datetime, end: datetime) -> DataFrame:
    only = contract.model_copy(update={"metrics": (metric,)})
    windows = series.windows_of(contract, start, end)
    whole = F.col("series") == metric.name
    sizes = grouped.groupBy("series").agg(F.sum("size").alias("size"))
    ranked = sizes.orderBy(F.desc(whole), F.desc("size"), "series")
    count = sizes.count()
    most = min(baseline.pool_size(len(windows)), metric.most_series)
    largest = [row["series"] for row in ranked.limit(most).collect()]
    pool = series.frame(grouped.where(F.col("series").isin(largest)).toPandas(), contract, metric, windows)
    shared = baseline.share(pool, only, end)
    followed = grouped.where(~whole)
    if count > metric.most_series:
        followed = followed.join(ranked.limit(metric.most_series).select("series"), "series", "left_semi")
    if metric.kind == "mean":
        lowest = grouped.where(whole).unionByName(followed).agg(F.min("sum")).first()
        positive = lowest is not None and lowest[0] is not None and lowest[0] > 0
        shared = {name: dataclasses.replace(each, logarithmic=bool(positive)) for name, each in shared.items()}
    pool = pool[pool["series"] == metric.name]
    own = baseline.fit(pool, only, end, shared)
    parts = [grouped.sparkSession.createDataFrame(own, _ROWS)] if len(own) else []

    def slice_(sums: pd.DataFrame) -> pd.DataFrame:
        frame = series.frame(sums, contract, metric, windows)
        beside = pd.concat([pool, frame[frame["series"] != metric.name]], ignore_index=True)
        found = baseline.fit(beside, only, end, shared)
        return found[found["series"] != metric.name]

    learnt = _sliced(followed, min(count, metric.most_series), len(windows)).groupBy("slice")
    return reduce(DataFrame.unionByName, [*parts, learnt.applyInPandas(slice_, _ROWS)])


def _judge(
    rows: DataFrame, known: DataFrame, contract: Contract, metric: Metric, windows: frames.Starts, allowance: Allowance
) -> DataFrame:
    only = contract.model_copy(update={"metrics": (metric,)})
    own = known.where(F.col("metric") == metric.name)
    count = sum(vars(allowance.crowds[metric.name][0]).values())
    # What nobody follows is not looked at.
    grouped = series.sums(rows, contract, metric).join(own.select("series"), "series", "left_semi")

    def slice_(sums: pd.DataFrame, learnt: pd.DataFrame) -> pd.DataFrame:
        if not len(learnt):
            return pd.DataFrame(columns=list(EVIDENCE))
        usual = dict(zip(learnt["series"], learnt["usual"], strict=True))
        frame = series.frame(sums, contract, metric, windows, usual)
        return evaluate(frame, learnt, only, allowance)

    slices = [_sliced(each, count, len(windows)).groupBy("slice") for each in (grouped, own)]
    return slices[0].cogroup(slices[1]).applyInPandas(slice_, _FOUND)


def _sliced(rows: DataFrame, count: int, windows: int) -> DataFrame:
    """Rows with the `slice` that their series belongs to, those of a slice together; `count` series in all."""
    slices = max(1, -(-count * windows // SLICE_CELLS))
    # No more tasks than a cluster has use for, and no fewer than it has cores.
    parts = min(slices, _TASKS_PER_CORE * rows.sparkSession.sparkContext.defaultParallelism)
    return rows.withColumn("slice", F.expr(f"pmod(xxhash64(series), {slices})")).repartition(parts, "slice")


def _allowance(known: DataFrame, contract: Contract, windows: frames.Starts) -> Allowance:
    """Among whom the allowance is shared, counted where the baseline's rows are."""
    told = contract.sensitivity
    at = windows[-1:].astype("datetime64[s]")

    def counted(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for metric, own in batch.groupby("metric"):
                heard = ~exempt.muted(told, str(metric), own["series"].tolist(), at)[:, 0]
                every, loud = Crowd.of(own["dims"].tolist()), Crowd.of(own.loc[heard, "dims"].tolist())
                yield pd.DataFrame([(metric, every.coarse, every.fine, loud.coarse, loud.fine)], columns=names)

    names = [part.split()[0] for part in _COUNTS.split(", ")]
    counts = known.select("metric", "series", "dims").mapInPandas(counted, _COUNTS)
    sums = counts.groupBy("metric").agg(*[F.sum(name).alias(name) for name in names[1:]]).collect()
    crowds = {
        row["metric"]: (Crowd(row["coarse"], row["fine"]), Crowd(row["coarse_heard"], row["fine_heard"]))
        for row in sums
    }
    return Allowance.of(contract, crowds, at)


def replace(rows: DataFrame, uri: str, where: str) -> None:
    """Put `rows` in the place of a Delta table's rows that meet the SQL condition, in one commit."""
    rows.write.format("delta").mode("overwrite").option("replaceWhere", where).save(uri)


@contextmanager
def _kept(rows: DataFrame) -> Iterator[DataFrame]:
    """Rows that are read more than once, on the executors' disks meanwhile."""
    found = rows.persist(StorageLevel.DISK_ONLY)
    try:
        yield found
    finally:
        found.unpersist()
