"""Throughput and latency of the streams on real Kafka and LocalStack, beside a bare copy of the same records.

    python -m benchmarks.streams --events 2000000 --rate 5000 --seconds 150

Throughput: the records are in Kafka before anything starts. The bare copy appends them to one Delta table and does
nothing else; then bronze and refine read them together, up to gold. "whole" counts from the start of the queries,
"warm" from the end of each query's second batch: the first ones run code that the JVM has yet to compile.
Latency: events come at a rate, and each one's time from the broker's clock to the end of the batch that put it in gold
is taken; batches of the first half are left out for the same reason.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.jobs.live import Live, Pace
from pipelines.ledger.audit import audit
from pipelines.platform import kafka, services
from pipelines.platform.kafka_records import stream_records
from pipelines.platform.lake import Lake
from pipelines.platform.logs import logging_to
from pipelines.platform.settings import Settings
from pipelines.platform.spark import session
from pipelines.replay.rebuild import remove_lake
from pipelines.simulate import run as simulate
from pipelines.simulate.sinks import KafkaSink

BATCH = 200_000


def main() -> None:
    """Run both parts and print their tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=2_000_000, help="records for throughput")
    parser.add_argument("--rate", type=int, default=5_000, help="events a second for latency")
    parser.add_argument("--seconds", type=int, default=150, help="how long they come; half of it warms up")
    asked = parser.parse_args()
    console = Console()
    settings = services.up(lambda line: console.print(f"[dim]{line}[/dim]"))
    spark = session(settings, "benchmark")
    table = Table("path", "events/s, whole", "events/s, warm", title=f"{asked.events:,} records of a simulated shop")
    contract = product("bench_throughput")
    with _Logged(settings) as log:
        try:
            _fill(settings, contract, asked.events)
            for name, rates in (
                ("bare copy, Kafka to Delta", _bare(spark, settings, contract)),
                ("Kafka to bronze, and through refine to silver and gold", _streams(spark, settings, contract, log)),
            ):
                table.add_row(name, *(f"{rate:,.0f}" for rate in rates))
        finally:
            remove(settings, contract)
        console.print(table)
        contract = product("bench_latency")
        try:
            seconds = _latency(spark, settings, contract, log, asked.rate, asked.seconds)
        finally:
            remove(settings, contract)
    shares = ", ".join(f"{share} % within {np.percentile(seconds, share):.1f} s" for share in (50, 95, 99))
    console.print(f"At {asked.rate:,} events/s, {len(seconds):,} events in gold: {shares}.")


class _Logged:
    """The batches' log lines go to a file, and are read from it."""

    def __init__(self, settings: Settings) -> None:
        self.path: Path = settings.home / "log" / "bench.ndjson"
        self._to = logging_to(self.path)

    def __enter__(self) -> _Logged:
        self.path.unlink(missing_ok=True)
        self._to.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._to.__exit__(None, None, None)

    def batches(self, product: str) -> pd.DataFrame:
        """Batches with rows: query, batch_id, rows_in, and `at`, the time of their end."""
        rows = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        found = pd.DataFrame([row for row in rows if row["event"] == "batch" and row["product"] == product])
        return found[found["rows_in"] > 0].assign(at=pd.to_datetime(found["at"]))


def product(name: str) -> Contract:
    """The shop's contract under another name, with topics and tables of its own."""
    return contracts.load("shop").model_copy(update={"product": name, "topic": f"{name}.events"})


def _fill(settings: Settings, contract: Contract, events: int) -> None:
    end = datetime.now(UTC)
    start = end - timedelta(days=7)
    remove(settings, contract)
    simulate.produce(
        settings, contract, simulate.world_of(contract, 7, start=start, end=end, events=events), start, end
    )


def remove(settings: Settings, contract: Contract) -> None:
    """Remove a benchmark's topics and tables."""
    kafka.delete_topics(settings, contract)
    remove_lake(settings, contract)


def _bare(spark: SparkSession, settings: Settings, contract: Contract) -> tuple[float, float]:
    """Events/s of a stream that appends the records to a Delta table."""
    place = settings.table_uri(contract.product, "bare")
    started = time.monotonic()
    query = (
        stream_records(spark, settings, contract, BATCH)
        .writeStream.format("delta")
        .option("checkpointLocation", settings.checkpoint_uri(contract.product, "bare"))
        .trigger(availableNow=True)
        .start(place)
    )
    query.awaitTermination()
    seconds = time.monotonic() - started
    progress = [each for each in query.recentProgress if each.numInputRows]
    warm = progress[2:]
    return (
        sum(each.numInputRows for each in progress) / seconds,
        sum(each.numInputRows for each in warm) / (sum(each.durationMs["triggerExecution"] for each in warm) / 1000),
    )


def _streams(spark: SparkSession, settings: Settings, contract: Contract, log: _Logged) -> tuple[float, float]:
    """Events/s of bronze and refine together, until both have read everything; the ledger must balance."""
    with Live(spark, settings, contract, ("bronze", "refine"), Pace(max_rows=BATCH)) as running:
        started = pd.Timestamp.now(tz="UTC")
        running.start(once=True)
        running.drain()
    if not audit(settings, contract).balances:
        raise SystemExit("the ledger does not balance: these figures mean nothing")
    batches = log.batches(contract.product)
    whole = batches[batches["query"] == "refine"]["rows_in"].sum() / _seconds(started, batches["at"].max())
    warm_from = batches.groupby("query")["at"].nth(1).max()
    warm = batches[(batches["query"] == "refine") & (batches["at"] > warm_from)]
    return whole, warm["rows_in"].sum() / _seconds(warm_from, batches["at"].max())


def _latency(
    spark: SparkSession, settings: Settings, contract: Contract, log: _Logged, rate: int, seconds: int
) -> np.ndarray:
    """Seconds from arrival to the end of the batch that put the event into gold, for the second half's events."""
    remove(settings, contract)
    kafka.ensure_topics(settings, contract)
    with Live(spark, settings, contract, ("bronze", "refine"), Pace(max_rows=BATCH)) as running:
        running.start(once=False)
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
    batches = log.batches(contract.product)
    ended = batches[batches["query"] == "refine"].set_index("batch_id")["at"]
    silver = Lake(settings).read(contract.product, "silver", columns=["batch_id", "arrived_at"]).to_pandas()
    silver = silver[silver["arrived_at"] >= pd.Timestamp(start + (end - start) / 2)]
    waited = (silver["batch_id"].map(ended) - silver["arrived_at"]).dt.total_seconds()
    return waited.to_numpy()


def _seconds(start: pd.Timestamp, end: pd.Timestamp) -> float:
    return float((end - start).total_seconds())


if __name__ == "__main__":
    main()
