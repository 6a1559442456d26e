"""The search for elements among leaves in Spark: each look at them is one pass, and only the best ones come here.

A look is GROUPING SETS over the leaves that are left; executors judge the elements of each batch by the scan's own
formulas and keep the best. Which of them are causes is for `pipelines.explain.scan` to say.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import or_
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from pipelines.explain import Kind, causes, gains
from pipelines.explain.search import LEAST_SHIFT, RANKED, REPORTED_SHIFT, ROUNDS, Explained, Found, Split, in_order, top

_CHANNELS = ("n", "w", "wd", "wdd", "likelihood")
_GAINS = ("gain", "shift")


@dataclass(frozen=True)
class _Seen:
    """An element as it was before any leaf was taken out."""

    actual: float
    expected: float
    leaves: Hashable


class SpreadSearch:
    """A `pipelines.explain.search.Search` of leaves in Spark; `gone` are elements whose leaves are not given."""

    def __init__(
        self,
        leaves: DataFrame,
        dims: tuple[str, ...],
        kind: Kind,
        direction: int,
        unit: float,
        gone: tuple[Found, ...] = (),
    ) -> None:
        self._leaves, self._dims, self._kind, self._direction, self._gone = leaves, dims, kind, direction, gone
        self._unit = unit
        self._out: tuple[Found, ...] = ()
        given = leaves.where(~inside_any(dims, gone))
        self._variance = self._noise(given)
        self._given = self._channels(given)
        self._found: list[Found] = []
        self._mirror, self._whole = 0.0, Found((), (), 0.0, 0.0)
        self._seen: dict[tuple[object, ...], _Seen] = {}
        self._look()

    def best(self, keep: int) -> list[Found]:
        return self._found[:keep]

    def mirror(self) -> float:
        return self._mirror

    def whole(self) -> Found:
        return self._whole

    def inside(self, found: Found) -> tuple[float, float]:
        seen = self._seen[key_of(found)]
        return seen.actual, seen.expected

    def leaves(self, found: Found) -> Hashable:
        return self._seen[key_of(found)].leaves

    def take_out(self, found: Found) -> None:
        self._out = (*self._out, found)
        self._look()

    def explained(self, found: Found) -> Explained:
        """One row of the element's leaves: no more comes to the driver."""
        if not self._out:
            return Explained()
        out = inside_any(self._dims, self._out)
        free = [dim for dim in range(len(self._dims)) if dim not in found.dims]
        columns = [F.sum(F.when(out, F.col(name))).alias(name) for name in ("w", "wd")]
        for dim in free:
            name = F.col(self._dims[dim])
            for side, inside in (("left", ~out), ("out", out)):
                columns += [
                    least(F.when(inside, name)).alias(f"{side}_{least.__name__}{dim}") for least in (F.min, F.max)
                ]
        row: Any = self._given.where(inside_any(self._dims, [found])).agg(*columns).first()
        if row is None or row["w"] is None:
            return Explained()
        apart: dict[int, int | str] = {}
        for dim in free:
            shared = row[f"left_min{dim}"]
            if shared == row[f"left_max{dim}"] and {row[f"out_min{dim}"], row[f"out_max{dim}"]} != {shared}:
                apart[dim] = str(shared)
        if len(found.dims) + len(apart) > causes.depth(len(self._dims)):
            apart = {}
        return Explained(row["w"], row["wd"] / row["w"], apart)

    def splits(self, found: Found, least: float) -> list[Split]:
        """One row per dimension, the parts that moved in it."""
        variance, direction, fixed = self._variance, self._direction, dict(zip(found.dims, found.code, strict=True))
        if len(fixed) == causes.depth(len(self._dims)):
            return []
        free = [dim for dim in range(len(self._dims)) if dim not in fixed]

        def judged(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
            for batch in batches:
                sums = batch[list(_CHANNELS)].to_numpy(dtype=np.float64).T
                gained, shift = gains.gain(sums, variance, np.full(len(batch), len(fixed) + 1))
                moved = (gained >= least) & (shift >= REPORTED_SHIFT)
                yield batch[["dim", "value", "w", "wd"]].assign(gain=gained, shift=shift, moved=moved)

        values = F.explode(
            F.array(*[F.struct(F.lit(i).alias("dim"), F.col(self._dims[i]).alias("value")) for i in free])
        )
        inside = self._given.where(inside_any(self._dims, [found]) & ~inside_any(self._dims, self._out))
        summed = inside.select(*_CHANNELS, values.alias("part")).groupBy("part.dim", "part.value")
        elements = summed.agg(*[F.sum(name).alias(name) for name in _CHANNELS]).mapInPandas(
            judged, "dim int, value string, w double, wd double, gain double, shift double, moved boolean"
        )
        rest = [F.sum(F.when(~F.col("moved"), F.col(name))).alias(name) for name in ("w", "wd")]
        parts = F.collect_list(F.when(F.col("moved"), F.struct("value", "gain", "shift"))).alias("parts")
        told = elements.groupBy("dim").agg(*rest, parts).where(F.size("parts") <= ROUNDS)

        def part(dim: int, row: Row) -> Found:
            code = {**fixed, dim: row["value"]}
            dims = tuple(sorted(code))
            shift = direction * float(row["shift"])
            return Found(dims, tuple(str(code[each]) for each in dims), round(float(row["gain"]), 6), shift)

        return [
            Split(
                tuple(in_order([part(row["dim"], each) for each in row["parts"]])),
                *((row["w"], row["wd"] / row["w"]) if row["w"] else (0.0, 0.0)),
            )
            for row in told.collect()
        ]

    def reversed(self) -> SpreadSearch:
        return self._among(-self._direction, self._out)

    def without(self, other: SpreadSearch) -> SpreadSearch:
        return self._among(self._direction, other._out)

    def _among(self, direction: int, out: tuple[Found, ...]) -> SpreadSearch:
        return SpreadSearch(self._leaves, self._dims, self._kind, direction, self._unit, (*self._gone, *out))

    def _noise(self, given: DataFrame) -> float:
        kind, direction, unit = self._kind, self._direction, self._unit

        def parts(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
            for batch in batches:
                above, below = gains.noise(*_shifts(batch, direction, unit), kind)
                yield pd.DataFrame({"above": [above], "below": [below]})

        sums = given.mapInPandas(parts, "above double, below double").agg(F.sum("above"), F.sum("below")).first()
        above, below = (0.0, 0.0) if sums is None or sums[0] is None else sums
        return gains.variance(above, below, kind)

    def _channels(self, given: DataFrame) -> DataFrame:
        kind, direction, unit = self._kind, self._direction, self._unit
        variance, dims = self._variance, list(self._dims)

        def rows(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
            for batch in batches:
                columns = gains.channels(*_shifts(batch, direction, unit), kind, variance)
                yield batch[[*dims, "actual", "expected"]].assign(**dict(zip(_CHANNELS, columns, strict=True)))

        schema = ", ".join(f"`{name}` string" for name in dims)
        numbers = ", ".join(f"{name} double" for name in ("actual", "expected", *_CHANNELS))
        return given.mapInPandas(rows, f"{schema}, {numbers}")

    def _look(self) -> None:
        """Every element's gain among the leaves that are left; the best and the mirror come here."""
        dims, variance = list(self._dims), self._variance

        def best(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
            for batch in batches:
                # Of no leaves at all the whole is there, without any sum.
                batch = batch[batch["n"].notna()]
                widths = batch[dims].notna().sum(axis=1).to_numpy()
                gained, shift = gains.gain(batch[list(_CHANNELS)].to_numpy(dtype=np.float64).T, variance, widths)
                parts = widths > 0
                wanted = ~parts
                wanted[top(np.where(parts, gained, -np.inf), shift, RANKED)] = True
                against = np.flatnonzero((shift < -LEAST_SHIFT) & parts)
                wanted[against[gained[against].argsort()[-1:]]] = True
                yield batch.assign(gain=gained, shift=shift)[wanted]

        elements = _elements(self._given.where(~inside_any(self._dims, self._out)), self._dims)
        schema = ", ".join(
            [
                *(f"`{name}` string" for name in dims),
                *(f"{name} double" for name in (*_CHANNELS, "actual", "expected")),
                "mark bigint",
                *(f"{name} double" for name in _GAINS),
            ]
        )
        self._take(elements.mapInPandas(best, schema).collect())

    def _take(self, rows: list[Row]) -> None:
        first = not self._out
        gained = np.array([row["gain"] for row in rows], dtype=np.float64)
        shift = np.array([row["shift"] for row in rows], dtype=np.float64)
        found = [self._named(row) for row in rows]
        parts = np.array([bool(each.dims) for each in found], dtype=bool)
        self._mirror = float(gained[parts & (shift < -LEAST_SHIFT)].max(initial=0))
        chosen = top(np.where(parts, gained, -np.inf), shift, RANKED) if rows else np.empty(0, dtype=np.int64)
        self._found = in_order([found[i] for i in chosen])
        for row, each in zip(rows, found, strict=True) if first else ():
            self._seen[key_of(each)] = _Seen(row["actual"], row["expected"], (row["n"], row["mark"]))
            if not each.dims:
                self._whole = each

    def _named(self, row: Row) -> Found:
        fixed = [(i, row[name]) for i, name in enumerate(self._dims) if row[name] is not None]
        return Found(
            tuple(i for i, _ in fixed),
            tuple(str(value) for _, value in fixed),
            round(float(row["gain"]), 6),
            self._direction * float(row["shift"]),
        )


def inside_any(dims: Sequence[str], found: Sequence[Found]) -> Column:
    """Whether a leaf is in any of some elements."""
    each = [
        reduce(
            lambda left, right: left & right,
            [F.col(dims[dim]) == F.lit(value) for dim, value in zip(one.dims, one.code, strict=True)],
        )
        for one in found
    ]
    return reduce(or_, each, F.lit(False))


def key_of(found: Found | None) -> tuple[object, ...]:
    """The same for equal elements, and for all leaves, as an element or as None."""
    return (found.dims, found.code) if found else ()


def _elements(leaves: DataFrame, dims: tuple[str, ...]) -> DataFrame:
    """Sums over every element, null where it does not fix a dimension; `mark` is the same for the same leaves."""
    sets = [list(names) for width in range(causes.depth(len(dims)) + 1) for names in combinations(dims, width)]
    marked = leaves.withColumn("mark", F.xxhash64(*dims))
    grouped = marked.groupingSets([[F.col(name) for name in each] for each in sets], *[F.col(name) for name in dims])
    sums = [F.sum(name).alias(name) for name in (*_CHANNELS, "actual", "expected")]
    return grouped.agg(*sums, F.bit_xor("mark").alias("mark"))


def _shifts(batch: pd.DataFrame, direction: int, unit: float) -> tuple[np.ndarray, np.ndarray]:
    return gains.shifts(batch["actual"].to_numpy() / unit, batch["expected"].to_numpy() / unit, direction)
