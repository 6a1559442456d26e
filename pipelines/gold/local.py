"""One series out of gold without a JVM: the same sums as `series`, of the windows and leaves of one segment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import reduce
from operator import and_
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import Contract, Metric
from pipelines.gold.frames import SCALARS, series_frame
from pipelines.platform.lake import Lake

# lgK of the union that sketches are merged in; it takes the precision of the coarsest sketch.
_UNION_LG_K = 12


def read(
    lake: Lake,
    contract: Contract,
    metric: Metric,
    dims: Mapping[str, str],
    start: datetime,
    end: datetime,
    version: int | None = None,
    usual: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """The series frame (`frames.COLUMNS`) of one segment of a metric, of the windows that lie wholly in [start, end).

    Args:
        dims: the segment's dimension values; empty for the whole.
        start, end: multiples of the contract's window, aware.
        version: of gold; the newest when None.
        usual: for quantiles, as in `series.read`.
    """
    seconds = int(contract.window.total_seconds())
    windows = np.arange(int(start.timestamp()), int(end.timestamp()) - seconds + 1, seconds)
    inside = (pc.field("window_start") >= _arrow(start)) & (pc.field("window_start") < _arrow(end))
    wanted = reduce(and_, [_is(name, value) for name, value in dims.items()], inside)
    rows = lake.read(contract.product, "gold", ["window_start", metric.name], wanted, version)
    frame = sums(rows, metric, contract.dimensions, dims)
    found = series_frame(frame, metric, contract.dimensions, windows, usual)
    return found[found["dims"].map(lambda each: dict(each) == dict(dims))].reset_index(drop=True)


def sums(rows: pa.Table, metric: Metric, dimensions: tuple[str, ...], dims: Mapping[str, str]) -> pd.DataFrame:
    """Gold rows of one segment, grouped by window as `frames` takes them."""
    seen = [
        {"at": int(row["window_start"].timestamp()), **row[metric.name]}
        for row in rows.to_pylist()
        if row[metric.name] is not None
    ]
    if metric.kind in SCALARS:
        parts = list(SCALARS[metric.kind])
        frame = pd.DataFrame(
            [[each["at"], *(float(each[part]) for part in parts)] for each in seen],
            columns=["at", *(f"{metric.name}.{part}" for part in parts)],
        )
        grouped = frame.groupby("at", as_index=False).sum()
    elif metric.kind == "distinct":
        frame = pd.DataFrame([[each["at"], each["sketch"]] for each in seen], columns=["at", "sketch"])
        estimates = [[at, estimate(each)] for at, each in frame.groupby("at")["sketch"]]
        grouped = pd.DataFrame(estimates, columns=["at", "n"])
    else:
        counted = [[each["at"], bucket, float(n)] for each in seen for bucket, n in each["histogram"]]
        grouped = pd.DataFrame(counted, columns=["at", "bucket", "n"]).groupby(["at", "bucket"], as_index=False).sum()
    for name in dimensions:
        grouped[name] = pd.Series([dims.get(name)] * len(grouped), dtype=object)
    return grouped


def estimate(sketches: Any) -> float:
    """Distinct values behind several sketches together."""
    import datasketches

    union = datasketches.hll_union(_UNION_LG_K)
    for each in sketches:
        union.update(datasketches.hll_sketch.deserialize(bytes(each)))
    return float(round(union.get_estimate()))


def _is(name: str, value: str) -> pc.Expression:
    """Where a dimension has a value; one that is missing counts as empty."""
    here = pc.field(name) == value
    return here if value else here | pc.field(name).is_null()


def _arrow(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment.astimezone(UTC), type=pa.timestamp("us", tz="UTC"))
