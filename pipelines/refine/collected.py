"""A micro-batch that the driver may hold, as one arrow table: one look serves the gate, the tables and the sums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.gold import in_memory
from pipelines.refine import count

# No column of a product can have such a name.
_SAMPLE = "#sample"
_BESIDE_SILVER = ("kafka_key", "kafka_value", "reject_detail", "backfill", "batch_time")


def collect(batch: DataFrame, contract: Contract) -> pa.Table:
    """All rows of a batch without their bytes.

    Returns:
        Silver's columns, `reject_reason`, what gold's sums and the counts need, and `#sample`, by which samples are
        chosen.
    """
    sample = {_SAMPLE: F.xxhash64("event_id")}
    rows = batch.withColumns(count.inputs(contract) | sample).drop(*_BESIDE_SILVER)
    found = in_memory.inputs(rows, contract, "reject_reason IS NULL").toArrow()
    # Made anew without what is known of nulls: the tables promise nothing about them.
    return pa.table({name: found[name] for name in found.column_names})


def accepted(rows: pa.Table) -> pa.Table:
    """Those of `collect`'s rows that no rule refused."""
    return rows.filter(pc.is_null(rows["reject_reason"]))


def sample(rows: pa.Table, most: int, columns: Sequence[str]) -> pd.DataFrame:
    """About `most` of the rows, the same ones on every run, as Spark's `toPandas` gives them: times in UTC, naive."""
    chosen = np.mod(rows[_SAMPLE].to_numpy(), max(len(rows), 1)) < most
    found = rows.select(list(columns)).filter(pa.array(chosen))
    for i, field in enumerate(found.schema):
        if pa.types.is_timestamp(field.type):
            found = found.set_column(i, field.name, found[field.name].cast(pa.timestamp("us")))
    frame: pd.DataFrame = found.to_pandas(coerce_temporal_nanoseconds=True)
    return frame
