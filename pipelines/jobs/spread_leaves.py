"""The causes of a change among leaves that are too many for the driver: Spark adds up, the formulas are the scan's.

Up to `MOST_LEAVES` the driver takes the leaves themselves; beyond that only the few rows that `spread_search` asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Metric
from pipelines.errors import UsageError
from pipelines.explain import Explanation, Kind, RateMix, causes, rate_and_mix, scan
from pipelines.explain.causes import Figures
from pipelines.explain.leaves import COLUMNS, overall, sides, unit_of
from pipelines.explain.search import Found
from pipelines.gold import leaves as gold_leaves
from pipelines.gold.leaves import SUMS, Totals
from pipelines.jobs.spread_search import SpreadSearch, inside_any, key_of

# Leaves that the driver takes: some ten megabytes.
MOST_LEAVES = 50_000


def explain(
    sums: DataFrame,
    metric: Metric,
    dims: Sequence[str],
    kind: Kind,
    expected_total: float | None,
    share: float,
    most_leaves: int = MOST_LEAVES,
) -> Explanation:
    """Causes of a change, as `pipelines.explain.explain` gives them, from `pipelines.gold.leaves.sums`.

    Args:
        dims: the dimension columns, in the order that a cause names them.
        expected_total, share: see `Totals.of`.
        most_leaves: how many the driver takes.
    """
    few = sums.limit(most_leaves + 1).toPandas()
    if len(few) <= most_leaves:
        found = gold_leaves.expected(few, metric, Totals.of(few, expected_total, share))
        return causes.explain(found, dims, kind)
    kept = sums.persist(StorageLevel.DISK_ONLY)
    try:
        return _explain(kept, metric, dims, kind, expected_total, share)
    finally:
        kept.unpersist()


def _explain(
    sums: DataFrame, metric: Metric, dims: Sequence[str], kind: Kind, expected_total: float | None, share: float
) -> Explanation:
    totals = sums.agg(
        *[F.sum(name).alias(name) for name in SUMS], *[F.min(name).alias(f"least_{name}") for name in SUMS]
    ).first()
    assert totals is not None
    if min(totals[f"least_{name}"] for name in SUMS) < 0:
        raise UsageError(f"leaves of {metric.name} have negative sums", hint="give numbers from 0 up")
    before = totals["a_h"]
    total = Totals(before, totals["n_h"], before * share if expected_total is None else expected_total)
    leaves = _leaves(sums, metric, dims, kind, total)
    ranges = leaves.agg(*[(F.min(name) != F.max(name)).alias(name) for name in dims]).first()
    # As in `pipelines.explain.leaves`: a dimension with one value tells nothing apart.
    telling = tuple(name for name in sorted(dims) if ranges is not None and ranges[name])
    if not telling:
        return Explanation((), (), everywhere=False, rate_mix=None)
    everything = leaves.agg(F.sum("actual").alias("a"), F.sum("expected").alias("e")).first()
    assert everything is not None
    unit = unit_of(total.before, total.events_before) if kind == "sum" else 1.0

    def part(inside: Sequence[Found], outside: Sequence[Found]) -> causes.Sums:
        members = leaves.where(inside_any(telling, inside) & ~inside_any(telling, outside))
        row = members.agg(F.sum("actual"), F.sum("expected")).first()
        return (row[0] or 0.0, row[1] or 0.0) if row is not None else (0.0, 0.0)

    def scan_beside(background: float) -> scan.Scanned:
        here = leaves if background == 1.0 else leaves.withColumn("expected", F.col("expected") * background)
        return scan.scan_by(
            lambda direction: SpreadSearch(here, telling, kind, direction, unit),
            everything["a"],
            everything["e"] * background,
        )

    scanned = causes.scan_twice(scan_beside, kind, (everything["a"], everything["e"]), part)
    figures = _figures(leaves, telling, [*scanned.causes, *scanned.ranked])
    split = None
    if kind == "ratio" and totals["n"] > 0 and totals["n_h"] > 0:
        split = _split(sums, (totals["n"], totals["n_h"]))

    def named(found: Found) -> dict[str, str]:
        code = dict(zip([telling[dim] for dim in found.dims], map(str, found.code), strict=True))
        return {name: code[name] for name in dims if name in code}

    return causes.told(scanned, named, lambda found: figures[key_of(found)], part, split)


def _leaves(sums: DataFrame, metric: Metric, dims: Sequence[str], kind: Kind, totals: Totals) -> DataFrame:
    """The leaves that say anything: dimensions, actual and expected."""

    def rows(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            found = gold_leaves.expected(batch, metric, totals)
            if kind == "ratio":
                columns = found[list(COLUMNS[kind])].to_numpy(dtype=np.float64).T
                actual, expected = sides(columns, overall(totals.before, totals.events_before))
                found = found.assign(actual=actual, expected=expected)[columns[1] > 0]
            found = found[found["actual"] + found["expected"] > 0]
            yield found[[*dims, "actual", "expected"]]

    schema = ", ".join([*(f"`{name}` string" for name in dims), "actual double", "expected double"])
    return sums.select(*dims, *SUMS).mapInPandas(rows, schema)


def _split(sums: DataFrame, totals: tuple[float, float]) -> RateMix:
    def parts(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            k, n, past_k, past_n = batch[list(SUMS)].to_numpy(dtype=np.float64).T
            found = rate_and_mix(k, n, past_k, past_n, totals)
            yield pd.DataFrame({"rate": [found.rate], "mix": [found.mix]})

    both = sums.select(*SUMS).mapInPandas(parts, "rate double, mix double").agg(F.sum("rate"), F.sum("mix")).first()
    return RateMix(*both) if both is not None else RateMix(0.0, 0.0)


def _figures(leaves: DataFrame, dims: tuple[str, ...], found: Sequence[Found]) -> dict[tuple[object, ...], Figures]:
    """What is to be told of some elements, and of all leaves, in one pass."""
    wanted: dict[tuple[object, ...], Column] = {key_of(None): F.lit(True)}
    wanted |= {key_of(each): inside_any(dims, [each]) for each in found}
    change = F.abs(F.col("actual") / F.col("expected") - 1)
    columns: list[Column] = []
    for i, inside in enumerate(wanted.values()):
        usual = F.when(inside & (F.col("expected") > 0), change)
        columns += [
            F.sum(F.when(inside, F.col("actual"))).alias(f"actual{i}"),
            F.sum(F.when(inside, F.col("expected"))).alias(f"expected{i}"),
            F.count_if(inside).alias(f"leaves{i}"),
            F.count_if(inside & (F.col("actual") > F.col("expected"))).alias(f"rose{i}"),
            F.count_if(inside & (F.col("actual") < F.col("expected"))).alias(f"fell{i}"),
            F.percentile(usual, F.array(F.lit(0.25), F.lit(0.5), F.lit(0.75))).alias(f"change{i}"),
        ]
    row: Any = leaves.agg(*columns).first()
    return {
        key: Figures(
            actual=row[f"actual{i}"],
            expected=row[f"expected{i}"],
            leaves=row[f"leaves{i}"],
            rose=row[f"rose{i}"],
            fell=row[f"fell{i}"],
            change=None if row[f"change{i}"] is None else tuple(row[f"change{i}"]),
        )
        for i, key in enumerate(wanted)
    }
