"""A Kafka topic used as a small durable log: acknowledged appends, and a read of everything from the beginning."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from pipelines.errors import ServiceError
from pipelines.platform import kafka
from pipelines.platform.settings import Settings

_TIMEOUT_SECONDS = 30.0


def send_and_wait(producer: Producer, topic: str, key: bytes, value: bytes) -> None:
    """Append one record; returns once the broker has acknowledged it, raises ServiceError if it did not."""
    failures: list[str] = []
    producer.produce(
        topic, key=key, value=value, on_delivery=lambda error, _: failures.append(str(error)) if error else None
    )
    if producer.flush(_TIMEOUT_SECONDS) or failures:
        reason = failures[0] if failures else f"no acknowledgement in {_TIMEOUT_SECONDS:.0f} s"
        raise ServiceError(f"topic {topic}: the broker did not take a record: {reason}", hint="pulseiq status")


def read_all(settings: Settings, topic: str) -> list[bytes]:
    """Values of every record of a topic, partition by partition in order; empty when there are none."""
    return [value for message in _messages(settings, topic) if (value := message.value()) is not None]


def read_headers(settings: Settings, topic: str) -> Iterator[dict[str, bytes]]:
    """Headers of every record of a topic, partition by partition in order."""
    for message in _messages(settings, topic):
        headers: Any = message.headers() or ()
        yield {name: value for name, value in headers if value is not None}


def _messages(settings: Settings, topic: str) -> Iterator[Message]:
    ends = kafka.end_offsets(settings, topic)
    starts = kafka.beginning_offsets(settings, topic)
    wanted = {partition: end for partition, end in ends.items() if end > starts.get(partition, 0)}
    if not wanted:
        return
    consumer: Consumer = kafka.consumer(settings, f"pulseiq-read-{uuid.uuid4()}")
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    try:
        consumer.assign([TopicPartition(topic, partition, starts.get(partition, 0)) for partition in wanted])
        while wanted:
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"topic {topic}: not read to its end in {_TIMEOUT_SECONDS:.0f} s", hint="pulseiq status"
                )
            for message in consumer.consume(1000, timeout=1.0):
                if message.error():
                    raise ServiceError(f"topic {topic}: {message.error()}", hint="pulseiq status")
                # Slow is not stuck: what counts is how long nothing has come.
                deadline = time.monotonic() + _TIMEOUT_SECONDS
                yield message
                partition, offset = message.partition(), message.offset()
                if partition is not None and offset is not None and offset + 1 >= wanted.get(partition, 0):
                    wanted.pop(partition, None)
    except KafkaException as error:
        raise ServiceError(f"topic {topic}: {error}", hint="pulseiq status") from error
    finally:
        consumer.close()
