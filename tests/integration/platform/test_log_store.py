"""Writers that race for the same versions of Delta's log: every version has one winner, and no append is lost."""

from __future__ import annotations

import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql.types import LongType, StringType, StructField, StructType

from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.tables import Tables, TableSpec

WRITERS = 4
VERSIONS = 8
SCHEMA = StructType([StructField("writer", StringType()), StructField("turn", LongType())])


def test_one_writer_wins_a_version_and_the_others_are_told(services: Settings, spark: SparkSession) -> None:
    jvm = spark._jvm
    hadoop = spark.sparkContext._jsc.hadoopConfiguration()
    log = f"s3://{services.lake_bucket}/race_{uuid.uuid4().hex}/_delta_log"
    start = Barrier(WRITERS)

    def path(version: int) -> object:
        return jvm.org.apache.hadoop.fs.Path(f"{log}/{version:020}.json")

    def commit(store: object, version: int, line: str) -> bool:
        try:
            store.write(path(version), jvm.java.util.List.of(line).iterator(), False, hadoop)
        except Py4JJavaError as error:
            if error.java_exception.getClass().getSimpleName() != "FileAlreadyExistsException":
                raise
            return False
        return True

    def race(writer: int) -> list[bool]:
        store = jvm.dev.pulseiq.logstore.ConditionalPutLogStore(hadoop)
        won = []
        for version in range(VERSIONS):
            start.wait()
            won.append(commit(store, version, f"writer {writer}"))
        return won

    with ThreadPoolExecutor(WRITERS) as pool:
        won = list(pool.map(race, range(WRITERS)))

    store = jvm.dev.pulseiq.logstore.ConditionalPutLogStore(hadoop)
    for version in range(VERSIONS):
        (winner,) = (writer for writer in range(WRITERS) if won[writer][version])
        assert list(store.read(path(version), hadoop)) == [f"writer {winner}"]
        # An answer that was lost makes the client send again: the entry is its own, so that is a success.
        assert commit(store, version, f"writer {winner}")


def test_spark_and_delta_rs_append_to_one_table_at_once(services: Settings, spark: SparkSession) -> None:
    product = f"race_{uuid.uuid4().hex}"
    tables = Tables(services, [TableSpec(product, "turns", SCHEMA)])
    tables.ensure()
    start = Barrier(WRITERS)

    def race(writer: str) -> None:
        for turn in range(VERSIONS):
            rows = spark.createDataFrame([(writer, turn)], SCHEMA)
            start.wait()
            tables.append("turns", rows, writer, turn, small=writer.startswith("delta-rs"))

    names = ("spark 1", "spark 2", "delta-rs 1", "delta-rs 2")
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(race, names))

    lake = Lake(services)
    rows = lake.read(product, "turns").to_pylist()
    assert Counter((row["writer"], row["turn"]) for row in rows) == {
        (name, turn): 1 for name in names for turn in range(VERSIONS)
    }
    made = lake.table(product, "turns")
    assert made is not None
    assert made.version() == WRITERS * VERSIONS
