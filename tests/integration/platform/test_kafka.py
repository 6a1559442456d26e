from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from pipelines.errors import ServiceError, StateError
from pipelines.platform import kafka
from pipelines.platform.settings import Settings


@dataclass(frozen=True)
class Product:
    name: str

    @property
    def topic(self) -> str:
        return f"{self.name}.events"

    @property
    def redrive_topic(self) -> str:
        return f"{self.name}.redrive"

    @property
    def decisions_topic(self) -> str:
        return f"{self.name}.decisions"


@pytest.fixture
def product() -> Product:
    return Product(f"p{uuid.uuid4().hex[:8]}")


def make_topic(settings: Settings, name: str, partitions: int = 1, **config: str) -> None:
    new = NewTopic(name, partitions, 1, config={key.replace("_", "."): value for key, value in config.items()})
    kafka.admin(settings).create_topics([new])[name].result(20)
    kafka._await(settings, [name], present=True)


def send(settings: Settings, topic: str, value: bytes, key: bytes | None = None, timestamp: int = 0) -> None:
    failed: list[object] = []
    producer = kafka.producer(settings)
    producer.produce(
        topic, value, key, timestamp=timestamp, on_delivery=lambda error, _: failed.append(error) if error else None
    )
    assert producer.flush(20) == 0
    assert failed == []


def test_topics_are_made_once_and_as_they_must_be(services: Settings, product: Product) -> None:
    made = kafka.ensure_topics(services, product, partitions=3)
    assert sorted(made) == sorted([product.topic, product.redrive_topic, product.decisions_topic])
    assert kafka.ensure_topics(services, product, partitions=3) == []
    assert set(made) <= kafka.topics(services)
    assert kafka.wrong_topics(services, kafka.specs(services, product, partitions=3)) == []
    assert kafka.end_offsets(services, product.topic) == {0: 0, 1: 0, 2: 0}
    assert kafka.end_offsets(services, product.decisions_topic) == {0: 0}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"max_message_bytes": "10485760", "retention_ms": "-1"}, "message.timestamp.type is CreateTime"),
        ({"message_timestamp_type": "LogAppendTime", "retention_ms": "-1"}, "max.message.bytes is 1048588"),
        ({"message_timestamp_type": "LogAppendTime", "max_message_bytes": "10485760"}, "retention.ms is 604800000"),
    ],
)
def test_a_topic_that_would_lose_events_is_refused_by_name(
    services: Settings, product: Product, config: dict[str, str], words: str
) -> None:
    make_topic(services, product.topic, **({"max_message_bytes": "1048588"} | config))
    with pytest.raises(StateError, match=product.topic) as caught:
        kafka.ensure_topics(services, product)
    assert words in caught.value.what
    assert caught.value.what.count("expected") == 1


def test_decisions_in_more_than_one_partition_have_no_order_and_are_refused(
    services: Settings, product: Product
) -> None:
    kafka.ensure_topics(services, product)
    kafka.delete_topics(services, product)
    forever = {"retention_ms": "-1", "retention_bytes": "-1", "cleanup_policy": "delete"}
    make_topic(
        services,
        product.decisions_topic,
        partitions=2,
        message_timestamp_type="LogAppendTime",
        max_message_bytes="10485760",
        **forever,
    )
    with pytest.raises(StateError, match="2 partitions, expected 1"):
        kafka.ensure_topics(services, product)


def test_a_topic_that_holds_more_than_it_must_is_welcome(services: Settings, product: Product) -> None:
    make_topic(
        services,
        product.topic,
        partitions=7,
        message_timestamp_type="LogAppendTime",
        max_message_bytes="20000000",
        retention_ms="-1",
    )
    made = kafka.ensure_topics(services, product)
    assert product.topic not in made
    assert len(kafka.end_offsets(services, product.topic)) == 7


def test_a_record_of_2015_arrives_today_and_stays(services: Settings, product: Product) -> None:
    kafka.ensure_topics(services, product, partitions=1)
    send(services, product.topic, b"old", timestamp=1_431_000_000_000)
    consumer = kafka.consumer(services, f"test-{product.name}")
    try:
        consumer.subscribe([product.topic])
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        kind, milliseconds = message.timestamp()
    finally:
        consumer.close()
    assert message.value() == b"old"
    assert kind == 2  # the broker's clock
    assert milliseconds > 1_700_000_000_000


def test_eight_megabytes_pass(services: Settings, product: Product) -> None:
    kafka.ensure_topics(services, product, partitions=1)
    send(services, product.topic, bytes(8 * 1024 * 1024))
    assert kafka.end_offsets(services, product.topic) == {0: 1}
    assert kafka.beginning_offsets(services, product.topic) == {0: 0}


def test_deleted_topics_come_back_empty(services: Settings, product: Product) -> None:
    kafka.ensure_topics(services, product, partitions=1)
    send(services, product.topic, b"1")
    assert len(kafka.delete_topics(services, product)) == 3
    assert not kafka.topics(services) & {product.topic, product.redrive_topic, product.decisions_topic}
    assert kafka.delete_topics(services, product) == []
    kafka.ensure_topics(services, product, partitions=1)
    assert kafka.end_offsets(services, product.topic) == {0: 0}


def test_a_topic_is_never_made_by_asking_for_it(services: Settings, product: Product) -> None:
    with pytest.raises(ServiceError, match=f"no topic {product.topic}"):
        kafka.end_offsets(services, product.topic)
    assert product.topic not in kafka.topics(services)
