"""Gold's partial sums added up: one row per window and leaf. Pure; what every reader of the sums gets is the same.

Integers, decimals and histograms are exact; a sketch is the union of sketches, and a sum of squares may differ from the
sum of its parts in the last digit.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructType

from pipelines.contract import Contract, Metric

_SUMS = {
    "count": ("n",),
    "ratio": ("numerator", "denominator"),
    "sum": ("n", "sum", "sum_squares"),
    "mean": ("n", "sum", "sum_squares"),
}
_ADD = "coalesce(a, 0L) + coalesce(b, 0L)"


def merge(rows: DataFrame, contract: Contract) -> DataFrame:
    """Rows of gold -> `window_start`, `window_seconds`, the dimensions, and each metric's struct with its own type."""
    metrics = [_merged(metric, rows.schema[metric.name].dataType).alias(metric.name) for metric in contract.metrics]
    return rows.groupBy("window_start", "window_seconds", *contract.dimensions).agg(*metrics)


def _merged(metric: Metric, kind: DataType) -> Column:
    assert isinstance(kind, StructType)
    name = f"`{metric.name}`"
    if metric.kind == "distinct":
        parts = {"sketch": f"hll_union_agg({name}.sketch)"}
    elif metric.kind == "quantile":
        step = f"(total, h) -> map_zip_with(total, h, (k, a, b) -> {_ADD})"
        empty = "cast(map() AS MAP<INT, BIGINT>)"
        parts = {
            "n": f"sum({name}.n)",
            "histogram": f"aggregate(collect_list({name}.histogram), {empty}, {step})",
        }
    else:
        # A sum of decimals is wider than they are, and a table keeps its type.
        types = {part: kind[part].dataType.simpleString() for part in _SUMS[metric.kind]}
        parts = {part: f"CAST(sum({name}.{part}) AS {types[part]})" for part in types}
    fields = ", ".join(f"'{part}', {sql}" for part, sql in parts.items())
    return F.expr(f"CASE WHEN count({name}) > 0 THEN named_struct({fields}) END")
