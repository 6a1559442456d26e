"""A product for one test: a copy of the shop's contract, traffic with known faults, and what the lake should hold.

The expected numbers are recomputed here from silver, by none of the code that wrote gold.
"""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.jobs.live import Live, Pace, Query
from pipelines.ledger.audit import audit
from pipelines.ledger.model import Ledger
from pipelines.platform import kafka
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.simulate.run import produce, world_of

# Short enough that nothing of it is taken for history, which is never late.
RECENT = timedelta(minutes=4)
# Whole blocks of the simulated world, because a duplicate lies in the block of its first and no block is cut.
_BLOCK = timedelta(seconds=20)
_POSITION = ["kafka_topic", "kafka_partition", "kafka_offset"]
_CLASSES = ("silver", "quarantine", "duplicates", "held")

Positions = frozenset[tuple[str, int, int]]
Leaf = tuple[object, ...]


def cached(spark: SparkSession) -> list[str]:
    """What the session's driver holds in memory or on its disk, by name."""
    names = [rdd.name() for rdd in dict(spark.sparkContext._jsc.getPersistentRDDs()).values()]
    # Delta keeps the logs of the tables that the session has read, a few hundred bytes each, and forgets them.
    return [name for name in names if not name.startswith("Delta Table State")]


@dataclass(frozen=True)
class Product:
    """A product's contract and where it lives; `contract.folder` takes the place of its name in commands."""

    settings: Settings
    contract: Contract

    @classmethod
    def new(cls, settings: Settings, folder: Path) -> Product:
        """The shop under a name of its own, its contract in `folder`, its topics empty."""
        name = f"shop_{uuid.uuid4().hex[:8]}"
        contract = copy_of_shop(folder / name, name)
        kafka.ensure_topics(settings, contract)
        return cls(settings, contract)

    def send(
        self,
        events: int,
        *,
        seed: int = 1,
        scenario: str = "none",
        faults: Mapping[str, float] | None = None,
        now: datetime | None = None,
    ) -> Counter[str]:
        """About so many events of the last minutes to Kafka; the same seed and `now` send the same ones.

        Returns counts of what was sent, faults by kind included.
        """
        now = now or datetime.now(UTC)
        end = now - timedelta(seconds=now.timestamp() % _BLOCK.total_seconds())
        start = end - RECENT
        rate = events / RECENT.total_seconds()
        world = world_of(self.contract, seed, scenario, start=start, end=end, rate=rate, faults=faults)
        world.block_ms = int(_BLOCK.total_seconds() * 1000)
        return produce(self.settings, self.contract, world, start, end)

    def resend(self, rows: pd.DataFrame) -> None:
        """Records once more, byte by byte: `kafka_key` and `kafka_value` of rows of held or quarantine."""
        producer = kafka.producer(self.settings)
        for key, value in rows[["kafka_key", "kafka_value"]].itertuples(index=False):
            producer.produce(self.contract.topic, key=key, value=value)
        assert producer.flush(30) == 0

    def run(
        self, spark: SparkSession, queries: Collection[Query] = ("bronze", "refine"), max_rows: int = 2_000
    ) -> None:
        """What `pulseiq run ... --once` does."""
        with Live(spark, self.settings, self.contract, queries, Pace(max_rows=max_rows)) as running:
            running.start(once=True)
            running.drain(timeout_seconds=400)

    def ledger(self) -> Ledger:
        """The audit: Kafka's offsets joined with the tables."""
        return audit(self.settings, self.contract)

    def table(self, name: str) -> pd.DataFrame:
        """A table's rows."""
        return Lake(self.settings).read(self.contract.product, name).to_pandas()

    def places(self) -> dict[str, Positions]:
        """Which records of Kafka are in which class, as people see it: a decided batch is no longer held."""
        found = {}
        for name in _CLASSES:
            rows = self.table(name)
            found[name] = frozenset(rows[_POSITION].itertuples(index=False, name=None)) if len(rows) else frozenset()
        return {**found, "held": found["held"] - found["silver"] - found["quarantine"]}

    def gold(self) -> dict[Leaf, dict[str, int]]:
        """Gold's integers by window and leaf, summed as every reader sums them; zeros left out."""
        totals: dict[Leaf, Counter[str]] = {}
        for row in self.table("gold").to_dict("records"):
            leaf = (row["window_start"], *(row[name] for name in self.contract.dimensions))
            found = totals.setdefault(leaf, Counter())
            for metric, part, name in (
                ("traffic", "n", "actions"),
                ("conversion_rate", "denominator", "checkouts"),
                ("conversion_rate", "numerator", "completed"),
                ("error_rate", "numerator", "errors"),
                ("revenue", "sum", "revenue"),
                ("latency_p95", "n", "timed"),
                ("queue_depth", "n", "depths"),
            ):
                found[name] += int(row[metric][part]) if row[metric] else 0
        return {leaf: dict(+found) for leaf, found in totals.items() if +found}

    def recomputed(self) -> dict[Leaf, dict[str, int]]:
        """The same integers from silver's rows."""
        rows = self.table("silver")
        kind, status = rows["event_type"], rows["status"]
        paid = (kind == "transaction") & (status == "completed")
        numbers = {
            "actions": kind == "user_action",
            "checkouts": kind == "transaction",
            "completed": paid,
            "errors": (kind == "user_action") & rows["error"].eq(True),
            "revenue": rows["amount_minor"].where(paid, 0),
            "timed": (kind == "user_action") & rows["latency_ms"].notna(),
            "depths": (kind == "system_metric") & (rows["name"] == "queue_depth"),
        }
        window = rows["event_time"].dt.floor(self.contract.window).rename("window_start")
        keys = [window, *(rows[name] for name in self.contract.dimensions)]
        sums = pd.DataFrame(numbers).astype("int64").groupby(keys).sum()
        sums = sums[sums.any(axis=1)]
        return {leaf: {name: int(n) for name, n in found.items() if n} for leaf, found in sums.to_dict("index").items()}

    def assert_whole(self) -> Ledger:
        """Every record has one place, nothing waits, and gold says what silver says; returns the ledger."""
        ledger = self.ledger()
        assert ledger.findings == ()
        assert ledger.waiting == 0
        assert all(each.refine == each.bronze == each.kafka for each in ledger.partitions)
        assert self.gold() == self.recomputed()
        return ledger


def copy_of_shop(folder: Path, name: str) -> Contract:
    """The shop's contract, copied to `folder`, under another name."""
    shutil.copytree(contracts.load("shop").folder, folder)
    file = folder / "product.yaml"
    text = file.read_text().replace("product: shop", f"product: {name}").replace("shop.events", f"{name}.events")
    file.write_text(text)
    return contracts.load(folder)
