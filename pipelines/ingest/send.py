"""Sends a file's records to the product's topic and says how many arrived."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle

from confluent_kafka import KafkaError, KafkaException, Producer

from pipelines.errors import ServiceError
from pipelines.ingest.files import Record

# History announces itself, so that it is not taken for events that come late.
BACKFILL: list[tuple[str, str | bytes | None]] = [("pulseiq-backfill", b"1")]
_PATIENCE_SECONDS = 60.0
_REPORT_EVERY = 5_000
_ASK_SECONDS = 15.0
# By its key, as the producer is configured.
_BY_KEY = -1

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sent:
    """What became of a file: `records` reached Kafka; lines in `too_large` are more than it takes as a record."""

    records: int
    too_large: tuple[int, ...]


def send(producer: Producer, topic: str, records: Iterable[Record], progress: OnProgress | None = None) -> Sent:
    """Send every record and wait until the broker has acknowledged all of them.

    Those without a key go to the topic's partitions in turn: left to itself the producer fills one of them for a while,
    and the others look as if nothing came.

    Args:
        progress: called now and then with records handed over and bytes of the file read.

    Raises:
        ServiceError: the broker takes no records, or refused one.
    """
    errors: list[str] = []
    too_large: list[int] = []
    count = 0
    turns = cycle(_partitions(producer, topic))

    def note(error: object, message: object) -> None:
        if error is not None:
            errors.append(str(error))

    for record in records:
        partition = next(turns) if record.key is None else _BY_KEY
        if _hand_over(producer, topic, record, partition, note):
            count += 1
        else:
            too_large.append(record.line)
        if record.line % _REPORT_EVERY == 0:
            producer.poll(0)
            _refuse_losses(topic, errors)
            if progress is not None:
                progress(count, record.read)
    left = producer.flush(_PATIENCE_SECONDS)
    _refuse_losses(topic, errors)
    if left:
        raise ServiceError(f"{left} of {count} records did not reach topic {topic}", hint="pulseiq status")
    return Sent(count, tuple(too_large))


def _partitions(producer: Producer, topic: str) -> list[int]:
    try:
        found = producer.list_topics(topic, timeout=_ASK_SECONDS).topics[topic].partitions
    except KafkaException as error:
        raise ServiceError(f"topic {topic}: {error}", hint="pulseiq status") from error
    return sorted(found) or [_BY_KEY]


def _hand_over(
    producer: Producer, topic: str, record: Record, partition: int, note: Callable[[object, object], None]
) -> bool:
    """Give one record to the producer, waiting while its queue is full; False where Kafka takes none so large."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            producer.produce(topic, record.value, record.key, partition, headers=BACKFILL, on_delivery=note)
            return True
        except BufferError:
            if time.monotonic() > deadline:
                raise ServiceError(f"topic {topic}: Kafka takes no records", hint="pulseiq status") from None
            producer.poll(0.05)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                return False
            raise ServiceError(f"topic {topic}: {error}", hint="pulseiq status") from error


def _refuse_losses(topic: str, errors: list[str]) -> None:
    if errors:
        raise ServiceError(f"topic {topic}: {len(errors)} records were refused: {errors[0]}", hint="pulseiq status")
