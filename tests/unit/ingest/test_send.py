"""Sending: what the broker does not take is told, never swallowed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipelines.errors import ServiceError
from pipelines.ingest.files import Record
from pipelines.ingest.send import send


class Broker:
    """Takes records like a producer; `queue` of them at a time, none above `most` bytes, and refuses `refused`.

    Its topics have four partitions.
    """

    def __init__(self, queue: int = 3, most: int = 100, refused: bytes | None = None) -> None:
        self.queue, self.most, self.refused = queue, most, refused
        self.waiting: list[tuple[bytes, Callable[..., None]]] = []
        self.taken: list[bytes] = []
        self.placed: list[tuple[bytes | None, int]] = []

    def list_topics(self, topic: str, timeout: float) -> SimpleNamespace:
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions=dict.fromkeys(range(4)))})

    def produce(self, topic: str, value: bytes, key: bytes | None, partition: int = -1, **given: Any) -> None:
        assert given["headers"] == [("pulseiq-backfill", b"1")]
        if len(value) > self.most:
            raise KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
        if len(self.waiting) >= self.queue:
            raise BufferError
        self.waiting.append((value, given["on_delivery"]))
        self.placed.append((key, partition))

    def poll(self, seconds: float) -> int:
        for value, note in self.waiting:
            if value == self.refused:
                note(KafkaError(KafkaError._MSG_TIMED_OUT), None)
            else:
                self.taken.append(value)
        self.waiting.clear()
        return 0

    def flush(self, seconds: float) -> int:
        return self.poll(seconds)


def lines(*values: bytes) -> list[Record]:
    return [Record(number, None, value, 0) for number, value in enumerate(values, start=1)]


def test_a_full_queue_is_waited_for_and_order_is_kept() -> None:
    broker = Broker(queue=2)
    values = [b"%d" % number for number in range(9)]
    assert send(broker, "t", lines(*values)).records == 9  # type: ignore[arg-type]
    assert broker.taken == values


def test_lines_larger_than_kafka_takes_are_named_and_the_rest_is_sent() -> None:
    broker = Broker(most=3)
    sent = send(broker, "t", lines(b"a", b"much too long", b"b"))  # type: ignore[arg-type]
    assert (sent.records, sent.too_large, broker.taken) == (2, (2,), [b"a", b"b"])


def test_a_refused_record_ends_the_command() -> None:
    with pytest.raises(ServiceError, match="1 records were refused"):
        send(Broker(refused=b"b"), "t", lines(b"a", b"b"))  # type: ignore[arg-type]


def test_records_without_a_key_go_to_every_partition_in_turn_and_a_key_keeps_its_own() -> None:
    broker = Broker(queue=2)
    keys = [None, b"a", None, None, b"b", None, None, None, None, None]
    sent = [Record(number, key, b"x", 0) for number, key in enumerate(keys, start=1)]
    assert send(broker, "t", sent).records == 10  # type: ignore[arg-type]
    assert [partition for key, partition in broker.placed if key is None] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert {partition for key, partition in broker.placed if key is not None} == {-1}
