"""Which store is asked for, beside what runs; whether there is a lake to be kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from pipelines.errors import UsageError
from pipelines.platform import localstack, provision
from pipelines.platform.settings import Endpoints
from pipelines.platform.terraform import Stack

MINIO = "http://127.0.0.1:9000"


@pytest.fixture
def known(tmp_path: Path) -> Endpoints:
    return Endpoints("local", tmp_path, "eu-central-1", "http://127.0.0.1:4566", 9092, 4566)


@pytest.mark.parametrize(("there", "asked"), [(None, MINIO), (MINIO, None), (MINIO, "http://127.0.0.1:9001")])
def test_a_store_other_than_the_one_that_serves_is_refused(
    known: Endpoints, monkeypatch: pytest.MonkeyPatch, there: str | None, asked: str | None
) -> None:
    manifest = {"lake_bucket": "a-lake"} | ({"storage_endpoint": there} if there else {})
    monkeypatch.setattr(localstack, "probe", lambda known: "version 4")
    monkeypatch.setattr(provision, "manifest_of", lambda known: manifest)
    with pytest.raises(UsageError, match=f"is in {there or 'LocalStack'}, and PULSEIQ_STORAGE says") as caught:
        provision.refuse_another_store(replace(known, storage_endpoint=asked))
    assert "pulseiq down" in (caught.value.hint or "")
    provision.refuse_another_store(replace(known, storage_endpoint=there))


@pytest.mark.parametrize("answers", [None, "version 4"])
def test_nothing_is_refused_where_nothing_serves(
    known: Endpoints, monkeypatch: pytest.MonkeyPatch, answers: str | None
) -> None:
    monkeypatch.setattr(localstack, "probe", lambda known: answers)
    monkeypatch.setattr(provision, "manifest_of", lambda known: {})
    provision.refuse_another_store(replace(known, storage_endpoint=MINIO))


def test_a_lake_is_there_by_our_name_or_by_the_one_that_the_state_knows(
    known: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    there = replace(known, endpoint_url=None, region="us-east-1")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        for bucket in ("somebody-lake", "pulseiq-local-reports"):
            s3.create_bucket(Bucket=bucket)
        assert provision.lake_is_gone(there)
        stack = Stack(there)
        stack.folder.mkdir(parents=True)
        made = [{"attributes": {"bucket": "somebody-lake"}}]
        stack.state_file.write_text(json.dumps({"resources": [{"type": "aws_s3_bucket", "instances": made}]}))
        assert not provision.lake_is_gone(there)
        stack.state_file.unlink()
        s3.create_bucket(Bucket="pulseiq-local-lake")
        assert not provision.lake_is_gone(there)
