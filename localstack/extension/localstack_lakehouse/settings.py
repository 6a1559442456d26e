"""The extension's environment variables; nothing else of it reads the environment."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Storage:
    """An S3 that is not LocalStack's: its address and the one pair of keys that it takes."""

    endpoint: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Settings:
    """What the machine lends to the services. None where a variable is not set.

    Attributes:
        brokers: LAKEHOUSE_BROKERS, host:port of the running Kafka, comma-separated.
        spark_home: LAKEHOUSE_SPARK_HOME or SPARK_HOME, the folder that holds bin/spark-submit.
        spark_python: LAKEHOUSE_SPARK_PYTHON, the interpreter of PySpark's drivers and workers.
        spark_master: LAKEHOUSE_SPARK_MASTER.
        spark_classpath: LAKEHOUSE_SPARK_CLASSPATH, jars that EMR has on its class path and plain Spark has not.
        java_home: LAKEHOUSE_JAVA_HOME or JAVA_HOME.
        jobs_folder: LAKEHOUSE_JOBS, where job runs work and log; a folder of /tmp by default.
        airflow_url: LAKEHOUSE_AIRFLOW_URL, address of the running Airflow's web server.
        storage: LAKEHOUSE_S3_ENDPOINT, LAKEHOUSE_S3_ACCESS_KEY, LAKEHOUSE_S3_SECRET_KEY: the S3 of jobs where it is not
            LocalStack's.
    """

    brokers: str | None
    spark_home: Path | None
    spark_python: str | None
    spark_master: str
    spark_classpath: str | None
    java_home: Path | None
    jobs_folder: Path
    airflow_url: str | None
    storage: Storage | None = None

    def s3(self, endpoint: str, access_key: str) -> Storage:
        """The S3 of jobs: LocalStack's, whose address and key these are, or the store that is lent in its place."""
        return self.storage or Storage(endpoint, access_key, "test")


def load() -> Settings:
    """The settings as the environment has them now."""
    spark_home, java_home = _first("LAKEHOUSE_SPARK_HOME", "SPARK_HOME"), _first("LAKEHOUSE_JAVA_HOME", "JAVA_HOME")
    return Settings(
        brokers=_first("LAKEHOUSE_BROKERS"),
        spark_home=Path(spark_home) if spark_home else None,
        spark_python=_first("LAKEHOUSE_SPARK_PYTHON"),
        spark_master=_first("LAKEHOUSE_SPARK_MASTER") or "local[*]",
        spark_classpath=_first("LAKEHOUSE_SPARK_CLASSPATH"),
        java_home=Path(java_home) if java_home else None,
        jobs_folder=Path(_first("LAKEHOUSE_JOBS") or tempfile.mkdtemp(prefix="emr-serverless-")),
        airflow_url=(_first("LAKEHOUSE_AIRFLOW_URL") or "").rstrip("/") or None,
        storage=_storage(),
    )


def _storage() -> Storage | None:
    endpoint = _first("LAKEHOUSE_S3_ENDPOINT")
    if endpoint is None:
        return None
    key, secret = _first("LAKEHOUSE_S3_ACCESS_KEY"), _first("LAKEHOUSE_S3_SECRET_KEY")
    return Storage(endpoint, key or "test", secret or "test")


def _first(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)
