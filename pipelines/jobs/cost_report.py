"""What a product cost in a day: storage, requests and compute seconds per layer and per million events.

**Output**: a row per layer in the table `cost`, and a comparison with the budget. **Impact of failure**: none on data.
To re-run: `pulseiq run cost-report PRODUCT`; the same day replaces its rows.

Counted: bytes and objects under each table, objects written in the day, seconds of micro-batches and
of job runs. S3 counts reads nowhere that we can ask, so the day is priced as if each object was read once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import Contract
from pipelines.platform import job_runs
from pipelines.platform.cost import price_table
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.table_care import TableCare

TABLE = "cost"
# What a second of a driver stands for: EMR Serverless' default driver, on ARM64.
_VCPUS, _GIGABYTES = 4, 16
_GB = 1e9
_MONTH_DAYS = 30.4
_LAYERS = {
    "bronze": ("bronze",),
    "silver": ("silver", "quarantine", "duplicates", "held", "quality_results", "batches", "command_log"),
    "gold": ("gold", "gold_published"),
    "detect": ("baseline", "evidence", "incidents", "ticks"),
}
# Which layer a job works for, by the words of its name.
_OF_JOB = {
    "bronze": "bronze", "refine": "silver", "live": "silver", "replay": "silver", "audit": "silver",
    "publish": "gold", "maintenance": "gold", "baseline": "detect", "detect": "detect",
}  # fmt: skip


@dataclass(frozen=True)
class LayerCost:
    """One layer on one day. Dollars are list prices of `prices.yaml`; storage is the day's share of a month."""

    layer: str
    bytes: int
    objects: int
    puts: int
    gets: int
    compute_seconds: float
    storage_usd: float
    requests_usd: float
    compute_usd: float

    @property
    def usd(self) -> float:
        """All three."""
        return self.storage_usd + self.requests_usd + self.compute_usd


@dataclass(frozen=True)
class CostReport:
    """A day of a product. `budget_usd` is per million events; `events` arrived in the day."""

    product: str
    day: str
    events: int
    layers: tuple[LayerCost, ...]
    budget_usd: float
    as_of: str

    @property
    def usd(self) -> float:
        """The whole day."""
        return sum(each.usd for each in self.layers)

    @property
    def per_million(self) -> float | None:
        """Dollars per million events; None on a day without events."""
        return self.usd / self.events * 1e6 if self.events else None

    @property
    def within_budget(self) -> bool:
        """Whether it is; a day without events is."""
        return self.per_million is None or self.per_million <= self.budget_usd

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "usd": self.usd, "per_million": self.per_million, "within_budget": self.within_budget}

    def __str__(self) -> str:
        lines = [f"{self.product} on {self.day}: {self.events:,} events, list prices of {self.as_of}"]
        for each in self.layers:
            lines.append(
                f"  {each.layer:7} {each.bytes:>14,} bytes {each.objects:>7,} objects {each.puts:>7,} PUT "
                f"{each.gets:>8,} GET {each.compute_seconds:>9,.1f} s  ${each.usd:.6f}"
            )
        million = "no events" if self.per_million is None else f"${self.per_million:.4f} per million events"
        word = "within" if self.within_budget else "OVER"
        lines.append(f"  all ${self.usd:.6f}; {million}, {word} the budget of ${self.budget_usd:.4f}")
        return "\n".join(lines)


def run(settings: Settings, contract: Contract, *, day: datetime | None = None, budget_usd: float) -> CostReport:
    """Count and price the day that begins at `day` (UTC midnight; by default the 24 hours until now)."""
    begin = day or datetime.now(UTC) - timedelta(days=1)
    end = begin + timedelta(days=1)
    prices = price_table()
    care, lake = TableCare(settings, contract.product), Lake(settings)
    within = (pc.field("batch_time") >= pa.scalar(begin)) & (pc.field("batch_time") < pa.scalar(end))
    batches = lake.read(contract.product, "batches", ["rows_in", "seconds"], within).to_pylist()
    seconds = _seconds(settings, begin, end)
    seconds["silver"] = seconds.get("silver", 0.0) + sum(float(each["seconds"]) for each in batches)
    present = set(care.names())
    layers = tuple(
        _layer(care, contract.product, layer, [name for name in names if name in present], seconds, begin, prices)
        for layer, names in _LAYERS.items()
    )
    events = sum(int(each["rows_in"]) for each in batches)
    report = CostReport(contract.product, f"{begin:%Y-%m-%d}", events, layers, budget_usd, str(prices["as_of"]))
    rows = pa.Table.from_pylist([{"day": report.day, "events": events, **asdict(each)} for each in layers])
    lake.replace(contract.product, TABLE, rows, f"day = '{report.day}'")
    return report


def _seconds(settings: Settings, begin: datetime, end: datetime) -> dict[str, float]:
    """Seconds of job runs by layer; a stream's own are counted by its batches."""
    found: dict[str, float] = {}
    for each in job_runs.between(settings, begin, end):
        layer = next((layer for word, layer in _OF_JOB.items() if word in each.name), None)
        if layer is not None:
            found[layer] = found.get(layer, 0.0) + each.seconds
    return found


def _layer(
    care: TableCare,
    product: str,
    layer: str,
    names: list[str],
    seconds: dict[str, float],
    begin: datetime,
    prices: dict[str, Any],
) -> LayerCost:
    stored = [care.stored(f"{product}/{name}/") for name in names]
    # Of a table whose files are still there, each object was one PUT; deleted ones were compacted within the day.
    puts = sum(care.stored_since(f"{product}/{name}/", begin) for name in names)
    objects, size = sum(each.objects for each in stored), sum(each.bytes for each in stored)
    spent = seconds.get(layer, 0.0)
    hour, month = prices["hourly"], prices["monthly"]
    hourly = _VCPUS * hour["emr_vcpu"]["ARM64"] + _GIGABYTES * hour["emr_gigabyte"]["ARM64"]
    return LayerCost(
        layer=layer,
        bytes=size,
        objects=objects,
        puts=puts,
        gets=objects,
        compute_seconds=round(spent, 1),
        storage_usd=size / _GB * month["s3_gigabyte"] / _MONTH_DAYS,
        requests_usd=puts / 1000 * month["s3_thousand_puts"] + objects / 1000 * month["s3_thousand_gets"],
        compute_usd=spent / 3600 * hourly,
    )
