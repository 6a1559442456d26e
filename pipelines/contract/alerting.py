"""Who is told of an incident, and how: channels, the limit against a storm of messages, the daily digest."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal, Self

from pydantic import Field as Limited
from pydantic import field_validator, model_validator

from pipelines.contract.form import ChannelName, Duration, Frozen
from pipelines.contract.sensitivity import TimeOfDay

Level = Literal["SEV1", "SEV2", "SEV3", "SEV4"]
# What stands in a link for a part of the incident.
_PLACEHOLDER = "{incident_id}"


class Channel(Frozen):
    """One receiver: the platform's SNS topic, or a webhook.

    A webhook's address and signing key are no part of a contract: they are in the SSM parameter
    `/pulseiq/<env>/webhooks/<name>`. `body` is `json`, `slack`, or a template `NAME.json.j2` in the contract's folder.
    `least` is the lowest level that it hears of.
    """

    name: ChannelName
    to: Literal["sns", "webhook"]
    least: Level = "SEV4"
    body: ChannelName = "json"
    digest: bool = False

    @model_validator(mode="after")
    def _body_goes_with_a_webhook(self) -> Self:
        if self.to == "sns" and self.body != "json":
            raise ValueError("a body goes with a webhook")
        return self


class Alerting(Frozen):
    """Channels, and what holds for all of them.

    More than `at_most` messages to a channel `within` a time are folded into one; `digest_at` (UTC) is when channels
    with a digest get the day's list; `link` is an address in which `{incident_id}` stands for the incident's id.
    """

    channels: tuple[Channel, ...] = ()
    at_most: int = Limited(default=10, ge=1)
    within: Duration = timedelta(hours=1)
    digest_at: TimeOfDay = 8 * 60
    link: str | None = None

    @field_validator("link")
    @classmethod
    def _only_known_placeholders(cls, given: str | None) -> str | None:
        """What nobody fills in would be sent as it stands."""
        for found in re.findall(r"\{[^{}]*\}", given or ""):
            if found != _PLACEHOLDER:
                raise ValueError(f"'{found}' stands for nothing: write {_PLACEHOLDER} for the incident's id")
        return given

    @model_validator(mode="after")
    def _names_are_different(self) -> Self:
        names = [each.name for each in self.channels]
        if len(set(names)) < len(names):
            raise ValueError("two channels have the same name")
        return self
