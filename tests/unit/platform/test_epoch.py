from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipelines.errors import StateError
from pipelines.platform import epoch
from pipelines.platform.settings import Settings


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="lake")
        yield client


@pytest.fixture
def settings(s3: Any, tmp_path: Path) -> Settings:
    s3.put_object(Bucket="lake", Key="_epoch", Body=b"first")
    return Settings("aws", tmp_path, "us-east-1", None, "", "lake", "", "", "")


def test_same_lake_passes(settings: Settings) -> None:
    watched = epoch.Epoch(settings)
    watched.check()
    assert epoch.current(settings) == "first"


def test_lake_made_anew_is_noticed(s3: Any, settings: Settings) -> None:
    watched = epoch.Epoch(settings)
    s3.put_object(Bucket="lake", Key="_epoch", Body=b"second")
    with pytest.raises(StateError, match=r"lake was made anew .* nothing was written \| next: pulseiq up"):
        watched.check()


def test_bucket_without_its_epoch_is_noticed(s3: Any, settings: Settings) -> None:
    watched = epoch.Epoch(settings)
    s3.delete_object(Bucket="lake", Key="_epoch")
    with pytest.raises(StateError, match="is gone"):
        watched.check()


def test_vanished_bucket_is_noticed(s3: Any, settings: Settings) -> None:
    watched = epoch.Epoch(settings)
    s3.delete_object(Bucket="lake", Key="_epoch")
    s3.delete_bucket(Bucket="lake")
    with pytest.raises(StateError, match="is gone"):
        watched.check()
    assert epoch.current(settings) is None


def test_nothing_starts_in_a_bucket_that_was_never_provisioned(s3: Any, settings: Settings) -> None:
    s3.delete_object(Bucket="lake", Key="_epoch")
    with pytest.raises(StateError, match="never provisioned"):
        epoch.Epoch(settings)
