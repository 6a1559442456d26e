"""Clients of the AWS API: LocalStack's session locally, boto3's own on AWS. Nothing else makes clients."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

import boto3
from botocore.config import Config
from localstack_client.session import Session as LocalSession

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_ssm.client import SSMClient

# One pair for every service of this machine: LocalStack takes any, a store of its own is started with this one. S3A and
# delta-rs need it too. Not a secret: all of it listens on loopback.
LOCAL_ACCESS_KEY = "pulseiq"
LOCAL_SECRET_KEY = "pulseiq-local"  # noqa: S105 - MinIO wants eight characters

# boto3's default session is shared by all threads, and making a client on it is not thread-safe.
_making = threading.Lock()

# As many keys as one call of DeleteObjects takes.
_PAGE = 1000


class Target(Protocol):
    """The part of the settings that says which AWS is meant."""

    @property
    def env(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def endpoint_url(self) -> str | None: ...
    @property
    def storage_endpoint(self) -> str | None: ...


@overload
def client(target: Target, service: Literal["s3"]) -> S3Client: ...
@overload
def client(target: Target, service: Literal["ssm"]) -> SSMClient: ...
@overload
def client(target: Target, service: str) -> Any: ...
def client(target: Target, service: str) -> Any:
    """A client of one AWS service. It is thread-safe and worth keeping: making one takes some 20 ms."""
    address = s3_endpoint(target) if service == "s3" else target.endpoint_url
    if address is None:
        config = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60)
        with _making:
            return boto3.client(service, region_name=target.region, config=config)  # type: ignore[call-overload]
    config = Config(
        retries={"mode": "standard", "max_attempts": 3},
        connect_timeout=3,
        read_timeout=60,
        max_pool_connections=20,
        # A proxy of the environment knows nothing of this machine's loopback.
        proxies={},
        s3={"addressing_style": "path"},
        # MWAA's names begin with "api.", which means nothing before an address.
        inject_host_prefix=False,
    )
    with _making:
        return _local_session(address, target.region).client(service, config=config)


def s3_endpoint(target: Target) -> str | None:
    """Address of S3: that of a store of its own where there is one; None is AWS itself."""
    return target.storage_endpoint or target.endpoint_url


@functools.cache
def regions() -> frozenset[str]:
    """Every region that Amazon's partitions have, as the installed botocore knows them."""
    session = boto3.Session()
    return frozenset(
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("s3", partition_name=partition)
    )


def _local_session(endpoint_url: str, region: str) -> LocalSession:
    session = LocalSession(
        aws_access_key_id=LOCAL_ACCESS_KEY,
        aws_secret_access_key=LOCAL_SECRET_KEY,
        aws_session_token=None,
        region_name=region,
        localstack_host=endpoint_url.split("://", 1)[1],
    )
    # AWS_ENDPOINT_URL and USE_SSL in the environment would outrank the settings.
    session._service_endpoint_mapping = dict.fromkeys(session._service_endpoint_mapping, endpoint_url)
    return session


def folders(target: Target, bucket: str, prefix: str) -> list[str]:
    """The prefixes one level below `prefix`, each with its slash at the end."""
    pages = client(target, "s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]


def delete_prefix(target: Target, bucket: str, prefix: str) -> int:
    """Delete every object whose key begins with `prefix`; returns how many there were."""
    s3 = client(target, "s3")
    deleted = 0
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _PAGE}
    )
    for page in pages:
        keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if keys:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})  # type: ignore[typeddict-item]
            if failed := answer.get("Errors"):
                raise OSError(f"s3://{bucket}/{failed[0].get('Key')} was not deleted: {failed[0].get('Message')}")
            deleted += len(keys)
    return deleted
