from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import settings, toolchain

VALUES = {
    "lake_bucket": "example-lake",
    "artifacts_bucket": "example-artifacts",
    "reports_bucket": "example-reports",
    "kms_key_arn": "arn:aws:kms:eu-west-1:123456789012:key/1",
    "bootstrap_servers": "b-1.example:9098,b-2.example:9098",
    "kafka_authentication": "iam",
    "event_retention_days": "7",
    "job_role_arns": '{"refine": "arn:aws:iam::123456789012:role/example-refine"}',
    "alerts_topic_arn": "arn:aws:sns:eu-west-1:123456789012:example-alerts",
}
MADE_INTO = {
    "event_retention_days": 7,
    "job_role_arns": {"refine": "arn:aws:iam::123456789012:role/example-refine"},
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("PULSEIQ_", "AWS_")):
            monkeypatch.delenv(name)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in memory, chosen the way a user chooses it."""
    for name, value in {
        "PULSEIQ_ENV": "aws",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


def put(values: dict[str, str]) -> None:
    ssm = boto3.client("ssm", region_name="eu-west-1")
    for name, value in values.items():
        ssm.put_parameter(Name=f"/pulseiq/aws/{name}", Value=value, Type="String")


@pytest.mark.usefixtures("aws")
def test_the_manifest_in_ssm_is_what_settings_say() -> None:
    put(VALUES)
    loaded = settings.load()
    assert {name: getattr(loaded, name) for name in VALUES} == VALUES | MADE_INTO
    assert (loaded.env, loaded.region, loaded.endpoint_url) == ("aws", "eu-west-1", None)
    assert loaded.table_uri("shop", "silver") == "s3://example-lake/shop/silver"
    assert loaded.checkpoint_uri("shop", "refine") == "s3://example-lake/_checkpoints/shop/refine"


@pytest.mark.usefixtures("aws")
def test_a_missing_parameter_is_named() -> None:
    put({name: value for name, value in VALUES.items() if name != "kms_key_arn"})
    with pytest.raises(ServiceError, match="/pulseiq/aws/kms_key_arn") as caught:
        settings.load()
    assert "lake_bucket" not in caught.value.what


@pytest.mark.usefixtures("aws")
def test_what_terraform_did_not_make_is_not_there_and_what_it_made_is() -> None:
    put(VALUES)
    without = settings.load()
    assert (without.emr_application_id, dict(without.glue_databases)) == (None, {})
    assert without.storage_endpoint is None
    assert without.max_message_bytes == 10 * 1024 * 1024
    put({"job_properties": '{"spark.driver.memory": "7g"}'})
    put({"emr_application_id": "00f1", "glue_databases": '{"shop": "pulseiq_shop"}', "max_message_bytes": "8388608"})
    made = settings.load()
    assert (made.emr_application_id, made.glue_databases) == ("00f1", {"shop": "pulseiq_shop"})
    assert made.max_message_bytes == 8388608
    assert made.job_properties == {"spark.driver.memory": "7g"}
    assert hash(made) != hash(without)


@pytest.mark.usefixtures("aws")
def test_a_manifest_that_cannot_be_read_says_so() -> None:
    put(VALUES | {"event_retention_days": "a week"})
    with pytest.raises(ServiceError, match="a week"):
        settings.load()


def test_a_mistyped_region_is_refused_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEIQ_ENV", "aws")
    monkeypatch.setenv("AWS_REGION", "eu-centrall-1")
    with pytest.raises(UsageError, match="no such region") as caught:
        settings.endpoints()
    assert caught.value.hint == "export AWS_REGION=eu-central-1"


def test_only_the_rehearsal_has_aws_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEIQ_ENV", "aws")
    monkeypatch.setenv("PULSEIQ_REHEARSAL", "1")
    monkeypatch.setenv("PULSEIQ_AWS_PORT", "14566")
    known = settings.endpoints()
    assert (known.env, known.endpoint_url, known.rehearsal) == ("aws", "http://127.0.0.1:14566", True)
    with pytest.raises(UsageError, match="no local services"):
        settings.local_endpoints()


def test_s3_is_the_emulators_until_a_store_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (settings.endpoints().storage_endpoint, settings.endpoints().own_storage) == (None, False)
    monkeypatch.setenv("PULSEIQ_STORAGE", "minio")
    monkeypatch.setenv("PULSEIQ_STORAGE_PORT", "19000")
    known = settings.endpoints()
    assert (known.storage_endpoint, known.storage_port, known.own_storage) == ("http://127.0.0.1:19000", 19000, True)
    monkeypatch.setenv("PULSEIQ_STORAGE", "http://store.example:3900")
    known = settings.endpoints()
    assert (known.storage_endpoint, known.own_storage) == ("http://store.example:3900", False)


@pytest.mark.parametrize("where", ["garage", "http://store.example", "https://store.example:1", "http://h:1/path"])
def test_a_store_that_is_no_address_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setenv("PULSEIQ_STORAGE", where)
    with pytest.raises(UsageError, match=re.escape(f"PULSEIQ_STORAGE is '{where}'")):
        settings.endpoints()


def test_a_rehearsal_is_of_awss_own_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PULSEIQ_ENV": "aws", "PULSEIQ_REHEARSAL": "1", "PULSEIQ_STORAGE": "minio"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="a rehearsal is of AWS's S3"):
        settings.endpoints()


def test_a_job_of_the_emulator_takes_both_addresses_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:14566")
    # So that what is adopted is gone after the test.
    for name in ("PULSEIQ_AWS_PORT", "PULSEIQ_STORAGE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    settings.adopt_endpoint()
    assert settings.endpoints().storage_endpoint is None
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:19000")
    settings.adopt_endpoint()
    known = settings.endpoints()
    assert (known.aws_port, known.storage_endpoint, known.own_storage) == (14566, "http://127.0.0.1:19000", False)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "PULSEIQ_AWS_PORT", "PULSEIQ_STORAGE"])
def test_aws_refuses_a_forgotten_local_endpoint(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    put(VALUES)
    monkeypatch.setenv(variable, "4566")
    with pytest.raises(UsageError, match=variable):
        settings.load()


def test_aws_asks_for_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEIQ_ENV", "aws")
    with pytest.raises(UsageError, match="region"):
        settings.endpoints()


def test_local_addresses_follow_the_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert settings.endpoints().bootstrap_servers == "127.0.0.1:9092"
    assert settings.endpoints().home == settings.PROJECT_ROOT / ".pulseiq"
    monkeypatch.setenv("PULSEIQ_KAFKA_PORT", "19092")
    monkeypatch.setenv("PULSEIQ_AWS_PORT", "14566")
    monkeypatch.setenv("PULSEIQ_HOME", str(tmp_path))
    known = settings.local_endpoints()
    assert (known.bootstrap_servers, known.endpoint_url) == ("127.0.0.1:19092", "http://127.0.0.1:14566")
    assert known.home == tmp_path


def test_the_users_aws_region_does_not_move_the_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings.endpoints().region
    monkeypatch.setenv("AWS_REGION", "ap-south-1")
    assert settings.endpoints().region == before


@pytest.mark.parametrize("text", ["0", "65536", "-1", "kafka", "9092 "])
def test_a_port_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PULSEIQ_KAFKA_PORT", text)
    with pytest.raises(UsageError, match="PULSEIQ_KAFKA_PORT"):
        settings.endpoints()


def test_an_unknown_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEIQ_ENV", "staging")
    with pytest.raises(UsageError, match="staging"):
        settings.endpoints()


@pytest.mark.usefixtures("aws")
def test_local_commands_refuse_aws() -> None:
    with pytest.raises(UsageError, match="no local services"):
        settings.local_endpoints()


def test_without_localstack_the_next_command_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEIQ_AWS_PORT", "1")
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:1") as caught:
        settings.load()
    assert caught.value.hint == "pulseiq up"


def test_the_example_of_an_environment_names_every_variable_that_a_user_may_set() -> None:
    described = re.findall(r"^\| ([A-Z_, ]+) \|", settings.__doc__ or "", flags=re.MULTILINE)
    root = Path(__file__).resolve().parents[3]
    example = (root / ".env.example").read_text()
    compose = set(re.findall(r"\$\{(\w+)", (root / "docker-compose.yml").read_text())) | {"COMPOSE_PROFILES"}
    names = {name for cell in described for name in cell.split(", ")} | set(
        re.findall(r'environ\.get\("((?:PULSEIQ|TF)_\w+)"', Path(toolchain.__file__).read_text())
    )
    assert {"PULSEIQ_ENV", "PULSEIQ_REGION", "PULSEIQ_TOOLS", "TF_PLUGIN_MIRROR"} <= names
    assert names | compose == set(re.findall(r"^#?(\w+)=", example, flags=re.MULTILINE))
