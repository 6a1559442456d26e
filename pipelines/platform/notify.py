"""The two ways out to people: the platform's SNS topic, and webhooks whose address and key are in SSM."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError, StateError
from pipelines.platform import aws
from pipelines.platform.settings import Settings

_SECONDS = 5.0
SIGNATURE, IDENTITY = "X-PulseIQ-Signature", "Idempotency-Key"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signed message goes to the address that was configured, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def publish(settings: Settings, subject: str, text: str, attributes: Mapping[str, str]) -> None:
    """Publish to the alerts topic.

    Raises:
        StateError: the platform has no alerts topic.
        ServiceError: SNS did not take it.
    """
    if settings.alerts_topic_arn is None:
        raise StateError("the platform has no alerts topic", hint="apply terraform/stacks/platform")
    values = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value}
    # SNS takes a subject in ASCII only.
    plain = subject.encode("ascii", "replace").decode()
    try:
        aws.client(settings, "sns").publish(
            TopicArn=settings.alerts_topic_arn, Subject=plain, Message=text, MessageAttributes=values
        )
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"SNS did not take the message: {error}", hint="it is tried again") from error


def post(settings: Settings, name: str, body: str, identity: str) -> None:
    """POST a JSON body to a webhook, signed.

    The header `X-PulseIQ-Signature` is `t=SECONDS,v1=HEX`, HMAC-SHA256 with the webhook's key over `SECONDS.BODY`;
    `Idempotency-Key` is the message's id, the same at every attempt.

    Raises:
        StateError: SSM has no address for it.
        ServiceError: it did not answer with 2xx.
    """
    place = f"/pulseiq/{settings.env}/webhooks/{name}"
    stored = _parameter(settings, f"webhooks/{name}")
    try:
        known = json.loads(stored or "")
        url, key = str(known["url"]), str(known["key"])
    except (ValueError, KeyError, TypeError):
        raise StateError(
            f"the SSM parameter {place} has no address of a webhook",
            hint='write it as a SecureString: {"url": "https://...", "key": "..."}',
        ) from None
    if not url.startswith(("https://", "http://")):
        raise StateError(f"the address in {place} is not http or https", hint="correct it")
    data = body.encode()
    headers = {
        "Content-Type": "application/json",
        SIGNATURE: signature(key, data, int(time.time())),
        IDENTITY: identity,
    }
    request = urllib.request.Request(url, data=data, headers=headers, method="POST")  # noqa: S310
    try:
        with _opener.open(request, timeout=_SECONDS):
            return
    except urllib.error.HTTPError as error:
        raise ServiceError(f"the webhook '{name}' answered {error.code}", hint="it is tried again") from error
    except OSError as error:
        raise ServiceError(f"the webhook '{name}' does not answer: {error}", hint="it is tried again") from error


def signature(key: str, body: bytes, seconds: int) -> str:
    """The value of the signature's header; a receiver makes it anew and compares."""
    digest = hmac.new(key.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def _parameter(settings: Settings, name: str) -> str | None:
    """An SSM parameter of this environment; None when it is not there."""
    try:
        found = aws.client(settings, "ssm").get_parameter(Name=f"/pulseiq/{settings.env}/{name}", WithDecryption=True)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
            return None
        raise ServiceError(f"SSM did not answer: {error}", hint="it is tried again") from error
    except BotoCoreError as error:
        raise ServiceError(f"SSM did not answer: {error}", hint="it is tried again") from error
    return str(found["Parameter"]["Value"])
