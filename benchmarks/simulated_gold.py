"""Gold of a simulated world, summed in this process from the world's own columns: no Kafka, no Spark, no lake.

Equal to what refine and `partial_sums` make of the same events (`tests/spark/gold/test_series.py`), for metrics
whose expressions pandas can read. Distinct counts come from the same kind of sketch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.contract import Contract, Metric
from pipelines.gold import frames, leaves
from pipelines.gold.sketches import GROWTH, UNDERFLOW, hll
from pipelines.incidents.find import Asked
from pipelines.simulate.world import World

# Fields of events that metrics and checks may speak of.
FIELDS = ("user_id", "host", "status", "error", "amount_minor", "latency_ms", "action", "currency", "name", "value")
# Those of them that repeat a few words.
_WORDS = ("event_type", "status", "action", "currency", "name")

Numbers = npt.NDArray[Any]


def sent(world: World, contract: Contract, start: datetime, end: datetime) -> pd.DataFrame:
    """Everything that is sent in [start, end): the columns of `World.columns`, and `at`, the window (epoch seconds)."""
    seconds = int(contract.window.total_seconds())
    parts = [pd.DataFrame(each) for each in world.columns(start, end, FIELDS) if len(each["sent_ms"])]
    events = pd.concat(parts, ignore_index=True)
    events["at"] = events["event_ms"] // (seconds * 1000) * seconds
    for name in (*contract.dimensions, *_WORDS):
        events[name] = events[name].astype("category")
    return events


def accepted(events: pd.DataFrame) -> pd.DataFrame:
    """The events that pass every row rule, each once."""
    return events[~events["broken"] & ~events["second"]]


@dataclass(frozen=True)
class Gold:
    """Sums per window and leaf of each metric: columns at, the dimensions, and the parts that `frames` names.

    A quantile has a row per `bucket` with its count `n`; a distinct count has a row per window, leaf and `member`.
    """

    contract: Contract
    cells: Mapping[str, pd.DataFrame]

    @classmethod
    def of(cls, events: pd.DataFrame, contract: Contract) -> Gold:
        """Gold of accepted events."""
        return cls(contract, {metric.name: _cells(events, metric, contract) for metric in contract.metrics})

    @classmethod
    def sum(cls, parts: Sequence[Gold]) -> Gold:
        """All together."""
        contract = parts[0].contract
        return cls(contract, {name: _joined([each.cells[name] for each in parts], contract) for name in parts[0].cells})

    def series(self, start: datetime, end: datetime, usual: Mapping[str, float]) -> pd.DataFrame:
        """As `pipelines.gold.series.read`."""
        contract, dimensions = self.contract, self.contract.dimensions
        first, last, step = int(start.timestamp()), int(end.timestamp()), int(contract.window.total_seconds())
        windows = np.arange(first, last - step + 1, step)
        found = []
        scalars, others = [], []
        for metric in contract.metrics:
            cells = self.cells[metric.name]
            cells = cells[(cells["at"] >= first) & (cells["at"] < last)]
            depth = frames.DEPTH.get(metric.kind, 1)
            if metric.kind == "distinct":
                sums = _grouped(cells, dimensions, depth, ())
                others.append(frames.distinct_frame(sums, metric, dimensions, windows))
            elif metric.kind == "quantile":
                sums = _grouped(cells, dimensions, depth, ("n",), "bucket")
                others.append(frames.quantile_frame(sums, metric, dimensions, windows, usual))
            else:
                parts = frames.SCALARS[metric.kind]
                sums = _grouped(cells, dimensions, depth, parts, prefix=f"{metric.name}.")
                scalars.append(frames.scalar_frame(sums, metric, dimensions, windows))
        found = [*scalars, *others]
        return pd.concat(found, ignore_index=True)

    def during(self, start: datetime, end: datetime) -> Gold:
        """That of the windows that start in [start, end)."""
        first, last = int(start.timestamp()), int(end.timestamp())
        return Gold(
            self.contract,
            {name: cells[(cells["at"] >= first) & (cells["at"] < last)] for name, cells in self.cells.items()},
        )

    def leaves(self, asked: Asked, *more: Gold) -> pd.DataFrame:
        """As `pipelines.gold.leaves.read`, of this and `more` gold together."""
        metric, contract = asked.metric, self.contract
        starts = [int(each.timestamp()) for each in asked.windows]
        clock = leaves.clock_of(metric, starts, int(contract.window.total_seconds()))
        first, last = (int(each.timestamp()) for each in asked.history)
        names = leaves.dimensions_of(contract, metric)
        now, past = [], []
        for gold in (self, *more):
            cells = gold.cells[metric.name]
            at = cells["at"].to_numpy()
            inside = np.isin(at, starts)
            now.append(cells[inside])
            past.append(cells[(at >= first) & (at < last) & np.isin(at % 86_400, clock) & ~inside])
        sums = [_leaf_sums(_joined(parts, contract), metric, names, asked.usual) for parts in (now, past)]
        total = asked.expected_total
        if total is None:
            total = float(sums[1]["a"].sum()) / (max((last - first) / 86_400, 1.0) * len(clock)) * len(starts)
        return leaves.expectations(sums[0], sums[1], metric, names, total)


def _joined(parts: Sequence[pd.DataFrame], contract: Contract) -> pd.DataFrame:
    """Cells one after the other, their dimensions still categories."""
    both = pd.concat([each for each in parts if len(each)] or parts[:1], ignore_index=True)
    for name in contract.dimensions:
        both[name] = both[name].astype("category")
    return both


def _cells(events: pd.DataFrame, metric: Metric, contract: Contract) -> pd.DataFrame:
    rows = events[_holds(events, metric.where)] if metric.where else events
    dimensions = contract.dimensions
    if metric.kind == "ratio":
        rows = rows[_holds(rows, metric.denominator)] if metric.denominator else rows
        holds = _holds(rows, metric.numerator or "true").to_numpy(dtype=np.int64)
        return _summed(rows, dimensions, {"numerator": holds, "denominator": np.ones(len(rows), dtype=np.int64)})
    if metric.kind == "count":
        return _summed(rows, dimensions, {"n": np.ones(len(rows), dtype=np.int64)})
    assert metric.value is not None
    rows = rows.assign(x=rows.eval(metric.value))
    rows = rows[rows["x"].notna()]
    if metric.kind == "distinct":
        members = rows[["at", *dimensions]].assign(member=rows["x"].astype(str))
        return members.drop_duplicates(ignore_index=True)
    x, one = rows["x"].to_numpy(dtype=np.float64), np.ones(len(rows), dtype=np.int64)
    if metric.kind == "quantile":
        bucket = np.where(x > 0, np.floor(np.log(np.maximum(x, 1e-300)) / np.log(GROWTH)), UNDERFLOW).astype(np.int64)
        return _summed(rows.assign(bucket=bucket), dimensions, {"n": one}, "bucket")
    return _summed(rows, dimensions, {"n": one, "sum": x})


def _summed(rows: pd.DataFrame, dimensions: Sequence[str], parts: Mapping[str, Numbers], *more: str) -> pd.DataFrame:
    """Columns of numbers added up per window, leaf and `more`."""
    by = ["at", *dimensions, *more]
    key, first = _keys(rows, by)
    out = rows[by].iloc[first].reset_index(drop=True)
    for name, values in parts.items():
        total = np.bincount(key, weights=values, minlength=len(first))
        out[name] = total.astype(np.int64) if values.dtype == np.int64 else total
    return out


def _keys(rows: pd.DataFrame, by: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Each row's group by the columns, numbered in the order of their values, and a row of every group."""
    key = np.zeros(len(rows), dtype=np.int64)
    for name in by:
        column = rows[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, many = column.cat.codes.to_numpy().astype(np.int64) + 1, len(column.cat.categories) + 1
        else:
            codes, found = pd.factorize(column, sort=True)
            many = len(found)
        key = key * max(many, 1) + codes
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return place, first


def _holds(events: pd.DataFrame, condition: str) -> pd.Series[bool]:
    """Where a contract's condition is true; null is not."""
    words = re.sub(r"\b(AND|OR|NOT)\b", lambda word: word[0].lower(), condition)
    return events.eval(re.sub(r"(?<![<>!=])=(?!=)", "==", words)).eq(True)


def _grouped(
    cells: pd.DataFrame, dimensions: Sequence[str], depth: int, parts: Sequence[str], *more: str, prefix: str = ""
) -> pd.DataFrame:
    """Cells added up per window, `more`, and every set of at most `depth` dimensions; one left out is None.

    Without `parts`, `member` is counted by a sketch into `n`.
    """
    found: list[dict[str, Any]] = []
    for count in range(depth + 1):
        for names in combinations(dimensions, count):
            by = ["at", *more, *names]
            place, first = _keys(cells, by)
            groups: dict[str, Any] = {name: cells[name].to_numpy()[first] for name in ("at", *more)}
            for name in dimensions:
                own = cells[name].astype(object).to_numpy()[first] if name in names else None
                groups[name] = np.full(len(first), None, dtype=object) if own is None else own
            for part in parts:
                groups[prefix + part] = np.bincount(place, weights=cells[part].to_numpy(), minlength=len(first))
            if not parts:
                groups["n"] = _estimates(cells["member"].to_numpy(), place, len(first))
            found.append(groups)
    return pd.DataFrame({name: np.concatenate([each[name] for each in found]) for name in found[0]})


def _estimates(members: Numbers, place: Numbers, groups: int) -> Numbers:
    """How many different members each group has, by a sketch of each."""
    order = np.argsort(place, kind="stable")
    ends = np.searchsorted(place[order], np.arange(groups + 1))
    out = np.empty(groups)
    for group in range(groups):
        out[group] = round(hll(members[order[ends[group] : ends[group + 1]]]).get_estimate())
    return out


def _leaf_sums(cells: pd.DataFrame, metric: Metric, names: list[str], usual: float | None) -> pd.DataFrame:
    """Per leaf: a (what is explained) and n, as `pipelines.gold.leaves` sums them."""
    if metric.kind == "distinct":
        rows = cells.assign(a=1.0, n=1.0)
    elif metric.kind == "quantile":
        above = (cells["bucket"] != UNDERFLOW) & (GROWTH ** (cells["bucket"] + 1.0) > (usual or np.inf) * (1 + 1e-9))
        rows = cells.assign(a=np.where(above, cells["n"], 0.0))
    elif metric.kind == "ratio":
        rows = cells.assign(a=cells["numerator"], n=cells["denominator"])
    else:
        rows = cells.assign(a=cells["n" if metric.kind == "count" else "sum"])
    sums = rows.groupby(names, observed=True)[["a", "n"]].sum().astype(np.float64).reset_index()
    sums[names] = sums[names].astype(object)
    return sums
