"""The entry point of Spark jobs: its answer in S3, and which exit codes are one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipelines.cli import submitted
from pipelines.platform.settings import adopt_endpoint

KEY = "results/run.json"
MISSING = ["evaluate", "series", "there-is-no-such.csv"]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 with the bucket `answers`, as on AWS."""
    for name, value in {
        "PULSEIQ_ENV": "aws",
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("PULSEIQ_AWS_PORT", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="eu-central-1")
        where = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="answers", CreateBucketConfiguration=where)  # type: ignore[arg-type]
        yield client


def result(s3: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(s3.get_object(Bucket="answers", Key=KEY)["Body"].read())
    return found


def test_a_command_that_fails_fails_the_job_and_leaves_its_words(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    code = submitted.run(["--result", f"s3://answers/{KEY}", "--", *MISSING])
    found = result(s3)
    assert code == found["exit_code"] == 2
    assert found["words"] == MISSING
    assert "there-is-no-such.csv" in found["output"]
    assert "there-is-no-such.csv" in capsys.readouterr().err


def test_an_exit_code_that_is_an_answer_ends_the_job_well(s3: Any) -> None:
    assert submitted.run(["--result", f"s3://answers/{KEY}", "--answer", "2", "--", *MISSING]) == 0
    assert result(s3)["exit_code"] == 2


def test_another_exit_code_is_no_answer(s3: Any) -> None:
    assert submitted.run(["--answer", "7", "--answer", "8", "--", *MISSING]) == 2


def test_options_of_the_command_stay_the_commands(s3: Any) -> None:
    assert submitted.run(["--result", f"s3://answers/{KEY}", "--", "evaluate", "--help"]) == 0
    assert result(s3)["words"] == ["evaluate", "--help"]
    assert "Which segments caused a change" in result(s3)["output"]


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4999"}, "4999"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4999", "PULSEIQ_AWS_PORT": "4566"}, "4566"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4999", "PULSEIQ_ENV": "aws"}, None),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4999", "PULSEIQ_ENV": "aws", "PULSEIQ_REHEARSAL": "1"}, "4999"),
        ({}, None),
    ],
)
def test_a_local_job_takes_the_emulators_address(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], port: str | None
) -> None:
    import os

    # Set and removed again, so that what is set behind our back goes with the test.
    for name in ("AWS_ENDPOINT_URL", "PULSEIQ_AWS_PORT", "PULSEIQ_ENV", "PULSEIQ_REHEARSAL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    adopt_endpoint()
    assert os.environ.get("PULSEIQ_AWS_PORT") == port
