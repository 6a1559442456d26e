"""Gold's rows of one batch of history, added up by Spark and by the driver, in one run.

    python -m benchmarks.gold_sums --events 200000 --days 2

Needs no service. Both start from the same cached rows; the driver's seconds include bringing them there. Each way is
timed some times after a first turn that does not count, alternately, and the medians are compared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from statistics import median

import pyarrow as pa
from pyspark.sql import functions as F

from pipelines import contract as contracts
from pipelines.gold import in_memory
from pipelines.gold.partial_sums import partial_sums
from pipelines.platform.spark import session
from pipelines.refine.rules import classify
from pipelines.simulate.run import world_of

_TURNS = 4


def main() -> None:
    """Time both ways and print the seconds of each and their ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=200_000, help="events of the batch, about")
    parser.add_argument("--days", type=float, default=2.0, help="history that they are spread over")
    asked = parser.parse_args()
    contract = contracts.load("shop")
    end = datetime(2026, 11, 20, tzinfo=UTC)
    start = end - timedelta(days=asked.days)
    world = world_of(contract, 7, start=start, end=end, events=asked.events)
    values = [value for batch in world.events(start, end) for value in batch.values]
    spark = session(None, "gold-sums")
    records = spark.createDataFrame(pa.table({"value": pa.array(values, pa.binary()), "offset": range(len(values))}))
    known = {
        "key": F.lit(None).cast("binary"),
        "topic": F.lit(contract.topic),
        "partition": F.lit(0),
        "timestamp": F.lit(end),
        "arrived_at": F.lit(end),
    }
    batch = classify(records.withColumns(known), contract).repartition(2, "event_id").persist()
    silver = batch.where("reject_reason IS NULL")
    leaves = partial_sums(silver, contract).count()

    def by_spark() -> None:
        partial_sums(silver, contract).write.format("noop").mode("overwrite").save()

    def by_driver() -> None:
        in_memory.sums(in_memory.inputs(silver, contract).toArrow(), contract)

    took: dict[str, list[float]] = {"Spark": [], "the driver": []}
    for turn in range(_TURNS + 1):
        for name, way in (("Spark", by_spark), ("the driver", by_driver)):
            seconds = _seconds(way)
            if turn:
                took[name].append(seconds)
    middle = {name: median(each) for name, each in took.items()}
    print(f"{silver.count():,} events, {leaves:,} leaves: " + ", ".join(f"{k} {v:.2f} s" for k, v in middle.items()))
    print(f"the driver takes {middle['the driver'] / middle['Spark']:.2f} of Spark's time")


def _seconds(call: Callable[[], None]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
