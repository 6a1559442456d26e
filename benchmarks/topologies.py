"""Where refine reads from: Kafka beside bronze, or bronze's table behind it. The reason is a page in `docs/decisions`.

    python -m benchmarks.topologies --rate 5000 --seconds 90

Both run bronze and refine's transformation (row rules, de-duplication) into one Delta table, at the same rate, one
topology after the other in one process. Each event's time from the broker's clock to the end of the batch that put it
into that table is taken; the first half warms up.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table

from benchmarks.streams import BATCH, product, remove
from pipelines.contract import Contract
from pipelines.jobs.live import Live, Pace
from pipelines.platform import kafka, services
from pipelines.platform.kafka_records import stream_records
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.spark import session
from pipelines.refine.stream import transform
from pipelines.simulate import run as simulate
from pipelines.simulate.sinks import KafkaSink

_TABLE = "topology"
_PACE = Pace(max_rows=BATCH, bronze_seconds=1.0)


def main() -> None:
    """Run both and print their table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=int, default=5_000, help="events a second")
    parser.add_argument("--seconds", type=int, default=90, help="how long they come; half of it warms up")
    asked = parser.parse_args()
    console = Console()
    settings = services.up(lambda line: console.print(f"[dim]{line}[/dim]"))
    spark = session(settings, "benchmark")
    table = Table("refine reads", "50 %", "95 %", "99 %", title=f"seconds to silver at {asked.rate:,} events/s")
    for name, source in (("Kafka, beside bronze", _from_kafka), ("bronze's table", _from_bronze)):
        contract = product(f"bench_{source.__name__.removeprefix('_from_')}")
        try:
            waited = _latency(spark, settings, contract, source, asked.rate, asked.seconds)
        finally:
            remove(settings, contract)
        table.add_row(name, *(f"{np.percentile(waited, share):.1f}" for share in (50, 95, 99)))
    console.print(table)


def _from_kafka(spark: SparkSession, settings: Settings, contract: Contract) -> DataFrame:
    return stream_records(spark, settings, contract, BATCH)


def _from_bronze(spark: SparkSession, settings: Settings, contract: Contract) -> DataFrame:
    return spark.readStream.format("delta").load(settings.table_uri(contract.product, "bronze"))


def _latency(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    source: Callable[[SparkSession, Settings, Contract], DataFrame],
    rate: int,
    seconds: int,
) -> np.ndarray:
    """Seconds from arrival to the table, for the second half's events."""
    remove(settings, contract)
    kafka.ensure_topics(settings, contract)
    ended: dict[int, datetime] = {}
    place = settings.table_uri(contract.product, _TABLE)

    def append(batch: DataFrame, batch_id: int) -> None:
        rows = batch.select("event_id", "arrived_at").withColumn("batch_id", F.lit(batch_id).cast("bigint"))
        rows.write.format("delta").mode("append").save(place)
        ended[batch_id] = datetime.now(UTC)

    with Live(spark, settings, contract, ("bronze",), _PACE) as running:
        running.start(once=False)
        writer = transform(source(spark, settings, contract), contract).writeStream.foreachBatch(append)
        writer = writer.option("checkpointLocation", settings.checkpoint_uri(contract.product, _TABLE))
        query = writer.trigger(processingTime=f"{_PACE.refine_seconds} seconds").start()
        try:
            start = datetime.now(UTC)
            end = start + timedelta(seconds=seconds)
            world = simulate.world_of(contract, 7, start=start, end=end, rate=rate)
            sender = threading.Thread(
                target=simulate.live, args=(world, KafkaSink(settings, contract.topic), start, end), daemon=True
            )
            sender.start()
            while sender.is_alive():
                running.check()
                sender.join(timeout=0.5)
            running.drain()
            # One round of bronze and one of this query are still under way.
            time.sleep(15)
        finally:
            query.stop()
    found = Lake(settings).read(contract.product, _TABLE, columns=["batch_id", "arrived_at"]).to_pandas()
    found = found[found["arrived_at"] >= pd.Timestamp(start + (end - start) / 2)]
    done = pd.to_datetime(found["batch_id"].map(ended), utc=True)
    return (done - found["arrived_at"]).dt.total_seconds().to_numpy()


if __name__ == "__main__":
    main()
