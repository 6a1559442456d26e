"""Sums by which two states of silver or gold are compared: the same for any order, batches and layout of files.

Gold's sum is linear in its counts, so that rows which were merged, or divided into other batches, give the same one.
Sketches and sums of fractions are left out: they are estimates, and depend on the order of addition in the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.contract.model import INTEGER_PARTS

_BATCH = ("batch_id", "query_id")


@dataclass(frozen=True)
class Checksum:
    """The sum over content, and how many rows there are; None in gold, where rows may be merged and mean the same."""

    rows: int | None
    digest: str

    def __str__(self) -> str:
        return self.digest if self.rows is None else f"{self.rows:,} rows, {self.digest}"


def of_silver(rows: DataFrame) -> Checksum:
    """Over every column but the batch that brought a row, which another run may number otherwise."""
    names = sorted(set(rows.columns) - set(_BATCH))
    return _collect(rows.select(F.xxhash64(*names).cast("decimal(38,0)").alias("term")))


def of_gold(rows: DataFrame, contract: Contract) -> Checksum:
    """Over integers and histograms of every window and leaf."""
    leaf = ", ".join(("window_start", *contract.dimensions))
    terms = []
    for metric in contract.metrics:
        for part in INTEGER_PARTS[metric.kind]:
            weight = f"CAST(pmod(xxhash64('{metric.name}.{part}', {leaf}), 2147483647L) AS DECIMAL(10,0))"
            terms.append(f"coalesce(CAST(`{metric.name}`.{part} AS DECIMAL(26,0)) * {weight}, 0)")
        if metric.kind == "quantile":
            weight = f"CAST(pmod(xxhash64('{metric.name}', e.key, {leaf}), 2147483647L) AS DECIMAL(10,0))"
            entries = f"map_entries(`{metric.name}`.histogram)"
            step = f"CAST(total + CAST(e.value AS DECIMAL(20,0)) * {weight} AS DECIMAL(38,0))"
            terms.append(f"coalesce(aggregate({entries}, CAST(0 AS DECIMAL(38,0)), (total, e) -> {step}), 0)")
    return _collect(rows.select(F.expr(" + ".join(terms)).cast("decimal(38,0)").alias("term")), count_rows=False)


def _collect(terms: DataFrame, *, count_rows: bool = True) -> Checksum:
    found = terms.agg(F.count(F.lit(1)).alias("n"), F.sum("term").alias("total")).first()
    assert found is not None
    total = int(found["total"] or 0)
    return Checksum(found["n"] if count_rows else None, f"{total % (1 << 64):016x}")
