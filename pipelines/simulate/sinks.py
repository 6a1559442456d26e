"""Where simulated events go: a Kafka topic, a file of lines, or nowhere (counting only)."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import kafka
from pipelines.platform.settings import Settings
from pipelines.simulate.leaves import Mask
from pipelines.simulate.world import Batch

BACKFILL_HEADER: list[tuple[str, str | bytes | None]] = [("pulseiq-backfill", b"1")]
_FLUSH_SECONDS = 60.0


class Sink(Protocol):
    """A context manager that takes batches; leaving it without an error means that everything has arrived."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def send(self, batch: Batch, backfill: Mask) -> None:
        """Send a batch; `backfill` marks events that announce themselves as history."""
        ...


class CountSink:
    """Takes everything and keeps nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def send(self, batch: Batch, backfill: Mask) -> None:
        """Do nothing."""


class FileSink:
    """One line per event, as sent; null and empty values are empty lines, keys and headers are left out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        except OSError as error:
            raise UsageError(f"{self._path}: cannot be written: {error.strerror}", hint="--out another file") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def send(self, batch: Batch, backfill: Mask) -> None:
        """Append the batch's lines."""
        self._file.write(b"\n".join(value or b"" for value in batch.values) + b"\n")


class KafkaSink:
    """Records with their keys; Kafka's partitioner keeps a key on one partition."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._topic = topic
        self._servers = settings.bootstrap_servers
        self._failed = 0
        self._first_error = ""
        # A call back into Python for every delivered record would cost more than sending it.
        self._producer = kafka.producer(settings, **{"delivery.report.only.error": True})

    def __enter__(self) -> Self:
        return self

    def send(self, batch: Batch, backfill: Mask) -> None:
        """Hand the batch to the producer, waiting while its queue is full."""
        produce, topic, failed = self._producer.produce, self._topic, self._on_error
        if backfill.any():
            headers = [BACKFILL_HEADER if flag else None for flag in backfill.tolist()]
        else:
            headers = [None] * len(batch)
        for key, value, header in zip(batch.keys, batch.values, headers, strict=True):
            while True:
                try:
                    if header is None:
                        produce(topic, value, key, on_delivery=failed)
                    else:
                        produce(topic, value, key, headers=header, on_delivery=failed)
                    break
                except BufferError:
                    self._wait()
        self._producer.poll(0)
        self._refuse_losses()

    def _wait(self) -> None:
        """Let the queue drain a little; ServiceError when nothing leaves it."""
        before, deadline = len(self._producer), time.monotonic() + _FLUSH_SECONDS
        while len(self._producer) >= before:
            self._producer.poll(0.01)
            self._refuse_losses()
            if time.monotonic() > deadline:
                raise ServiceError(f"Kafka at {self._servers} takes no records", hint="pulseiq status")

    def _on_error(self, error: object, message: object) -> None:
        if error is not None:
            self._failed += 1
            self._first_error = self._first_error or str(error)

    def _refuse_losses(self) -> None:
        if self._failed:
            raise ServiceError(
                f"Kafka at {self._servers} refused {self._failed} records for {self._topic}: {self._first_error}",
                hint="pulseiq status",
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._producer.purge()
            return
        left = self._producer.flush(_FLUSH_SECONDS)
        self._refuse_losses()
        if left:
            raise ServiceError(f"{left} records did not reach Kafka at {self._servers}", hint="pulseiq status")


def backfill_mask(batch: Batch, now_ms: int, allowed_lateness_ms: float) -> Mask:
    """Events whose time of sending is so long past that they are history, not late.

    Half of the allowed lateness is the limit, so that a recent event has time left to get through the stream before it
    would count as late.
    """
    return np.asarray(batch.send_times < now_ms - allowed_lateness_ms / 2)
