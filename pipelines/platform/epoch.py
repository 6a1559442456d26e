"""The lake's epoch: a random object that provisioning writes, so that a bucket made anew is noticed.

LocalStack forgets its buckets at a restart and Kafka does not. A stream that wrote on into an empty bucket with the
offsets of the old one would lose everything before them without a word.
"""

from __future__ import annotations

from typing import Any

import botocore.exceptions

from pipelines.errors import ServiceError, StateError
from pipelines.platform import aws
from pipelines.platform.settings import Settings

KEY = "_epoch"


def current(settings: Settings) -> str | None:
    """The lake's epoch; None when the bucket or the object is not there."""
    return _read(aws.client(settings, "s3"), settings)


class Epoch:
    """Remembers the epoch at its making; `check` raises when the lake is another one by now."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._s3 = aws.client(settings, "s3")
        self._started = _read(self._s3, settings)
        if self._started is None:
            raise StateError(f"bucket {settings.lake_bucket} has no epoch: it was never provisioned", hint="pulseiq up")

    def check(self) -> None:
        """Raise StateError when the bucket was made anew, or is gone, since this object was made."""
        found = _read(self._s3, self._settings)
        if found != self._started:
            state = "is gone" if found is None else "was made anew"
            raise StateError(
                f"the lake in bucket {self._settings.lake_bucket} {state} while the stream ran; nothing was written",
                hint="pulseiq up, which rebuilds the lake from Kafka",
            )


def _read(s3: Any, settings: Settings) -> str | None:
    try:
        return str(s3.get_object(Bucket=settings.lake_bucket, Key=KEY)["Body"].read().decode())
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
            return None
        raise ServiceError(f"S3 refused to read the epoch: {error}", hint="pulseiq status") from error
    except botocore.exceptions.BotoCoreError as error:
        raise ServiceError(f"S3 does not answer: {error}", hint="pulseiq status") from error
