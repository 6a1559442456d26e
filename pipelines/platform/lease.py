"""One driver per query, by a lease in the lake bucket. Its only use is the readable refusal of a second driver.

What keeps two writers apart is the log store and the epoch; a lease alone does not fence one that was asleep.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

import botocore.exceptions

from pipelines.errors import ServiceError, StateError
from pipelines.platform import aws
from pipelines.platform.settings import Settings

DURATION = timedelta(seconds=30)
_RENEW_EVERY_SECONDS = 8.0


class Lease:
    """Hold `_leases/<name>.json` for as long as the `with` block lasts; StateError when somebody else does."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._bucket = settings.lake_bucket
        self._key = f"_leases/{name}.json"
        self._name = name
        self._s3 = aws.client(settings, "s3")
        self._holder = f"{socket.gethostname()} pid {os.getpid()}"
        self._since = datetime.now(UTC)
        self._etag = ""
        self._ended = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name=f"lease-{name}", daemon=True)

    def __enter__(self) -> Self:
        found, etag = self._read()
        if found is not None and not found["released"] and datetime.fromisoformat(found["until"]) > datetime.now(UTC):
            raise self._held(found)
        if not self._put({"IfNoneMatch": "*"} if found is None else {"IfMatch": etag}):
            raise self._held(self._read()[0] or {"holder": "another driver", "since": "just now"})
        self._renewer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._renewer.is_alive():
            self._renewer.join(timeout=5)
        # Released by a put: not every S3 deletes conditionally, and a lease taken over in the meantime must stand.
        self._put({"IfMatch": self._etag}, released=True)

    def _held(self, found: dict[str, Any]) -> StateError:
        return StateError(
            f"{self._name} is already run by {found['holder']} since {found['since']}",
            hint=f"stop it there; if it was killed, its lease ends by itself within {DURATION.seconds} s",
        )

    def _read(self) -> tuple[dict[str, Any] | None, str]:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None, ""
            raise ServiceError(f"the lease {self._key} cannot be read: {error}", hint="pulseiq status") from error
        except botocore.exceptions.BotoCoreError as error:
            raise ServiceError(f"S3 does not answer: {error}", hint="pulseiq status") from error
        return json.loads(answer["Body"].read()), answer["ETag"]

    def _put(self, condition: dict[str, str], *, released: bool = False) -> bool:
        """Write the lease on a condition; False when somebody else has written it in the meantime."""
        body = {
            "holder": self._holder,
            "since": self._since.isoformat(timespec="seconds"),
            "until": (datetime.now(UTC) + DURATION).isoformat(),
            "released": released,
            # Equal bodies have equal ETags: without it a renewal could not be told from the one before.
            "nonce": uuid.uuid4().hex,
        }
        try:
            answer = self._s3.put_object(
                Bucket=self._bucket, Key=self._key, Body=json.dumps(body).encode(), **condition
            )
        except botocore.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 409, 412):
                return False
            raise
        self._etag = answer["ETag"]
        return True

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_EVERY_SECONDS):
            try:
                if not self._put({"IfMatch": self._etag}):
                    return  # Taken over. The log store and the epoch keep the lake whole.
            except botocore.exceptions.BotoCoreError:
                continue  # S3 is away for a moment; the streams will say so themselves if it stays away.
