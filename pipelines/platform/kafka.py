"""Kafka: one place that builds the configuration of every client, and the topics of a product.

Topics are made here and nowhere else (the broker does not create them on its own), because their timestamps must be
the broker's: a record stamped 2015 by its producer would be acknowledged and gone at the next retention pass.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package re-exports without saying so
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from pipelines.errors import ServiceError, SetupError, StateError
from pipelines.platform.settings import Settings

MAX_MESSAGE_BYTES = 10 * 1024 * 1024
DEFAULT_PARTITIONS = 4

_TIMEOUT_SECONDS = 15.0
_DAY_MS = 24 * 3600 * 1000

# What a broker answers while a partition is being made or moved, and the client while it has lost sight of its leader.
_MOVING = {
    KafkaError._NOENT,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}


class UnreachableError(ServiceError):
    """The broker does not answer; it may again."""


class Topics(Protocol):
    """The part of a contract that names its topics."""

    @property
    def topic(self) -> str: ...
    @property
    def redrive_topic(self) -> str: ...
    @property
    def decisions_topic(self) -> str: ...


@dataclass(frozen=True)
class OffsetRange:
    """Offsets `from_offset <= o < until_offset` of one partition."""

    topic: str
    partition: int
    from_offset: int
    until_offset: int


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it must be. `partitions` counts at creation only, unless `exact_partitions`."""

    name: str
    partitions: int
    config: dict[str, str]
    exact_partitions: bool = False


@dataclass(frozen=True)
class Connection:
    """How the two families of clients reach the brokers, each in its own properties' names."""

    librdkafka: Mapping[str, Any]
    java: Mapping[str, str]


def connection(settings: Settings) -> Connection:
    """Brokers and authentication for both families: plaintext on loopback, TLS and IAM on MSK.

    Raises:
        SetupError: the brokers ask for IAM and its signer for Python is not installed.
    """
    brokers = {"bootstrap.servers": settings.bootstrap_servers}
    if settings.kafka_authentication == "none":
        return Connection(brokers, brokers)
    encrypted = {**brokers, "security.protocol": "SASL_SSL"}
    return Connection(
        librdkafka={
            **encrypted,
            "sasl.mechanisms": "OAUTHBEARER",
            "oauth_cb": _msk_token(settings.region),
        },
        java={
            **encrypted,
            "sasl.mechanism": "AWS_MSK_IAM",
            "sasl.jaas.config": "software.amazon.msk.auth.iam.IAMLoginModule required;",
            "sasl.client.callback.handler.class": "software.amazon.msk.auth.iam.IAMClientCallbackHandler",
        },
    )


def client_config(settings: Settings) -> dict[str, Any]:
    """Connection properties for librdkafka (confluent-kafka)."""
    # librdkafka prints every lost connection to stderr; a failure that matters comes back from the call itself.
    return {**connection(settings).librdkafka, "client.id": "pulseiq", "log_level": 2}


def spark_options(settings: Settings) -> dict[str, str]:
    """Connection options for Spark's Kafka source and sink, each key with its prefix `kafka.`."""
    properties = {
        **connection(settings).java,
        "max.partition.fetch.bytes": str(MAX_MESSAGE_BYTES),
        # Spark asks for a partition's end after every fetch, and at the end of a log that question waits until the next
        # fetch, already under way, has waited for new records: with the default, half a second in each task.
        "fetch.max.wait.ms": "10",
    }
    return {f"kafka.{name}": value for name, value in properties.items()}


def producer(settings: Settings, **over: Any) -> Producer:
    """A producer that loses and doubles nothing, tuned for throughput; `over` are librdkafka's own property names."""
    return Producer(
        client_config(settings)
        | {
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "batch.num.messages": 20_000,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 262_144,
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "delivery.timeout.ms": 120_000,
            # The Java clients' choice, so that a key has the same partition whoever sends it.
            "partitioner": "murmur2_random",
        }
        | over
    )


