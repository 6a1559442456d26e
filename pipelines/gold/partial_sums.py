"""Accepted events -> additive partial sums, one row per window and leaf (a combination of all dimension values).

Pure: frame in, frame out. Rows of several batches for the same window and leaf are summed by whoever reads, so late,
released and re-driven events need no update. Integer parts are exact in any order; fractional sums are decimals.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ByteType, DataType, IntegerType, LongType, ShortType

from pipelines.contract import Contract, Metric
from pipelines.gold.sketches import HLL_LG_K, bucket_sql

_INTEGRAL: tuple[type[DataType], ...] = (ByteType, ShortType, IntegerType, LongType)


def window_start(time: Column | str, contract: Contract) -> Column:
    """Start of the tumbling event-time window that a timestamp falls into, UTC."""
    seconds = int(contract.window.total_seconds())
    return F.timestamp_seconds(F.floor(F.unix_micros(time) / (seconds * 1_000_000)) * seconds)


def partial_sums(silver: DataFrame, contract: Contract, by: Sequence[str] = ()) -> DataFrame:
    """Aggregate accepted events into gold rows.

    Args:
        silver: accepted events with the contract's silver columns.
        contract: names the window, the dimensions and the metrics.
        by: further columns to keep apart, such as the batch.

    Returns:
        `window_start` timestamp, `window_seconds` int, one string column per dimension, and per metric one struct:
        count `n`; ratio `numerator, denominator`; sum and mean `n, sum, sum_squares`; quantile `n, histogram`
        (bucket -> count); distinct `sketch` (Apache DataSketches HLL). A struct is null where the leaf has no such
        event; a leaf with none at all has no row. The columns of `by` come last.
    """
    structs: list[Column] = [_struct(metric, silver) for metric in contract.metrics]
    leaf: list[Column | str] = [window_start("event_time", contract).alias("window_start"), *contract.dimensions, *by]
    aggregated = silver.groupBy(leaf).agg(*structs)  # type: ignore[arg-type]  # the stub wants one kind of list
    any_metric = reduce(operator.or_, [F.col(f"`{metric.name}`").isNotNull() for metric in contract.metrics])
    return aggregated.where(any_metric).select(
        "window_start",
        F.lit(int(contract.window.total_seconds())).alias("window_seconds"),
        *contract.dimensions,
        *[metric.name for metric in contract.metrics],
        *by,
    )


def conditions(metric: Metric) -> str:
    """SQL: the event counts for the metric; for a ratio, in its denominator."""
    where = f"coalesce(({metric.where}), false)" if metric.where else "true"
    if metric.kind == "count":
        return where
    if metric.kind == "ratio":
        return f"({where}) AND coalesce(({metric.denominator or 'true'}), false)"
    return f"({where}) AND ({metric.value}) IS NOT NULL"


def exact_value(metric: Metric, silver: DataFrame) -> str:
    """SQL of a summed value in a type whose sums do not depend on the order of adding."""
    kind = silver.select(F.expr(f"({metric.value})").alias("value")).schema["value"].dataType
    return f"CAST(({metric.value}) AS {'BIGINT' if isinstance(kind, _INTEGRAL) else 'DECIMAL(20, 6)'})"


def _struct(metric: Metric, silver: DataFrame) -> Column:
    counts, value = conditions(metric), f"({metric.value})"
    n = f"count_if({counts})"
    if metric.kind == "count":
        parts = {"n": n}
    elif metric.kind == "ratio":
        parts = {"numerator": f"count_if({counts} AND coalesce(({metric.numerator}), false))", "denominator": n}
    elif metric.kind == "quantile":
        parts = {"n": n, "histogram": _histogram_sql(f"CASE WHEN {counts} THEN {bucket_sql(value)} END")}
    elif metric.kind == "distinct":
        parts = {"sketch": f"hll_sketch_agg(CAST({value} AS STRING), {HLL_LG_K}) FILTER (WHERE {counts})"}
    else:
        squares = f"CAST({value} AS DOUBLE) * CAST({value} AS DOUBLE)"
        parts = {
            "n": n,
            "sum": f"sum({exact_value(metric, silver)}) FILTER (WHERE {counts})",
            "sum_squares": f"sum({squares}) FILTER (WHERE {counts})",
        }
    fields = ", ".join(f"'{name}', {sql}" for name, sql in parts.items())
    return F.expr(f"CASE WHEN {n} > 0 THEN named_struct({fields}) END").alias(metric.name)


def _histogram_sql(bucket: str) -> str:
    """Counts per bucket as a map; collect_list drops nulls, so events outside the metric do not count."""
    collected = f"array_sort(collect_list({bucket}))"
    return (
        f"map_from_entries(transform(array_distinct({collected}), "
        f"b -> named_struct('bucket', b, 'n', "
        f"CAST(size(filter({collected}, x -> x = b)) AS BIGINT))))"
    )
