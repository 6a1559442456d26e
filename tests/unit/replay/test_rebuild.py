"""What a rebuild from Kafka removes: what Kafka brings back, and nothing that people said or were told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from pipelines import contract as contracts
from pipelines.platform.settings import Settings
from pipelines.replay.rebuild import KEPT, remove_lake

KEYS = (
    *("shop/silver/_delta_log/0.json", "shop/silver/1.parquet", "shop/gold/_delta_log/0.json", "shop/ticks/1.parquet"),
    *("shop/incidents/1.parquet", "shop/responses/1.parquet", "shop/outbox/1.parquet", "shop/baseline/1.parquet"),
    *("_checkpoints/shop/refine/metadata", "_checkpoints/shopping/refine/metadata", "shopping/silver/1.parquet"),
)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        s3 = boto3.client("s3", region_name="eu-west-1")
        s3.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        for key in KEYS:
            s3.put_object(Bucket="lake", Key=key, Body=b"")
        yield Settings("aws", tmp_path, "eu-west-1", None, "b-1:9098", "lake", "artifacts", "reports", "key")


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        ((), {"_checkpoints/shopping", "shopping/silver"}),
        (KEPT, {"_checkpoints/shopping", "shopping/silver", *(f"shop/{name}" for name in
                ("baseline", "incidents", "outbox", "responses"))}),
    ],
)  # fmt: skip
def test_what_is_removed(settings: Settings, keep: tuple[str, ...], left: set[str]) -> None:
    remove_lake(settings, contracts.load("shop"), keep=keep)
    found = boto3.client("s3", region_name="eu-west-1").list_objects_v2(Bucket="lake")["Contents"]
    assert {"/".join(each["Key"].split("/")[:2]) for each in found} == left
