"""What the quality gate costs: its part of the time of refine's batches, while events come at a steady rate.

    python -m benchmarks.gate --rate 5000 --seconds 120

The gate's time is that of bringing its columns to the driver and of judging them. It runs beside the look-up of dropped
records, so a batch without a gate would be shorter by at most as much. Batches of the first half are left out: the JVM
has yet to compile what they run.
"""

from __future__ import annotations

import argparse
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.goals import Goal, publish
from benchmarks.streams import product, remove
from pipelines.jobs.live import Live, Pace
from pipelines.platform import kafka, services
from pipelines.platform.logs import logging_to
from pipelines.platform.spark import session
from pipelines.simulate import run as simulate
from pipelines.simulate.sinks import KafkaSink

MOST = 0.15


def main() -> None:
    """Run the streams and print the gate's part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=int, default=5_000, help="events a second")
    parser.add_argument("--seconds", type=int, default=120, help="how long they come; half of it warms up")
    asked = parser.parse_args()
    console = Console()
    batches = measure(asked.rate, asked.seconds, console)
    judged = batches[batches["at"] > batches["at"].min() + (batches["at"].max() - batches["at"].min()) / 2]
    table = Table("", "batches", "rows a batch", "seconds a batch", "of which gate")
    for name, rows in (("second half", judged), ("largest", judged.nlargest(1, "rows_in"))):
        numbers = rows["rows_in"].mean(), rows["seconds"].mean(), rows["gate_seconds"].mean()
        table.add_row(name, str(len(rows)), f"{numbers[0]:,.0f}", f"{numbers[1]:.2f}", f"{numbers[2]:.2f}")
    console.print(table)
    share = float(judged["gate_seconds"].sum() / judged["seconds"].sum())
    goal = Goal(f"gate's part of the batch time at {asked.rate} events/s", share, MOST, at_most=True)
    raise SystemExit(
        publish("gate", f"python -m benchmarks.gate --rate {asked.rate} --seconds {asked.seconds}", [goal])
    )


def measure(rate: int, seconds: int, console: Console) -> pd.DataFrame:
    """Refine's batches with rows: rows_in, seconds, gate_seconds, and `at`, the time of their end."""
    settings = services.up(lambda line: console.print(f"[dim]{line}[/dim]"))
    contract = product("bench_gate")
    path: Path = settings.home / "log" / "gate.ndjson"
    path.unlink(missing_ok=True)
    remove(settings, contract)
    try:
        kafka.ensure_topics(settings, contract)
        with (
            logging_to(path),
            Live(session(settings, "benchmark"), settings, contract, ("bronze", "refine"), Pace()) as running,
        ):
            running.start(once=False)
            start = datetime.now(UTC)
            end = start + timedelta(seconds=seconds)
            world = simulate.world_of(contract, 7, start=start, end=end, rate=rate)
            sink = KafkaSink(settings, contract.topic)
            sender = threading.Thread(target=simulate.live, args=(world, sink, start, end), daemon=True)
            sender.start()
            while sender.is_alive():
                running.check()
                sender.join(timeout=0.5)
            running.drain()
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    finally:
        remove(settings, contract)
    found = pd.DataFrame([row for row in rows if row["event"] == "batch" and row["query"] == "refine"])
    return found[found["rows_in"] > 0].assign(at=pd.to_datetime(found["at"]))


if __name__ == "__main__":
    main()
