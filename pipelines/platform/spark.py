"""The one place that configures Spark: jars, Delta, S3, the log store, state, memory and clock."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import pyspark
from pyspark import SparkContext
from pyspark.sql import SparkSession

from pipelines.platform import aws, toolchain

_LOG_STORE = "dev.pulseiq.logstore.ConditionalPutLogStore"
_STATE_STORE = "dev.pulseiq.state.SeldomScannedStateStore"
_JVM_ENDS_SECONDS = 60
_PARTS_PER_CORE = 3

# HotSpot's defaults of what a method must have run before it is compiled for speed.
_SECOND_COMPILER = {"Invocation": 5_000, "MinInvocation": 600, "Compile": 15_000, "BackEdge": 40_000}

# What the session of this process was asked for; Spark allows one at a time.
_asked: dict[str, str] = {}


class Place(aws.Target, Protocol):
    """Where S3 is and where this machine keeps its files: settings, or what is known of them before a manifest."""

    @property
    def home(self) -> Path: ...


def session(
    settings: Place | None,
    app: str,
    *,
    cores: str = "local[2]",
    memory: str = "1536m",
    shuffle_partitions: int = 2,
    brief: bool = False,
) -> SparkSession:
    """The Spark session of this process. A session that was asked for differently is stopped first, with its JVM.

    What the JVM says on standard error goes to `log/spark.log` in the home.

    Args:
        settings: where S3 is; None for a session that touches local files only.
        app: name shown in logs.
        cores: Spark's master URL; as `memory`, ignored where spark-submit started this process.
        memory: heap of the local driver.
        shuffle_partitions: reducers of every shuffle. Frozen into the checkpoint of a stateful query.
        brief: for runs of seconds: half the time to start, and half the speed after a minute.
    """
    wanted = configuration(settings, shuffle_partitions)
    if _submitted():
        # What Spark tells of a stream is five megabytes a minute, which a log service is paid for.
        wanted["spark.log.level"] = "WARN"
    else:
        wanted |= _local_driver(settings, cores, memory, brief)
        os.environ |= {
            "JAVA_HOME": str(toolchain.java_home()),
            "SPARK_LOCAL_IP": "127.0.0.1",
            # Without it executors would run whichever python3 comes first on the PATH.
            "PYSPARK_PYTHON": sys.executable,
        }
        if wanted != _asked:
            if SparkSession._instantiatedSession is not None:
                SparkSession._instantiatedSession.stop()
            _end_jvm()
    builder = SparkSession.builder.appName(app)
    for name, value in wanted.items():
        builder = builder.config(name, value)
    with _errors_to(settings.home / "log" / "spark.log") if settings and not _submitted() else nullcontext():
        spark = builder.getOrCreate()
    _asked.clear()
    _asked.update(wanted)
    return spark


def jvm_options(brief: bool) -> Sequence[str]:
    """Options of a small driver's JVM, here and on AWS; see `session`."""
    if brief:
        # One quick compiler instead of two: what runs for seconds never gets back what the second one costs.
        return ["-Duser.timezone=UTC", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    # Ten times the defaults. A query's code runs millions of times or never again, and what is merely lukewarm takes a
    # third of the second compiler's time in the first minutes, with nothing in return.
    thresholds = [f"-XX:Tier4{name}Threshold={10 * default}" for name, default in _SECOND_COMPILER.items()]
    # Nobody waits for one record, and on two cores what G1 does beside the work takes a tenth of it.
    return ["-Duser.timezone=UTC", *thresholds, "-XX:+UseParallelGC"]


def beside(spark: SparkSession) -> SparkSession:
    """A session on the same JVM whose shuffles have parts enough for all of its executors."""
    own = spark.newSession()
    own.conf.set("spark.sql.shuffle.partitions", str(_PARTS_PER_CORE * spark.sparkContext.defaultParallelism))
    return own


def stop(spark: SparkSession) -> None:
    """End the session and its JVM, so that the next session gets its own heap, class path and S3 clients."""
    spark.stop()
    _end_jvm()


def configuration(settings: Place | None, shuffle_partitions: int) -> dict[str, str]:
    """The Spark properties that hold everywhere, here and on AWS, by name."""
    properties = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.streaming.ui.enabled": "false",
        # A driver runs for weeks, and each plan that is kept for a page that nobody opens is up to 100 kB of heap.
        "spark.sql.ui.retainedExecutions": "10",
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        # One micro-batch of refine alone compiles more stages than the 100 that are kept by default: each would be
        # compiled anew in every batch, and none would ever run warm.
        "spark.sql.codegen.cache.maxEntries": "2000",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(shuffle_partitions),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Sketches and histograms of more leaves than 128 would be aggregated by sorting, at several times the cost.
        "spark.sql.objectHashAggregate.sortBased.fallbackThreshold": "20000",
        # A checksum beside each log entry needs the table's whole state, for a check that no reader of ours makes.
        "spark.databricks.delta.writeChecksumFile.enabled": "false",
        # A micro-batch is kept for seconds: what compressing it costs is never earned back.
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.delta.logStore.s3.impl": _LOG_STORE,
        "spark.delta.logStore.s3a.impl": _LOG_STORE,
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        # Every open file takes one part's buffer at once: of the default 64 MB, eight writers would take half a GB.
        "spark.hadoop.fs.s3a.fast.upload.buffer": "bytebuffer",
        "spark.hadoop.fs.s3a.multipart.size": "16M",
        # Names of data files are random and those of the log are conditional: asking before each PUT adds nothing.
        "spark.hadoop.fs.s3a.create.performance": "true",
        "spark.sql.streaming.stateStore.providerClass": _STATE_STORE,
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        # Counting the ids kept takes a second look-up for each.
        "spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows": "false",
        "spark.sql.streaming.minBatchesToRetain": "20",
    }
    address = None if settings is None else aws.s3_endpoint(settings)
    if settings is not None and address is not None:
        properties |= {
            "spark.hadoop.fs.s3a.endpoint": address,
            "spark.hadoop.fs.s3a.endpoint.region": settings.region,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
            "spark.hadoop.fs.s3a.access.key": aws.LOCAL_ACCESS_KEY,
            "spark.hadoop.fs.s3a.secret.key": aws.LOCAL_SECRET_KEY,
            "spark.hadoop.fs.s3a.aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        }
    return properties


def class_path() -> str:
    """The driver's class path. Spark's own jars first: the AWS bundle holds older netty, slf4j and caffeine."""
    own = [*toolchain.jars("spark"), *toolchain.jars("pulseiq")]
    return os.pathsep.join([str(Path(pyspark.__file__).parent / "jars" / "*"), *map(str, own)])


def _end_jvm() -> None:
    gateway: Any = SparkContext._gateway
    process: subprocess.Popen[bytes] | None = getattr(gateway, "proc", None)
    if process is None:
        return  # None was started, or spark-submit owns it.
    gateway.shutdown()
    if process.stdin is not None:
        process.stdin.close()  # The JVM ends when its standard input does.
    try:
        process.wait(timeout=_JVM_ENDS_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    SparkContext._gateway = None
    SparkContext._jvm = None


@contextmanager
def _errors_to(path: Path) -> Iterator[None]:
    """Within it, a program that is started has a file as its standard error: that of the JVM is for its log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    own = os.dup(2)
    try:
        with path.open("ab") as file:
            os.dup2(file.fileno(), 2)
            yield
    finally:
        os.dup2(own, 2)
        os.close(own)


def _submitted() -> bool:
    """Whether spark-submit started this process, as EMR does: jars, memory and JVM are its business then."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _local_driver(settings: Place | None, cores: str, memory: str, brief: bool) -> dict[str, str]:
    scratch = toolchain.tools_dir() / "spark" if settings is None else settings.home / "data" / "spark"
    return {
        "spark.master": cores,
        "spark.driver.memory": memory,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        # On the class path, not in spark.jars: half a gigabyte is neither copied nor served.
        "spark.driver.extraClassPath": class_path(),
        "spark.driver.extraJavaOptions": shlex.join(_local_jvm(brief)),
        "spark.pyspark.python": sys.executable,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
    }


def _local_jvm(brief: bool) -> Sequence[str]:
    logging = Path(__file__).with_name("log4j2.properties").as_uri()
    return [f"-Dlog4j2.configurationFile={logging}", *jvm_options(brief)]
