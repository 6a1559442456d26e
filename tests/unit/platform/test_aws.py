from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from pipelines.platform import aws
from pipelines.platform.settings import Settings


def local(port: int = 4566) -> Settings:
    address = f"http://127.0.0.1:{port}"
    return Settings("local", Path(), "eu-central-1", address, "127.0.0.1:9092", "lake", "artifacts", "reports", "key")


def test_local_clients_go_to_localstack_whatever_the_shell_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere.example:1")
    monkeypatch.setenv("USE_SSL", "1")
    for service in ("s3", "ssm", "kms", "sts"):
        client = aws.client(local(14566), service)
        assert client.meta.endpoint_url == "http://127.0.0.1:14566"
        assert client.meta.region_name == "eu-central-1"


def test_local_clients_go_past_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert aws.client(local(), "s3").meta.config.proxies == {}


def test_aws_clients_go_to_aws() -> None:
    there = Settings("aws", Path(), "eu-west-1", None, "b:9098", "lake", "artifacts", "reports", "key")
    assert aws.client(there, "s3").meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"


def test_delete_prefix_takes_what_begins_with_it_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "_PAGE", 10)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    there = Settings("aws", Path(), "us-east-1", None, "b:9098", "lake", "artifacts", "reports", "key")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="lake")
        for number in range(25):
            s3.put_object(Bucket="lake", Key=f"shop/silver/{number}", Body=b"")
        s3.put_object(Bucket="lake", Key="shop2/silver/0", Body=b"")
        assert aws.delete_prefix(there, "lake", "shop/") == 25
        assert [item["Key"] for item in s3.list_objects_v2(Bucket="lake")["Contents"]] == ["shop2/silver/0"]
        assert aws.delete_prefix(there, "lake", "shop/") == 0
