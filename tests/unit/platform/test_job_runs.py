from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipelines.errors import ServiceError
from pipelines.platform import aws, job_runs, package
from pipelines.platform.package import Release
from pipelines.platform.settings import Settings

RELEASE = Release("1", "s3://artifacts/entry.py", ("s3://artifacts/1.tar.gz#project",), (), "./project")
ROLE = "arn:aws:iam::123456789012:role/live"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    """An application in memory, on AWS."""
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        made = boto3.client("emr-serverless", region_name="eu-west-1").create_application(
            name="jobs", releaseLabel="emr-7.9.0", type="SPARK"
        )
        boto3.client("s3", region_name="eu-west-1").create_bucket(
            Bucket="artifacts", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield Settings(
            *("aws", tmp_path, "eu-west-1", None, "b-1:9098", "lake", "artifacts", "reports", "key"),
            emr_application_id=made["applicationId"],
            job_log_group="/pulseiq/test/jobs",
            job_role_arns={"live": ROLE},
            job_properties={"spark.driver.memory": "7g", "spark.executor.cores": "2"},
        )


@pytest.fixture
def asked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What StartJobRun is asked for."""
    client, found = aws.client(settings, "emr-serverless"), list[dict[str, Any]]()
    client.meta.events.register(
        "provide-client-params.emr-serverless.StartJobRun", lambda params, **_: found.append(params)
    )
    monkeypatch.setattr(aws, "client", lambda *_arguments: client)
    return found


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        (["run", "live", "shop"], False),
        (["run", "detect", "shop"], False),
        (["run", "live", "shop", "--once"], True),
        (["run", "baseline", "shop"], True),
        (["run"], True),
        (["quality", "audit", "live"], True),
    ],
)
def test_what_reads_on_is_a_stream_to_emr(
    settings: Settings, asked: list[dict[str, Any]], words: list[str], ends: bool
) -> None:
    """EMR ends a batch after twelve hours, and starts no batch again that failed."""
    job_runs.submit(settings, RELEASE, "live", words)
    assert asked[0].get("mode", "BATCH") == ("BATCH" if ends else "STREAMING")
    assert asked[0].get("retryPolicy") == (None if ends else {"maxFailedAttemptsPerHour": 5})


def test_workers_are_as_terraform_says_and_executors_find_the_project(
    settings: Settings, asked: list[dict[str, Any]]
) -> None:
    job_runs.submit(settings, RELEASE, "live", ["run", "live", "shop"], {"PULSEIQ_REHEARSAL": "1"})
    options = shlex.split(asked[0]["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"])
    properties = dict(each.split("=", 1) for each in options if each != "--conf")
    assert properties["spark.driver.memory"] == "7g"
    assert properties["spark.executor.cores"] == "2"
    assert properties["spark.executorEnv.PYTHONPATH"] == "./project"
    assert properties["spark.emr-serverless.driverEnv.PYTHONPATH"] == "./project"
    assert properties["spark.emr-serverless.driverEnv.PULSEIQ_REHEARSAL"] == "1"


def test_logs_go_to_the_group_that_the_alarms_read(settings: Settings, asked: list[dict[str, Any]]) -> None:
    for known in (settings, replace(settings, job_log_group=None)):
        job_runs.submit(known, RELEASE, "live", ["run", "live", "shop"])
    both, one = (each["configurationOverrides"]["monitoringConfiguration"] for each in asked)
    assert both["cloudWatchLoggingConfiguration"] == {"enabled": True, "logGroupName": "/pulseiq/test/jobs"}
    assert set(one) == {"s3MonitoringConfiguration"}


def test_the_current_package_is_what_was_published_last(settings: Settings) -> None:
    with pytest.raises(ServiceError, match=r"s3://artifacts/releases/current.json is not there") as caught:
        package.current(settings)
    assert caught.value.hint == "pulseiq package"
    told = {**vars(RELEASE), "archives": list(RELEASE.archives), "jars": []}
    aws.client(settings, "s3").put_object(Bucket="artifacts", Key=package.CURRENT, Body=json.dumps(told).encode())
    assert package.current(settings) == RELEASE
