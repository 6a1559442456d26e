from __future__ import annotations

import base64
import dataclasses
import sys
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipelines.errors import ServiceError, SetupError
from pipelines.platform import kafka
from pipelines.platform.settings import Settings

LOCAL = Settings("local", Path(), "eu-central-1", "http://127.0.0.1:1", "127.0.0.1:1", "lake", "art", "rep", "key")
AWS = Settings(
    *("aws", Path(), "eu-west-1", None, "b-1.example:9098", "lake", "art", "rep", "key"),
    kafka_authentication="iam",
    event_retention_days=7,
)


@dataclass(frozen=True)
class Shop:
    topic: str = "shop.events"
    redrive_topic: str = "shop.redrive"
    decisions_topic: str = "shop.decisions"


def test_both_client_families_go_to_the_same_brokers() -> None:
    assert kafka.client_config(LOCAL)["bootstrap.servers"] == "127.0.0.1:1"
    assert kafka.spark_options(LOCAL)["kafka.bootstrap.servers"] == "127.0.0.1:1"


def test_every_option_for_spark_has_its_prefix() -> None:
    for settings in (LOCAL, AWS):
        assert all(key.startswith("kafka.") for key in kafka.spark_options(settings))


def test_msk_is_entered_by_iam_and_never_in_the_clear() -> None:
    both = kafka.connection(AWS)
    assert both.java["security.protocol"] == both.librdkafka["security.protocol"] == "SASL_SSL"
    assert both.java["sasl.mechanism"] == "AWS_MSK_IAM"
    assert both.librdkafka["sasl.mechanisms"] == "OAUTHBEARER"
    assert both.java["bootstrap.servers"] == both.librdkafka["bootstrap.servers"] == "b-1.example:9098"


def test_a_broker_on_loopback_is_entered_without_any_of_it() -> None:
    both = kafka.connection(LOCAL)
    assert both.java == both.librdkafka == {"bootstrap.servers": "127.0.0.1:1"}


def test_the_token_for_msk_is_a_signed_request_of_its_region_that_ends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    token, expires = kafka.client_config(AWS)["oauth_cb"]("")
    request = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    assert request.hostname == "kafka.eu-west-1.amazonaws.com"
    assert parse_qs(request.query)["Action"] == ["kafka-cluster:Connect"]
    assert "X-Amz-Signature" in parse_qs(request.query)
    # librdkafka takes seconds since the epoch; the signer gives milliseconds.
    assert 0 < expires - time.time() <= 3600


def test_a_missing_signer_for_msk_is_a_missing_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aws_msk_iam_sasl_signer", None)
    with pytest.raises(SetupError, match="aws-msk-iam-sasl-signer-python"):
        kafka.client_config(AWS)


def test_serverless_brokers_get_no_larger_messages_than_they_take() -> None:
    small = dataclasses.replace(AWS, max_message_bytes=8 * 1024 * 1024)
    assert {spec.config["max.message.bytes"] for spec in kafka.specs(small, Shop())} == {"8388608"}


def test_offsets_are_asked_for_again_while_the_client_knows_no_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    """As librdkafka answers on a busy machine: `Failed to query partition leaders: No leaders found`."""
    lost, found = Future(), Future()
    lost.set_exception(KafkaException(KafkaError(KafkaError._NOENT)))
    found.set_result(SimpleNamespace(offset=7))
    answers = iter([lost, found])
    client = SimpleNamespace(list_offsets=lambda request, request_timeout: dict.fromkeys(request, next(answers)))
    monkeypatch.setattr(kafka, "admin", lambda settings: client)
    monkeypatch.setattr(kafka, "_partitions", lambda settings, topic: [0])
    assert kafka.end_offsets(LOCAL, "shop.events") == {0: 7}


@pytest.mark.parametrize("settings", [LOCAL, AWS])
def test_no_topic_trusts_the_producers_clock(settings: Settings) -> None:
    for spec in kafka.specs(settings, Shop()):
        assert spec.config["message.timestamp.type"] == "LogAppendTime"
        assert int(spec.config["max.message.bytes"]) == 10 * 1024 * 1024


def test_decisions_are_kept_for_ever_everywhere_and_events_where_kafka_is_all_there_is() -> None:
    local = {spec.name: spec for spec in kafka.specs(LOCAL, Shop(), partitions=6)}
    cloud = {spec.name: spec for spec in kafka.specs(AWS, Shop())}
    assert {name: spec.config["retention.ms"] for name, spec in local.items()} == {
        "shop.events": "-1",
        "shop.redrive": "-1",
        "shop.decisions": "-1",
    }
    assert cloud["shop.decisions"].config["retention.ms"] == "-1"
    assert cloud["shop.events"].config["retention.ms"] == str(7 * 24 * 3600 * 1000)
    assert {name: spec.partitions for name, spec in local.items()} == {
        "shop.events": 6,
        "shop.redrive": 6,
        "shop.decisions": 1,
    }


def test_a_broker_that_does_not_answer_is_named_with_the_next_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "_TIMEOUT_SECONDS", 0.5)
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:1") as caught:
        kafka.topics(LOCAL)
    assert caught.value.hint == "pulseiq up"
