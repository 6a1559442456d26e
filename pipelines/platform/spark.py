"""The one place that configures Spark: jars, Delta, S3, the log store, memory and clock."""

from __future__ import annotations

import os
from pathlib import Path

from pyspark.sql import SparkSession

from pipelines.errors import SetupError
from pipelines.platform import toolchain
from pipelines.platform.settings import Settings

_LOG_STORE = "dev.pulseiq.logstore.ConditionalPutLogStore"


def session(
    settings: Settings | None,
    app: str,
    *,
    cores: str = "local[2]",
    memory: str = "1536m",
    shuffle_partitions: int = 2,
) -> SparkSession:
    """The Spark session of this process, configured for the environment.

    Args:
        settings: where S3 is; None for a session that touches local files only.
        app: name shown in logs.
        cores: Spark's master URL; ignored where spark-submit has set one.
        memory: heap of the local driver.
        shuffle_partitions: reducers of every shuffle. Frozen into the checkpoint of a stateful query.
    """
    os.environ["JAVA_HOME"] = str(toolchain.java_home())
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder.appName(app)
    for name, value in configuration(settings, shuffle_partitions).items():
        builder = builder.config(name, value)
    if "SPARK_ENV_LOADED" not in os.environ:
        builder = builder.master(cores).config("spark.driver.memory", memory)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def configuration(settings: Settings | None, shuffle_partitions: int) -> dict[str, str]:
    """Every Spark property that the project sets, by name."""
    class_path = [*toolchain.jars("spark"), *toolchain.jars("pulseiq")]
    if not class_path:
        raise SetupError("Spark's jars are not there", hint="make setup")
    properties = {
        # On the class path, not in spark.jars: half a gigabyte is neither copied nor served.
        "spark.driver.extraClassPath": os.pathsep.join(str(jar) for jar in class_path),
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={_logging()} -Duser.timezone=UTC",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(shuffle_partitions),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.databricks.delta.checkpoint.partSize": "100000",
        "spark.delta.logStore.s3.impl": _LOG_STORE,
        "spark.delta.logStore.s3a.impl": _LOG_STORE,
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        "spark.hadoop.fs.s3a.fast.upload.buffer": "bytebuffer",
        "spark.hadoop.fs.s3a.connection.maximum": "64",
        "spark.sql.streaming.stateStore.providerClass": (
            "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
        ),
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        "spark.sql.streaming.minBatchesToRetain": "20",
    }
    if settings is not None and settings.endpoint_url is not None:
        properties |= {
            "spark.hadoop.fs.s3a.endpoint": settings.endpoint_url,
            "spark.hadoop.fs.s3a.endpoint.region": settings.region,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
            "spark.hadoop.fs.s3a.access.key": "test",
            "spark.hadoop.fs.s3a.secret.key": "test",
            "spark.hadoop.fs.s3a.aws.credentials.provider": (
                "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
            ),
        }
    return properties


def _logging() -> Path:
    """Log4j2 settings beside this file: warnings of Spark itself stay out of the command line's output."""
    return Path(__file__).with_name("log4j2.properties")
