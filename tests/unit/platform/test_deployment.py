from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from moto import mock_aws

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import aws, deployment
from pipelines.platform.settings import Endpoints
from pipelines.platform.terraform import Stack, StateBucket, first_error

AWS = Endpoints("aws", Path("unused"), "eu-west-1", None, 9092, 4566)
BUCKET = StateBucket("pulseiq-state-123456789012-eu-west-1", "eu-west-1", None)


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def test_without_credentials_nothing_is_planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ServiceError, match="no AWS credentials") as caught:
        deployment.plan(AWS)
    assert "PULSEIQ_REHEARSAL" in (caught.value.hint or "")


def test_without_localstack_the_next_command_is_up(tmp_path: Path) -> None:
    known = Endpoints("local", tmp_path, "eu-central-1", "http://127.0.0.1:1", 9092, 1)
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:1 does not answer") as caught:
        deployment.plan(known)
    assert caught.value.hint == "pulseiq up"


@pytest.mark.usefixtures("credentials")
def test_the_bucket_of_the_state_is_closed_and_keeps_old_versions() -> None:
    with mock_aws():
        assert not deployment._exists(AWS, BUCKET)
        deployment._make(AWS, BUCKET)
        assert deployment._exists(AWS, BUCKET)
        s3 = aws.client(AWS, "s3")
        assert s3.get_bucket_versioning(Bucket=BUCKET.name)["Status"] == "Enabled"
        block = s3.get_public_access_block(Bucket=BUCKET.name)["PublicAccessBlockConfiguration"]
        assert all(block.values())


def test_only_aws_keeps_its_state_in_a_bucket(tmp_path: Path) -> None:
    here = Endpoints("local", tmp_path, "eu-central-1", "http://127.0.0.1:4566", 9092, 4566)
    assert (Stack(here).keeps_state_in_s3, Stack(AWS).keeps_state_in_s3) == (False, True)


def test_a_rehearsal_is_awss_variables_with_its_own_after_them(tmp_path: Path) -> None:
    rehearsal = Stack(Endpoints("aws", tmp_path, "eu-central-1", "http://127.0.0.1:4566", 9092, 4566))
    assert [file.name for file in rehearsal.variable_files()] == ["aws.tfvars", "rehearsal.tfvars"]
    assert [file.name for file in Stack(AWS).variable_files()] == ["aws.tfvars"]
    assert not any("endpoint_url" in each for each in Stack(AWS).variables())


def test_a_rehearsal_is_refused_beside_a_store_before_anything_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Endpoints("aws", tmp_path, "eu-central-1", "http://127.0.0.1:4566", 9092, 4566)
    monkeypatch.setattr(deployment.localstack, "probe", lambda known: "version 4")
    monkeypatch.setattr(deployment, "storage_beside", lambda known: "http://127.0.0.1:9000")
    with pytest.raises(UsageError, match=r"is in http://127\.0\.0\.1:9000, not in LocalStack") as caught:
        deployment.plan(known)
    assert "unset PULSEIQ_STORAGE" in (caught.value.hint or "")


def test_each_store_has_its_own_state_and_terraform_is_told_where_it_is(tmp_path: Path) -> None:
    here = Endpoints("local", tmp_path, "eu-central-1", "http://127.0.0.1:4566", 9092, 4566)
    beside = replace(here, storage_endpoint="http://127.0.0.1:9000")
    ours = replace(beside, own_storage=True)
    moved = replace(ours, storage_endpoint="http://127.0.0.1:9001")
    assert [Stack(each).name for each in (here, beside)] == ["local", "local-127.0.0.1-9000"]
    assert Stack(ours).folder == Stack(moved).folder
    assert len({Stack(each).folder for each in (here, beside, ours)}) == 3
    assert '-var=storage={endpoint="http://127.0.0.1:9000"}' in Stack(beside).variables()
    assert not any("storage" in each for each in Stack(here).variables())
    assert Stack(ours).digest() != Stack(moved).digest()


def test_the_buckets_of_a_state_are_those_that_terraform_made(tmp_path: Path) -> None:
    stack = Stack(Endpoints("local", tmp_path, "eu-central-1", "http://127.0.0.1:4566", 9092, 4566))
    assert stack.buckets() == frozenset()
    stack.folder.mkdir(parents=True)
    resources = [
        {"type": "aws_s3_bucket", "instances": [{"attributes": {"bucket": name}} for name in ("a-lake", "a-reports")]},
        {"type": "aws_sns_topic", "instances": [{"attributes": {"name": "a-alerts"}}]},
    ]
    stack.state_file.write_text(json.dumps({"version": 4, "resources": resources}))
    assert stack.buckets() == {"a-lake", "a-reports"}


def test_terraforms_first_error_is_told_in_one_line() -> None:
    said = """
Error: Invalid value for variable

  on ../../env/aws.tfvars line 6:
   6: key_deletion_days = 1
    ├────────────────
    │ var.key_deletion_days is 1

KMS takes 7 to 30 days.

This was checked by the validation rule at variables.tf:40,3-13.
"""
    expected = "Invalid value for variable key_deletion_days: KMS takes 7 to 30 days. (../../env/aws.tfvars line 6)"
    assert first_error(said) == expected
