from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from pipelines.platform import airflow, aws, lake, localstack, spark
from pipelines.platform.settings import PROJECT_ROOT, Endpoints, Settings


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


def test_s3_has_a_place_of_its_own_and_nothing_else_has(tmp_path: Path) -> None:
    beside = replace(local(14566), storage_endpoint="http://127.0.0.1:19000", home=tmp_path)
    addresses = {service: aws.client(beside, service).meta.endpoint_url for service in ("s3", "ssm", "kms", "sns")}
    assert addresses == dict.fromkeys(("ssm", "kms", "sns"), "http://127.0.0.1:14566") | {
        "s3": "http://127.0.0.1:19000"
    }
    assert spark.configuration(beside, 2)["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:19000"
    assert lake.storage_options(beside)["AWS_ENDPOINT_URL"] == "http://127.0.0.1:19000"


def test_airflows_connection_and_the_emulators_jobs_go_there_too(tmp_path: Path) -> None:
    here = Endpoints("local", tmp_path, "eu-central-1", "http://127.0.0.1:14566", 9092, 14566)
    beside = replace(here, storage_endpoint="http://127.0.0.1:19000")
    extras = [json.loads(airflow.environment(each)["AIRFLOW_CONN_AWS_DEFAULT"])["extra"] for each in (here, beside)]
    assert extras[0] == {"endpoint_url": "http://127.0.0.1:14566", "region_name": "eu-central-1"}
    assert extras[1] == extras[0] | {"service_config": {"s3": {"endpoint_url": "http://127.0.0.1:19000"}}}
    lent = [localstack.prepare(each).env for each in (here, beside)]
    assert [each.get("LAKEHOUSE_S3_ENDPOINT") for each in lent] == [None, "http://127.0.0.1:19000"]
    assert lent[1]["LAKEHOUSE_S3_SECRET_KEY"] == aws.LOCAL_SECRET_KEY


def test_terraform_has_the_pair_of_keys_that_a_store_is_started_with() -> None:
    text = (PROJECT_ROOT / "terraform" / "stacks" / "platform" / "providers.tf").read_text()
    for key in (aws.LOCAL_ACCESS_KEY, aws.LOCAL_SECRET_KEY):
        assert f'local.emulated ? "{key}" : null' in text


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
