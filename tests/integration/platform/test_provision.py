from __future__ import annotations

import pytest

from pipelines.errors import UsageError
from pipelines.platform import aws, epoch, provision
from pipelines.platform import settings as configuration
from pipelines.platform.settings import Settings
from pipelines.platform.terraform import Stack


def test_a_second_plan_is_empty(services: Settings) -> None:
    known = configuration.local_endpoints()
    stack = Stack(known)
    code = stack.run("plan", "-detailed-exitcode", *stack.variables(), expected=(0, 2))
    assert code == 0, f"2 means changes: {stack.log_file.read_text()[-3000:]}"


def test_settings_come_from_the_manifest(services: Settings) -> None:
    assert services.lake_bucket == "pulseiq-local-lake"
    assert services.kms_key_arn.startswith(f"arn:aws:kms:{services.region}:")
    assert configuration.load() == services


def test_only_the_lake_keeps_no_versions(services: Settings) -> None:
    s3 = aws.client(services, "s3")
    versioned = {
        bucket: s3.get_bucket_versioning(Bucket=bucket).get("Status")
        for bucket in (services.lake_bucket, services.artifacts_bucket, services.reports_bucket)
    }
    assert versioned == {
        services.lake_bucket: None,
        services.artifacts_bucket: "Enabled",
        services.reports_bucket: "Enabled",
    }


def test_what_is_written_is_encrypted_by_our_key_and_closed_to_the_public(services: Settings) -> None:
    if services.storage_endpoint is not None:
        pytest.skip("a store of the buckets' own is asked for neither")
    s3 = aws.client(services, "s3")
    for bucket in (services.lake_bucket, services.artifacts_bucket, services.reports_bucket):
        s3.put_object(Bucket=bucket, Key="probe", Body=b"x")
        head = s3.head_object(Bucket=bucket, Key="probe")
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", services.kms_key_arn)
        assert head["BucketKeyEnabled"] is True
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert all(block.values())
        assert len(block) == 4
    kms = aws.client(services, "kms")
    assert kms.get_key_rotation_status(KeyId=services.kms_key_arn)["KeyRotationEnabled"]
    assert kms.describe_key(KeyId="alias/pulseiq-local")["KeyMetadata"]["Arn"] == services.kms_key_arn


def test_nothing_is_to_be_done_until_something_is_missing(services: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known = configuration.local_endpoints()
    assert provision.reason(known) is None
    word = epoch.current(services)
    assert word is not None
    assert len(word) >= 32
    aws.client(services, "s3").delete_object(Bucket=services.lake_bucket, Key="_epoch")
    try:
        assert provision.reason(known) == "the lake bucket is gone"
    finally:
        aws.client(services, "s3").put_object(Bucket=services.lake_bucket, Key="_epoch", Body=word.encode())
    monkeypatch.setattr(Stack, "variables", lambda _: ("-var=another=1",))
    assert provision.reason(known) == "the configuration changed"


def test_a_value_that_the_stack_refuses_is_one_line_with_the_file_to_correct(services: Settings) -> None:
    stack = Stack(configuration.local_endpoints())
    with pytest.raises(UsageError, match=r"terraform: Invalid value for variable key_deletion_days") as caught:
        stack.run("plan", *stack.variables(), "-var=key_deletion_days=1")
    assert "terraform/env/local.tfvars" in (caught.value.hint or "")
    assert "\n" not in str(caught.value)