def consumer(settings: Settings, group: str, **over: Any) -> Consumer:
    """A consumer that starts at the beginning and commits nothing on its own."""
    return Consumer(
        client_config(settings)
        | {
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
        }
        | over
    )


def admin(settings: Settings) -> AdminClient:
    """The administration client of these settings, one for the process."""
    return _shared_admin(settings)


def topics(settings: Settings) -> set[str]:
    """Names of all topics that Kafka has."""
    try:
        return set(admin(settings).list_topics(timeout=_TIMEOUT_SECONDS).topics)
    except KafkaException as error:
        raise _unreachable(settings, error) from error


def specs(settings: Settings, contract: Topics, partitions: int = DEFAULT_PARTITIONS) -> tuple[TopicSpec, ...]:
    """The topics of a product: events, re-driven events, and decisions, which outlive everything else."""
    arrival = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(settings.max_message_bytes)}
    forever = arrival | {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
    days = settings.event_retention_days
    events = forever if days == -1 else arrival | {"retention.ms": str(days * _DAY_MS)}
    return (
        TopicSpec(contract.topic, partitions, events),
        TopicSpec(contract.redrive_topic, partitions, events),
        TopicSpec(contract.decisions_topic, 1, forever, exact_partitions=True),
    )


def ensure_topics(settings: Settings, contract: Topics, partitions: int = DEFAULT_PARTITIONS) -> list[str]:
    """Create the product's topics that are missing; returns their names.

    Raises:
        StateError: a topic that exists is configured so that events would be lost or mis-timed.
        ServiceError: Kafka does not answer.
    """
    wanted = specs(settings, contract, partitions)
    present = topics(settings)
    missing = [spec for spec in wanted if spec.name not in present]
    if missing:
        # As many replicas as the broker's own default: one here, three on MSK.
        new = [NewTopic(spec.name, spec.partitions, -1, config=spec.config) for spec in missing]
        futures = admin(settings).create_topics(new, operation_timeout=_TIMEOUT_SECONDS)
        for name, future in futures.items():
            _result(settings, future, f"topic {name} was not created", but_not=KafkaError.TOPIC_ALREADY_EXISTS)
        _await(settings, [spec.name for spec in missing], present=True)
    problems = wrong_topics(settings, [spec for spec in wanted if spec.name in present])
    if problems:
        raise StateError(
            "; ".join(problems),
            hint="correct it with Kafka's own `kafka-configs --alter --entity-type topics`, or delete the topic",
        )
    return [spec.name for spec in missing]


def wrong_topics(settings: Settings, wanted: Iterable[TopicSpec]) -> list[str]:
    """One line for each property of an existing topic that is not as it must be."""
    by_name = {spec.name: spec for spec in wanted}
    if not by_name:
        return []
    client = admin(settings)
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in by_name]
    described = client.describe_configs(resources, request_timeout=_TIMEOUT_SECONDS)
    problems = []
    for resource, future in described.items():
        spec = by_name[resource.name]
        found = _result(settings, future, f"topic {spec.name} cannot be described")
        for key, expected in spec.config.items():
            value = found[key].value
            larger_is_fine = key == "max.message.bytes" or (key == "retention.ms" and expected != "-1")
            fine = value == "-1" or int(value) >= int(expected) if larger_is_fine else value == expected
            if not fine:
                problems.append(f"topic {spec.name}: {key} is {value}, expected {expected}")
        partitions = len(_partitions(settings, spec.name))
        if spec.exact_partitions and partitions != spec.partitions:
            problems.append(f"topic {spec.name}: {partitions} partitions, expected {spec.partitions}")
    return problems


