"""What the Java clients are configured with is among Spark's jars."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines.platform import kafka
from pipelines.platform.settings import Settings


@pytest.mark.parametrize("authentication", ["none", "iam"])
def test_a_consumer_is_made_and_logs_in_with_our_configuration(spark: SparkSession, authentication: str) -> None:
    """A consumer loads its login module and asks it for credentials when it is made; it connects only when it polls."""
    settings = Settings("aws", Path(), "eu-west-1", None, "127.0.0.1:9098", "lake", "", "", "", authentication)
    jvm = spark._jvm
    properties = jvm.java.util.Properties()
    deserializer = "org.apache.kafka.common.serialization.ByteArrayDeserializer"
    given = {"key.deserializer": deserializer, "value.deserializer": deserializer, **kafka.connection(settings).java}
    for name, value in given.items():
        properties.setProperty(name, value)
    jvm.org.apache.kafka.clients.consumer.KafkaConsumer(properties).close()
