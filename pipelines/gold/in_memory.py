"""The partial sums of `partial_sums`, of events that the driver holds: Spark reads the events, numpy adds them up.

A micro-batch of history has about half as many leaves as events, and for each of them Spark's aggregation makes, moves
and merges objects. The rows are the same ones; only `sum_squares`, a double, may differ in its last bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract, Metric
from pipelines.gold.partial_sums import conditions, exact_value, window_start
from pipelines.gold.sketches import bucket_sql, hll

_WINDOW = "window_start"
_LARGEST_CODE = 2**62
_SUM = pa.decimal128(30, 6)


def inputs(silver: DataFrame, contract: Contract, counts: str = "true") -> DataFrame:
    """Accepted events with what `sums` needs beside their own columns.

    Args:
        silver: events with the contract's silver columns.
        contract: names the window and the metrics.
        counts: SQL that is false for an event that counts for no metric; nothing is reckoned from its values.

    Returns:
        `silver`'s columns, `window_start`, and per metric, in the contract's order, a column `#<i>`, null where the
        event does not count: for a count true, for a ratio whether it is in the numerator, for a sum or mean the exact
        value (and as a double in `#<i>_double`), for a quantile the bucket, for a distinct the value as text.
    """
    found = {_WINDOW: window_start("event_time", contract)}
    for i, metric in enumerate(contract.metrics):
        found |= {f"#{i}{suffix}": F.expr(sql) for suffix, sql in _input(metric, silver, counts)}
    return silver.withColumns(found)


def _input(metric: Metric, silver: DataFrame, counts: str) -> Iterator[tuple[str, str]]:
    counts = f"({counts}) AND {conditions(metric)}"
    if metric.kind == "count":
        yield "", f"CASE WHEN {counts} THEN true END"
    elif metric.kind == "ratio":
        yield "", f"CASE WHEN {counts} THEN coalesce(({metric.numerator}), false) END"
    elif metric.kind == "quantile":
        yield "", f"CASE WHEN {counts} THEN {bucket_sql(f'({metric.value})')} END"
    elif metric.kind == "distinct":
        yield "", f"CASE WHEN {counts} THEN CAST(({metric.value}) AS STRING) END"
    else:
        yield "", f"CASE WHEN {counts} THEN {exact_value(metric, silver)} END"
        yield "_double", f"CASE WHEN {counts} THEN CAST(({metric.value}) AS DOUBLE) END"


def sums(events: pa.Table, contract: Contract, by: Sequence[str] = ()) -> pa.Table:
    """Aggregate events into gold rows.

    Args:
        events: `inputs` of a batch, collected.
        contract: names the window, the dimensions and the metrics.
        by: further columns to keep apart, such as the batch.

    Returns:
        The columns of `partial_sums`, in its order.
    """
    keys = events.select([_WINDOW, *contract.dimensions, *by])
    leaf, first = _leaves(keys.columns)
    structs = [_struct(metric, events, i, leaf, len(first)) for i, metric in enumerate(contract.metrics)]
    keys = keys.take(pa.array(first))
    seconds = pa.array(np.full(len(first), int(contract.window.total_seconds()), dtype=np.int32))
    found = {
        _WINDOW: keys[_WINDOW],
        "window_seconds": seconds,
        **{name: keys[name] for name in contract.dimensions},
        **{metric.name: struct for metric, struct in zip(contract.metrics, structs, strict=True)},
        **{name: keys[name] for name in by},
    }
    some = np.zeros(len(first), dtype=bool)
    for struct in structs:
        some |= struct.is_valid().to_numpy(zero_copy_only=False)
    return pa.table(found).filter(pa.array(some))


def _leaves(keys: Sequence[pa.ChunkedArray]) -> tuple[np.ndarray, np.ndarray]:
    """Number of each row's combination of values, a null being one, and the first row of each combination."""
    code, size = np.zeros(len(keys[0]), dtype=np.int64), 1
    for key in keys:
        encoded = key.combine_chunks().dictionary_encode(null_encoding="encode")
        values = max(len(encoded.dictionary), 1)
        if size * values >= _LARGEST_CODE:
            found, code = np.unique(code, return_inverse=True)
            size = len(found)
        code = code * values + encoded.indices.to_numpy(zero_copy_only=False)
        size *= values
    _, first, leaf = np.unique(code, return_index=True, return_inverse=True)
    return leaf, first


def _struct(metric: Metric, events: pa.Table, i: int, leaf: np.ndarray, leaves: int) -> pa.StructArray:
    values = events[f"#{i}"].combine_chunks()
    counts = values.is_valid().to_numpy(zero_copy_only=False)
    mine, values = leaf[counts], values.drop_null()
    n = np.bincount(mine, minlength=leaves)
    parts: dict[str, pa.Array] = {"n": pa.array(n)}
    if metric.kind == "ratio":
        of_numerator = mine[values.to_numpy(zero_copy_only=False).astype(bool)]
        parts = {"numerator": pa.array(np.bincount(of_numerator, minlength=leaves)), "denominator": parts["n"]}
    elif metric.kind == "quantile":
        parts["histogram"] = _histograms(mine, values.to_numpy(), leaves)
    elif metric.kind == "distinct":
        parts = {"sketch": _sketches(mine, values, leaves)}
    elif metric.kind != "count":
        doubles = events[f"#{i}_double"].combine_chunks().drop_null().to_numpy()
        parts["sum"] = _exact_sums(mine, values, leaves)
        parts["sum_squares"] = pa.array(np.bincount(mine, weights=doubles * doubles, minlength=leaves))
    return pa.StructArray.from_arrays(list(parts.values()), names=list(parts), mask=pa.array(n == 0))


def _exact_sums(leaf: np.ndarray, values: pa.Array, leaves: int) -> pa.Array:
    """Sums per leaf in the type that Spark gives them; an integer sum beyond 64 bits is an error, as it is there."""
    integral = pa.types.is_integer(values.type)
    wide = values.cast(pa.decimal128(38, 0 if integral else 6))
    found = pa.table({"leaf": leaf, "value": wide}).group_by("leaf").aggregate([("value", "sum")])
    place = pc.index_in(pa.array(np.arange(leaves)), value_set=found["leaf"].combine_chunks())
    return found["value_sum"].combine_chunks().take(place).cast(pa.int64() if integral else _SUM)


def _histograms(leaf: np.ndarray, buckets: np.ndarray, leaves: int) -> pa.MapArray:
    """Counts per bucket, sorted by bucket."""
    # A bucket is a signed 32-bit number: moved to the unsigned ones it keeps its order below the leaf's number.
    pairs, n = np.unique((leaf << 32) | (buckets.astype(np.int64) + 2**31), return_counts=True)
    offsets = np.searchsorted(pairs >> 32, np.arange(leaves + 1))
    found = ((pairs & (2**32 - 1)) - 2**31).astype(np.int32)
    return pa.MapArray.from_arrays(offsets.astype(np.int32), pa.array(found), pa.array(n))


def _sketches(leaf: np.ndarray, values: pa.Array, leaves: int) -> pa.Array:
    """A sketch for each leaf, serialised; null where there is no value."""
    order = np.argsort(leaf, kind="stable")
    texts = values.take(pa.array(order)).to_pylist()
    found, starts = np.unique(leaf[order], return_index=True)
    made: list[bytes | None] = [None] * leaves
    ends = np.append(starts, len(texts))[1:]
    for number, start, end in zip(found, starts, ends, strict=True):
        made[number] = hll(texts[start:end]).serialize_updatable()
    return pa.array(made, type=pa.binary())