def delete_topics(settings: Settings, contract: Topics) -> list[str]:
    """Delete the product's topics with all their records; returns the names of those that existed."""
    present = topics(settings)
    doomed = [spec.name for spec in specs(settings, contract) if spec.name in present]
    if doomed:
        for name, future in admin(settings).delete_topics(doomed, operation_timeout=_TIMEOUT_SECONDS).items():
            _result(settings, future, f"topic {name} was not deleted", but_not=KafkaError.UNKNOWN_TOPIC_OR_PART)
        _await(settings, doomed, present=False)
    return doomed


def end_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Partition -> the offset that its next record will get; ServiceError when the topic does not exist."""
    return _offsets(settings, topic, OffsetSpec.latest())  # type: ignore[no-untyped-call]


def beginning_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Partition -> the offset of its oldest record that is still there."""
    return _offsets(settings, topic, OffsetSpec.earliest())  # type: ignore[no-untyped-call]


@lru_cache(maxsize=8)
def _shared_admin(settings: Settings) -> AdminClient:
    return AdminClient(client_config(settings))


def _partitions(settings: Settings, topic: str) -> list[int]:
    try:
        found = admin(settings).list_topics(topic, timeout=_TIMEOUT_SECONDS).topics.get(topic)
    except KafkaException as error:
        raise _unreachable(settings, error) from error
    if found is None or found.error is not None:
        raise ServiceError(
            f"Kafka at {settings.bootstrap_servers} has no topic {topic}",
            hint="`pulseiq simulate`, `pulseiq ingest` and `pulseiq run` create a product's topics",
        )
    return sorted(found.partitions)


def _offsets(settings: Settings, topic: str, at: OffsetSpec) -> dict[int, int]:
    request = {TopicPartition(topic, partition): at for partition in _partitions(settings, topic)}
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        answers = admin(settings).list_offsets(request, request_timeout=_TIMEOUT_SECONDS)
        failed = [future.exception(_TIMEOUT_SECONDS + 5) for future in answers.values()]
        if time.monotonic() > deadline or not any(_code(error) in _MOVING for error in failed):
            break
        time.sleep(0.1)
    return {
        where.partition: _result(settings, future, f"offsets of {topic} are not known").offset
        for where, future in answers.items()
    }


def _await(settings: Settings, names: Iterable[str], *, present: bool) -> None:
    """Wait until the broker tells its clients what the controller has done."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    for name in names:
        while True:
            known = admin(settings).list_topics(name, timeout=_TIMEOUT_SECONDS).topics.get(name)
            partitions = known.partitions.values() if known is not None and known.error is None else ()
            led = bool(partitions) and all(partition.leader >= 0 for partition in partitions)
            if (led if present else not partitions) or time.monotonic() > deadline:
                break
            time.sleep(0.05)


def _code(error: BaseException | None) -> int | None:
    cause = error.args[0] if isinstance(error, KafkaException) and error.args else None
    return cause.code() if isinstance(cause, KafkaError) else None


def _result(settings: Settings, future: Future[Any], failed: str, but_not: int | None = None) -> Any:
    try:
        return future.result(timeout=_TIMEOUT_SECONDS + 5)
    except (KafkaException, TimeoutError) as error:
        if but_not is not None and _code(error) == but_not:
            return None
        raise ServiceError(
            f"{failed} by Kafka at {settings.bootstrap_servers}: {error}", hint="pulseiq status"
        ) from error


def _unreachable(settings: Settings, error: KafkaException) -> UnreachableError:
    text = error.args[0].str() if error.args and isinstance(error.args[0], KafkaError) else str(error)
    hint = "pulseiq up" if settings.endpoint_url is not None else "check the network path to the cluster"
    return UnreachableError(f"Kafka at {settings.bootstrap_servers} does not answer: {text}", hint=hint)


def _msk_token(region: str) -> Any:
    """The callback that gives librdkafka its IAM token."""
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError as error:
        raise SetupError(
            "the brokers ask for IAM, and the package aws-msk-iam-sasl-signer-python is not installed",
            hint="make setup",
        ) from error

    def token(_config: str) -> tuple[str, float]:
        text, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
        return text, expires_ms / 1000

    return token
