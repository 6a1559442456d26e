"""A process that spark-submit started, here or on EMR: where it leaves its answer."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError
from pipelines.platform import aws
from pipelines.platform.settings import endpoints


def put(uri: str, body: bytes) -> None:
    """Write an object, named as s3://bucket/key.

    Raises:
        ServiceError: S3 does not take it.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        aws.client(endpoints(), "s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"{uri} cannot be written: {error}", hint="pulseiq status") from error
