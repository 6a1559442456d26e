"""Messages on their way out of a real lake: SNS read back through SQS, and a webhook that refuses at first."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from pipelines.alerts import outbox, send
from pipelines.contract.alerting import Alerting
from pipelines.errors import StateError
from pipelines.incidents.record import Told
from pipelines.platform import aws
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from tests.products import Product
from tests.unit.alerts.test_message import incident

KEY = "a key that only the two know"
NOW = datetime.now(UTC)


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it was sent, and refuses while it is told to."""

    refusing: ClassVar[bool] = True
    taken: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.refusing:
            self.taken.append((dict(self.headers), body))
        self.send_response(503 if self.refusing else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def webhook() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()


@pytest.fixture
def queue(services: Settings) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """A queue that listens to the alerts topic; called, it gives what came."""
    sns, sqs = aws.client(services, "sns"), aws.client(services, "sqs")
    url = sqs.create_queue(QueueName="alerts-read-back")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(TopicArn=services.alerts_topic_arn, Protocol="sqs", Endpoint=queue_arn)[
        "SubscriptionArn"
    ]

    def read() -> list[dict[str, Any]]:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
        return [json.loads(each["Body"]) for each in found]

    yield read
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=url)


def test_every_channel_gets_a_message_once_even_when_it_refused_at_first(
    new_product: Callable[[], Product], webhook: str, queue: Callable[[], list[dict[str, Any]]]
) -> None:
    product = new_product()
    settings, lake = product.settings, Lake(product.settings)
    channels = [{"name": "on-call", "to": "sns"}, {"name": "team", "to": "webhook", "body": "slack"}]
    contract = product.contract.model_copy(update={"alerting": Alerting.model_validate({"channels": channels})})
    name = f"/pulseiq/{settings.env}/webhooks/team"
    with pytest.raises(StateError, match="has no address of a webhook"):
        send.test_message(settings, contract, "team", NOW)
    value = json.dumps({"url": webhook, "key": KEY})
    aws.client(settings, "ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    at = NOW.replace(tzinfo=None)
    found = [incident().model_copy(update={"told": (Told(at=at, level="SEV2", why="new"),)})]

    assert send.run(settings, lake, contract, found, NOW) == 1
    (said,) = queue()
    assert said["Subject"].startswith("[SEV2] shop: Traffic -40%")
    assert "check look at the release" in said["Message"]
    waiting = [each for each in outbox.entries(lake, contract) if each.state == "due"]
    assert [(each.channel, each.attempts, each.error) for each in waiting] == [
        ("team", 1, "the webhook 'team' answered 503 | next: it is tried again")
    ]

    Receiver.refusing = False
    assert send.run(settings, lake, contract, found, NOW + timedelta(seconds=5)) == 0
    assert send.run(settings, lake, contract, found, NOW + timedelta(seconds=11)) == 1
    assert send.run(settings, lake, contract, found, NOW + timedelta(minutes=5)) == 0
    assert queue() == []
    ((headers, body),) = Receiver.taken
    seconds, _, digest = headers["X-Pulseiq-Signature"].removeprefix("t=").partition(",v1=")
    assert digest == hmac.new(KEY.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["Idempotency-Key"] == waiting[0].message_id
    assert json.loads(body)["text"].startswith("[SEV2] shop")
    assert {each.state for each in outbox.entries(lake, contract)} == {"sent"}
