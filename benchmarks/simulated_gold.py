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

import datasketches
import numpy as np
import pandas as pd

from pipelines.contract import Contract, Metric
from pipelines.gold import frames, leaves
from pipelines.gold.sketches import GROWTH, HLL_LG_K, UNDERFLOW
from pipelines.incidents.find import Asked
from pipelines.simulate.world import World

# Fields of events that metrics and checks may speak of.
FIELDS = ("user_id", "status", "error", "amount_minor", "latency_ms", "action", "currency", "name", "value")


def sent(world: World, contract: Contract, start: datetime, end: datetime) -> pd.DataFrame:
    """Everything that is sent in [start, end): the columns of `World.columns`, and `at`, the window (epoch seconds)."""
    seconds = int(contract.window.total_seconds())
    parts = [pd.DataFrame(each) for each in world.columns(start, end, FIELDS) if len(each["sent_ms"])]
    events = pd.concat(parts, ignore_index=True)
    events["at"] = events["event_ms"] // (seconds * 1000) * seconds
    for name in contract.dimensions:
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

    def plus(self, other: Gold) -> Gold:
        """Both together."""
        names = list(self.contract.dimensions)
        joined = {}
        for name, cells in self.cells.items():
            both = pd.concat([cells, other.cells[name]], ignore_index=True)
            both[names] = both[names].astype("category")
            joined[name] = both
        return Gold(self.contract, joined)

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
                sums = _grouped(cells, dimensions, depth, {"n": ("member", _estimate)})
                others.append(frames.distinct_frame(sums, metric, dimensions, windows))
            elif metric.kind == "quantile":
                sums = _grouped(cells, dimensions, depth, {"n": ("n", "sum")}, "bucket")
                others.append(frames.quantile_frame(sums, metric, dimensions, windows, usual))
            else:
                parts = {f"{metric.name}.{part}": (part, "sum") for part in frames.SCALARS[metric.kind]}
                sums = _grouped(cells, dimensions, depth, parts)
                scalars.append(frames.scalar_frame(sums, metric, dimensions, windows))
        found = [*scalars, *others]
        return pd.concat(found, ignore_index=True)

    def leaves(self, asked: Asked) -> pd.DataFrame:
        """As `pipelines.gold.leaves.read`."""
        metric, contract = asked.metric, self.contract
        starts = [int(each.timestamp()) for each in asked.windows]
        clock = leaves.clock_of(metric, starts, int(contract.window.total_seconds()))
        first, last = (int(each.timestamp()) for each in asked.history)
        names = leaves.dimensions_of(contract, metric)
        cells = self.cells[metric.name]
        at = cells["at"]
        now = cells[at.isin(starts)]
        past = cells[(at >= first) & (at < last) & (at % 86_400).isin(clock) & ~at.isin(starts)]
        sums = [_leaf_sums(part, metric, names, asked.usual) for part in (now, past)]
        total = asked.expected_total
        if total is None:
            total = float(sums[1]["a"].sum()) / (max((last - first) / 86_400, 1.0) * len(clock)) * len(starts)
        return leaves.expectations(sums[0], sums[1], metric, names, total)


def _cells(events: pd.DataFrame, metric: Metric, contract: Contract) -> pd.DataFrame:
    rows = events[_holds(events, metric.where)] if metric.where else events
    by = ["at", *contract.dimensions]
    if metric.kind == "ratio":
        rows = rows[_holds(rows, metric.denominator)] if metric.denominator else rows
        rows = rows.assign(numerator=_holds(rows, metric.numerator or "true"), denominator=1)
        return rows.groupby(by, observed=True)[["numerator", "denominator"]].sum().reset_index()
    if metric.kind == "count":
        return rows.groupby(by, observed=True).size().rename("n").reset_index()
    assert metric.value is not None
    rows = rows.assign(x=rows.eval(metric.value))
    rows = rows[rows["x"].notna()]
    if metric.kind == "distinct":
        return rows[by].assign(member=rows["x"].astype(str)).drop_duplicates(ignore_index=True)
    if metric.kind == "quantile":
        x = rows["x"].to_numpy(dtype=np.float64)
        bucket = np.where(x > 0, np.floor(np.log(np.maximum(x, 1e-300)) / np.log(GROWTH)), UNDERFLOW).astype(np.int64)
        sizes = rows[by].assign(bucket=bucket).groupby([*by, "bucket"], observed=True).size()
        return sizes.rename("n").reset_index()
    return rows.groupby(by, observed=True)["x"].agg(n="size", sum="sum").reset_index()


def _holds(events: pd.DataFrame, condition: str) -> pd.Series[bool]:
    """Where a contract's condition is true; null is not."""
    words = re.sub(r"\b(AND|OR|NOT)\b", lambda word: word[0].lower(), condition)
    return events.eval(re.sub(r"(?<![<>!=])=(?!=)", "==", words)).eq(True)


def _grouped(
    cells: pd.DataFrame, dimensions: Sequence[str], depth: int, parts: Mapping[str, tuple[str, object]], *more: str
) -> pd.DataFrame:
    """Cells grouped by window, `more`, and every set of at most `depth` dimensions; a dimension left out is None."""
    found = []
    for count in range(depth + 1):
        for names in combinations(dimensions, count):
            sums = cells.groupby(["at", *more, *names], observed=True).agg(**parts).reset_index()
            for name in dimensions:
                sums[name] = sums[name].astype(object) if name in names else None
            found.append(sums)
    return pd.concat([each for each in found if len(each)] or found, ignore_index=True)


def _estimate(members: pd.Series[str]) -> float:
    sketch = datasketches.hll_sketch(HLL_LG_K, datasketches.HLL_8)
    for member in members:
        sketch.update(member)
    return float(round(sketch.get_estimate()))


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
