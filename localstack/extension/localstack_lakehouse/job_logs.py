"""A driver's standard output and error on their way to S3 and CloudWatch Logs, while the job runs."""

from __future__ import annotations

import functools
import gzip
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localstack_lakehouse.calls import Request

LOG = logging.getLogger(__name__)

_DEFAULT_GROUP = "/aws/emr-serverless"
# CloudWatch's limits are 10,000 events and 1 MB for each request, 256 kB for an event.
_EVENTS, _BATCH_BYTES, _EVENT_BYTES = 5_000, 800_000, 250_000
# The whole file is sent each time: the longer that takes, the rarer it is done.
_PAUSE_PER_SECOND = 20.0

Clients = Callable[[str], Any]


@dataclass
class _Stream:
    """One log file: how far it was read, and what was packed of it."""

    kind: str  # STDOUT, STDERR
    file: Path
    read: int = 0
    unsent: bool = False
    rest: bytes = field(default=b"")

    @property
    def packed(self) -> Path:
        return self.file.with_name(f"{self.file.name}.gz")

    def news(self) -> bytes:
        """What was appended since; also packed, as another gzip member."""
        if not self.file.exists():
            return b""
        with self.file.open("rb") as file:
            file.seek(self.read)
            found = file.read()
        if found:
            self.read += len(found)
            self.unsent = True
            with self.packed.open("ab") as packed:
                packed.write(gzip.compress(found))
        return found


class JobLogs:
    """Ships the two logs of one attempt to wherever its monitoring configuration says."""

    def __init__(self, folder: Path, path: str, monitoring: Request, clients: Clients) -> None:
        """`path` is the run's place in EMR's layout, applications/APP/jobs/RUN."""
        self._streams = [_Stream("STDOUT", folder / "stdout"), _Stream("STDERR", folder / "stderr")]
        self._path = f"{path}/SPARK_DRIVER"
        self._s3: Mapping[str, Any] = monitoring.get("s3MonitoringConfiguration") or {}
        self._cloudwatch: Mapping[str, Any] = monitoring.get("cloudWatchLoggingConfiguration") or {}
        self._clients = clients
        self._next_upload = 0.0
        self._failed: set[str] = set()
        self._made: set[str] = set()

    def ship(self, *, last: bool = False) -> None:
        """Send what is new. Where a destination does not take it the job goes on, as on EMR."""
        for stream in self._streams:
            news = stream.news()
            if self._cloudwatch.get("enabled") and self._wanted(stream):
                self._tried("CloudWatch Logs", functools.partial(self._to_cloudwatch, stream, news, last))
        if self._s3.get("logUri") and (last or time.monotonic() >= self._next_upload):
            began = time.monotonic()
            self._tried(self._s3["logUri"], self._to_s3)
            self._next_upload = time.monotonic() + (time.monotonic() - began) * _PAUSE_PER_SECOND

    def _wanted(self, stream: _Stream) -> bool:
        kinds = self._cloudwatch.get("logTypes")
        return not kinds or stream.kind in kinds.get("SPARK_DRIVER", [])

    def _tried(self, destination: str, send: Callable[[], None]) -> None:
        try:
            send()
        except Exception as error:  # whatever botocore raises: logs never end a job
            if destination not in self._failed:
                LOG.warning("logs of %s do not reach %s: %s", self._path, destination, error)
            self._failed.add(destination)

    def _to_s3(self) -> None:
        bucket, _, prefix = self._s3["logUri"].partition("://")[2].partition("/")
        key_id = self._s3.get("encryptionKeyArn")
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
        for stream in self._streams:
            if stream.unsent:
                key = "/".join(part for part in (prefix.strip("/"), self._path, stream.packed.name) if part)
                with stream.packed.open("rb") as body:
                    self._clients("s3").put_object(Bucket=bucket, Key=key, Body=body, **encryption)
                stream.unsent = False

    def _to_cloudwatch(self, stream: _Stream, news: bytes, last: bool) -> None:
        whole, newline, stream.rest = (stream.rest + news).rpartition(b"\n")
        content = whole + newline
        if last:
            content, stream.rest = content + stream.rest, b""
        lines = [line.decode(errors="replace") for line in content.splitlines() if line.strip()]
        if not lines:
            return
        logs = self._clients("logs")
        group = self._cloudwatch.get("logGroupName") or _DEFAULT_GROUP
        prefix = (self._cloudwatch.get("logStreamNamePrefix") or "").strip("/")
        name = "/".join(part for part in (prefix, self._path, stream.file.name) if part)
        if name not in self._made:
            _make_stream(logs, group, name)
            self._made.add(name)
        for events in _batches(lines):
            logs.put_log_events(logGroupName=group, logStreamName=name, logEvents=events)


def _make_stream(logs: Any, group: str, name: str) -> None:
    for create, names in (
        (logs.create_log_group, {"logGroupName": group}),
        (logs.create_log_stream, {"logGroupName": group, "logStreamName": name}),
    ):
        try:
            create(**names)
        except logs.exceptions.ResourceAlreadyExistsException:
            continue


def _batches(lines: list[str]) -> Iterator[list[dict[str, Any]]]:
    now = round(time.time() * 1000)
    batch: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        message = line[:_EVENT_BYTES]
        if batch and (len(batch) == _EVENTS or size + len(message.encode()) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append({"timestamp": now, "message": message})
        size += len(message.encode())
    yield batch
