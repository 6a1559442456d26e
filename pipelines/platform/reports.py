"""The reports bucket: a built site put there file by file, each with the content type that a browser needs."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError
from pipelines.platform import aws
from pipelines.platform.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

# What machines' own tables of types leave out or say otherwise.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".otf": "font/otf",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


def content_type(path: Path) -> str:
    """The content type that a file is served with."""
    return _TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def publish(settings: Settings, folder: Path, prefix: str) -> str:
    """Upload a folder and remove what lies under the prefix and is no longer in it; returns the address.

    Raises:
        ServiceError: S3 does not take the files.
    """
    s3, bucket = aws.client(settings, "s3"), settings.reports_bucket
    address = f"s3://{bucket}/{prefix}/"
    try:
        before = set(_keys(s3, bucket, f"{prefix}/"))
        kept = set()
        # Pages last: until then the old ones find what they ask for.
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.suffix == ".html")
        for path in files:
            key = f"{prefix}/{path.relative_to(folder).as_posix()}"
            s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ContentType=content_type(path))
            kept.add(key)
        for key in sorted(before - kept):
            s3.delete_object(Bucket=bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"{address} does not take the report: {error}", hint="pulseiq status") from error
    return address


def _keys(s3: S3Client, bucket: str, prefix: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            yield item["Key"]
