"""The state of de-duplication: twins are dropped, and expired keys go when the state is walked through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SECONDS = "pulseiq.state.scan.seconds"
BATCHES = 3
APART = 10  # seconds of event time from batch to batch; keys expire after one


@pytest.fixture
def removed(spark: SparkSession, tmp_path: Path) -> Iterator[Callable[[str], tuple[int, int]]]:
    """Runs batches with the same key and another one in each; gives how many keys were removed and rows kept."""

    def run(pause: str) -> tuple[int, int]:
        source, checkpoint = tmp_path / f"in-{pause}", tmp_path / f"checkpoint-{pause}"
        source.mkdir()
        spark.conf.set(SECONDS, pause)
        kept = (
            spark.readStream.schema("key string, second long")
            .csv(str(source))
            .select("key", F.timestamp_seconds("second").alias("at"))
            .withWatermark("at", "1 second")
            .dropDuplicatesWithinWatermark(["key"])
        )
        query = (
            kept.writeStream.format("memory")
            .queryName(f"kept_{pause}")
            .option("checkpointLocation", str(checkpoint))
            .start()
        )
        try:
            for batch in range(BATCHES):
                second = (batch + 1) * APART
                (source / f"{batch}.csv").write_text(f"same,{second}\nkey {batch},{second}\n")
                query.processAllAvailable()
            operators = [each for progress in query.recentProgress for each in progress["stateOperators"]]
            return sum(each["numRowsRemoved"] for each in operators), spark.table(f"kept_{pause}").count()
        finally:
            query.stop()

    yield run
    spark.conf.unset(SECONDS)


def test_expired_keys_are_removed_by_each_walk(removed: Callable[[str], tuple[int, int]]) -> None:
    gone, kept = removed("0")
    assert gone > 0
    assert kept > BATCHES + 1


def test_between_two_walks_an_expired_key_still_catches_its_twins(
    removed: Callable[[str], tuple[int, int]],
) -> None:
    gone, kept = removed("3600")
    assert (gone, kept) == (0, BATCHES + 1)
