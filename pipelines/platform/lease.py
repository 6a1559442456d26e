"""One driver per query, by a lease in the lake bucket. Its only use is the readable refusal of a second driver.

What keeps two writers apart is the log store and the epoch; a lease alone does not fence one that was asleep.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError, StateError
from pipelines.platform import aws
from pipelines.platform.settings import Settings

DURATION = timedelta(seconds=30)

_RENEWALS_PER_DURATION = 4
_ATTEMPTS = 5
_NOT_WRITTEN = (404, 409, 412)  # gone, undecided between two writers, not the state that was expected


@dataclass(frozen=True)
class _Found:
    """The lease as it is stored; `age` is since its last renewal, by S3's own clock."""

    body: dict[str, Any]
    etag: str
    age: timedelta

    @property
    def left(self) -> timedelta:
        """How long it still holds without a renewal; zero or less when anybody may take it."""
        if self.body["released"] or _ended(self.body["machine"], self.body["pid"]):
            return timedelta(0)
        return timedelta(seconds=self.body["seconds"]) - self.age


class Lease:
    """Hold `_leases/<name>.json` for as long as the `with` block lasts; StateError when somebody else does.

    It is renewed in the background. The lease of a process that was killed can be taken at once on the same machine,
    and after `duration` from elsewhere.
    """

    def __init__(self, settings: Settings, name: str, duration: timedelta = DURATION) -> None:
        self._bucket = settings.lake_bucket
        self._key = f"_leases/{name}.json"
        self._name = name
        self._duration = duration
        self._s3 = aws.client(settings, "s3")
        self._owner = uuid.uuid4().hex
        self._since = datetime.now(UTC)
        self._etag = ""
        self._lost: StateError | None = None
        self._ending = threading.Event()
        self._renewer = threading.Thread(target=self._renew, name=f"lease-{name}", daemon=True)

    def __enter__(self) -> Self:
        for _ in range(_ATTEMPTS):
            found = self._read()
            if found is not None and found.left > timedelta(0):
                raise self._refusal(found)
            try:
                written = self._put({"IfNoneMatch": "*"} if found is None else {"IfMatch": found.etag})
            except (BotoCoreError, ClientError) as error:
                raise ServiceError(
                    f"the lease {self._key} cannot be written: {error}", hint="pulseiq status"
                ) from error
            if written:
                self._renewer.start()
                return self
        raise StateError(f"{self._name} is being started by somebody else", hint="pulseiq status")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._renewer.join(timeout=self._duration.total_seconds())
        # By a put, because not every S3 deletes conditionally, and what somebody else has taken over must stand.
        # If S3 is away, the lease ends by itself.
        with contextlib.suppress(BotoCoreError, ClientError, ServiceError):
            if self._lost is None:
                self._put({"IfMatch": self._etag}, released=True)

    def check(self) -> None:
        """Raise StateError when somebody else has taken the lease over, which is so after a long sleep."""
        if self._lost is not None:
            raise self._lost

    def _renew(self) -> None:
        while not self._ending.wait(self._duration.total_seconds() / _RENEWALS_PER_DURATION):
            try:
                if not self._put({"IfMatch": self._etag}):
                    found = self._read()
                    if found is None or found.body["owner"] != self._owner:
                        self._lost = self._loss(found)
                        return
            except (BotoCoreError, ClientError, ServiceError):
                continue  # S3 is away for a moment; if it stays away, the streams say so themselves.

    def _put(self, condition: dict[str, Any], *, released: bool = False) -> bool:
        """Write the lease on a condition; False when it is not ours. Keeps the ETag for the next condition."""
        body = {
            "owner": self._owner,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "machine": _machine(),
            "since": self._since.isoformat(timespec="seconds"),
            "seconds": self._duration.total_seconds(),
            "released": released,
            # Equal bodies have equal ETags: without it a renewal could not be told from the one before.
            "nonce": uuid.uuid4().hex,
        }
        try:
            answer = self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=json.dumps(body), **condition)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _NOT_WRITTEN:
                raise
            found = self._read()
            if found is None or found.body["owner"] != self._owner:
                return False
            # The client sends a request again when its answer is lost: the first one had been heard.
            self._etag = found.etag
            return bool(found.body["nonce"] == body["nonce"])
        self._etag = answer["ETag"]
        return True

    def _read(self) -> _Found | None:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key)
            body = json.loads(answer["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise ServiceError(f"the lease {self._key} cannot be read: {error}", hint="pulseiq status") from error
        except BotoCoreError as error:
            raise ServiceError(f"S3 does not answer: {error}", hint="pulseiq status") from error
        said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(said) if said else datetime.now(UTC)
        return _Found(body, answer["ETag"], now - answer["LastModified"])

    def _refusal(self, found: _Found) -> StateError:
        return StateError(
            f"{self._name} is already run by {_holder(found)}",
            hint=f"stop it there; if it is dead, its lease ends by itself in {found.left.total_seconds():.0f} s",
        )

    def _loss(self, found: _Found | None) -> StateError:
        state = "its lease is gone" if found is None else f"it is run by {_holder(found)} now"
        return StateError(
            f"{self._name} was not renewed for {self._duration.total_seconds():.0f} s and {state}",
            hint="leave it to that one, or stop it there and start this one again",
        )


def _holder(found: _Found) -> str:
    return f"{found.body['host']} pid {found.body['pid']} since {found.body['since']}"


def _machine() -> str:
    """The same for processes that see each other's pids; different after a restart and in another container."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode()}"


def _ended(machine: str, pid: int) -> bool:
    """Whether the holder's process is known to have ended; a pid that is in use again counts as alive."""
    if machine != _machine():
        return False
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
