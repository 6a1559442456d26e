"""Real runs of spark-submit behind EMR Serverless's API."""

from __future__ import annotations

import gzip
import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.platform import aws, toolchain
from pipelines.platform.settings import Settings

JOB = """
import os, sys
from pyspark.sql import SparkSession
from added import WORD

spark = SparkSession.builder.getOrCreate()
spark.range(7).write.format("delta").save(sys.argv[1])
count = spark.read.format("delta").load(sys.argv[1]).count()
print(count, WORD, os.environ["STAGE"], spark.conf.get("spark.sql.shuffle.partitions"))
"""
DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.shuffle.partitions": "3",
    "spark.driver.memory": "700m",
}
SLEEPS = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def application(services: Settings) -> Iterator[str]:
    emr = aws.client(services, "emr-serverless")
    made = emr.create_application(
        name=f"a-{uuid.uuid4().hex[:8]}",
        releaseLabel="emr-spark-8.0.0",
        type="SPARK",
        runtimeConfiguration=[{"classification": "spark-defaults", "properties": DELTA}],
    )["applicationId"]
    yield made
    for run in emr.list_job_runs(applicationId=made, states=["SUBMITTED", "SCHEDULED", "RUNNING"])["jobRuns"]:
        emr.cancel_job_run(applicationId=made, jobRunId=run["id"], shutdownGracePeriodInSeconds=0)


@pytest.fixture
def started(services: Settings, application: str, bucket: str, job_role: str) -> Callable[..., str]:
    """Starts a run of a Python source; its logs go to the bucket."""

    def start(source: str, arguments: tuple[str, ...] = (), parameters: str = "") -> str:
        aws.client(services, "s3").put_object(Bucket=bucket, Key="job.py", Body=source.encode())
        driver: dict[str, Any] = {"entryPoint": f"s3://{bucket}/job.py", "entryPointArguments": list(arguments)}
        if parameters:
            driver["sparkSubmitParameters"] = parameters
        logs = {"s3MonitoringConfiguration": {"logUri": f"s3://{bucket}/logs"}}
        answer = aws.client(services, "emr-serverless").start_job_run(
            applicationId=application,
            executionRoleArn=job_role,
            jobDriver={"sparkSubmit": driver},
            configurationOverrides={"monitoringConfiguration": logs},
        )
        return str(answer["jobRunId"])

    return start


def waited(services: Settings, application: str, run: str, *states: str, seconds: float = 400) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = aws.client(services, "emr-serverless").get_job_run(applicationId=application, jobRunId=run)["jobRun"]
        if found["state"] in (*states, "SUCCESS", "FAILED", "CANCELLED"):
            return dict(found)
        time.sleep(0.2)
    raise AssertionError(f"the run is still {found['state']}: {found['stateDetails']}")


def driver_output(services: Settings, bucket: str, application: str, run: str) -> str:
    key = f"logs/applications/{application}/jobs/{run}/SPARK_DRIVER/stdout.gz"
    body = aws.client(services, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return gzip.decompress(body).decode()


def test_a_job_runs_on_spark_with_its_files_properties_and_the_lake(
    services: Settings, application: str, bucket: str, started: Callable[..., str]
):
    aws.client(services, "s3").put_object(Bucket=bucket, Key="lib/added.py", Body=b"WORD = 'added'")
    parameters = f"--py-files s3://{bucket}/lib/added.py --conf spark.emr-serverless.driverEnv.STAGE=test"
    run = started(JOB, (f"s3://{bucket}/table",), parameters)
    ended = waited(services, application, run)
    assert ended["state"] == "SUCCESS", ended["stateDetails"]
    assert driver_output(services, bucket, application, run).splitlines()[-1] == "7 added test 3"


def test_a_job_that_raises_fails_with_its_own_words(
    services: Settings, application: str, bucket: str, started: Callable[..., str]
):
    run = started("print('before')\nraise ValueError('the file has no rows')")
    ended = waited(services, application, run)
    assert ended["state"] == "FAILED"
    assert ended["stateDetails"].endswith("ExitCode: 1. Last few exceptions: ValueError: the file has no rows")
    assert driver_output(services, bucket, application, run).startswith("before\n")


def test_a_cancelled_job_leaves_no_process(
    services: Settings, application: str, bucket: str, started: Callable[..., str]
):
    run = started(SLEEPS)
    waited(services, application, run, "RUNNING")
    # Its log comes to S3 while it runs; with it we know that driver and JVM are both up.
    s3, deadline, logs = (
        aws.client(services, "s3"),
        time.monotonic() + 120,
        f"logs/applications/{application}/jobs/{run}",
    )
    while time.monotonic() < deadline:
        if any("stdout" in item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=logs).get("Contents", [])):
            break
        time.sleep(0.3)
    assert len(processes_of(run)) >= 2
    aws.client(services, "emr-serverless").cancel_job_run(applicationId=application, jobRunId=run)
    assert waited(services, application, run)["state"] == "CANCELLED"
    assert processes_of(run) == []


def test_airflows_operators_run_a_job(services: Settings, bucket: str, job_role: str, tmp_path: Path):
    python = toolchain.tools_dir() / "envs" / "airflow" / "bin" / "python"
    if not python.exists():
        pytest.skip("Airflow's environment is not installed: its pins contradict those of this one")
    source = b"import sys\nif sys.argv[1] == 'bad': raise ValueError('no rows')\n"
    aws.client(services, "s3").put_object(Bucket=bucket, Key="job.py", Body=source)
    extra = {"endpoint_url": services.endpoint_url, "region_name": services.region}
    connection = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    done = subprocess.run(
        [python, Path(__file__).with_name("airflow_run.py"), bucket, job_role],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
        },
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert answers["good"] == "ended"
    assert "Serverless Job failed" in answers["bad"]
    assert (answers["good state"], answers["bad state"], answers["application"]) == ("SUCCESS", "FAILED", "TERMINATED")


def processes_of(run: str) -> list[str]:
    """Command lines of living processes that work in the run's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if run in words:
            found.append(words)
    return found
