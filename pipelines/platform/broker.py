"""The local Kafka broker: one JVM that is broker and controller (KRaft), on loopback, as small as it works well.

Owns its configuration and how it is started. Clients and topics are in `pipelines.platform.kafka`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pipelines.errors import ServiceError
from pipelines.platform import toolchain
from pipelines.platform.ports import LOOPBACK, free_port, listening
from pipelines.platform.process import Launch, Program, inherited
from pipelines.platform.settings import Endpoints

# 16 bytes in base64, the same for ever: a broker recognises its data by it.
CLUSTER_ID = "UHVsc2VJUS1sb2NhbC0wMQ"

_HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")

_LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n
"""


def program(known: Endpoints) -> Program:
    """Kafka as a program in the background."""
    return Program(
        name="kafka",
        title="Kafka",
        port=known.kafka_port,
        port_variable="PULSEIQ_KAFKA_PORT",
        home=known.home,
        prepare=lambda: prepare(known),
        probe=lambda: probe(known),
        grace_seconds=30.0,  # it writes its state down
    )


def prepare(known: Endpoints) -> Launch:
    """Write the broker's configuration, format its storage the first time, and say how it is started."""
    data, run = known.home / "data" / "kafka", known.home / "run" / "kafka"
    for folder in (data, run):
        folder.mkdir(parents=True, exist_ok=True)
    properties = run / "server.properties"
    controller_port = free_port(known.kafka_port + 1)
    properties.write_text(server_properties(known.kafka_port, controller_port, data, known.listen))
    log4j = run / "log4j2.properties"
    log4j.write_text(_LOG4J)
    class_path = str(toolchain.jars("kafka")[0].parent / "*")
    java = [str(toolchain.java()), f"-Dlog4j2.configurationFile={log4j}", "-cp", class_path]
    env = inherited()
    if not (data / "meta.properties").exists():
        _format([*java, "kafka.tools.StorageTool"], env, properties)
    return Launch([java[0], *_HEAP, *java[1:], "kafka.Kafka", str(properties)], env, run)


def server_properties(port: int, controller_port: int, data: Path, listen: str = LOOPBACK) -> str:
    """The broker's configuration file; wherever it listens, clients are sent to loopback."""
    properties: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"PLAINTEXT://{listen}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": data,
        # `pipelines.platform.kafka.ensure_topics` makes them, with the timestamps and the retention they need.
        "auto.create.topics.enable": "false",
        "message.max.bytes": 10 * 1024 * 1024,
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # Two cores and half a gigabyte are shared with everything else.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        "num.recovery.threads.per.data.dir": 2,
        "log.cleaner.threads": 1,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.segment.bytes": 128 * 1024 * 1024,
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def probe(known: Endpoints) -> str | None:
    """Version-free words about a broker that answers as ours; None when it does not."""
    if not listening(known.kafka_port):
        return None
    config: dict[str, Any] = {"bootstrap.servers": known.bootstrap_servers, "log_level": 2, "socket.timeout.ms": 3000}
    try:
        found = AdminClient(config).list_topics(timeout=3)
    except KafkaException:
        return None
    if str(found.cluster_id) != CLUSTER_ID or not found.brokers:
        return None
    topics = sum(1 for name in found.topics if not name.startswith("__"))
    return f"{topics} topics"


def _format(command: list[str], env: dict[str, str], properties: Path) -> None:
    tool = [*command, "format", "--ignore-formatted", "--cluster-id", CLUSTER_ID, "--config", str(properties)]
    try:
        done = subprocess.run(tool, env=env, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired as error:
        raise ServiceError("Kafka's storage was not formatted within 60 s", hint="pulseiq up") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no word why"]
        raise ServiceError(f"Kafka's storage cannot be formatted: {said[0]}", hint="pulseiq doctor")
