"""What every part of a contract is made of: frozen values that refuse unknown keys, names, durations and moments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as Limited

from pipelines.contract.duration import parse_duration, parse_moment

_NAME, _CHANNEL = r"^[a-z][a-z0-9_]{0,62}$", r"^[a-z][a-z0-9_-]{0,40}$"
_PATH, _TOPIC = r"^\$(\.[A-Za-z_@][A-Za-z0-9_@-]*)+$", r"^[A-Za-z0-9._-]{1,200}$"
Name = Annotated[str, Limited(pattern=_NAME)]
ChannelName = Annotated[str, Limited(pattern=_CHANNEL)]
Path = Annotated[str, Limited(pattern=_PATH)]
TopicName = Annotated[str, Limited(pattern=_TOPIC)]
# Where the forms are told.
REFERENCE = "see docs/reference/contract.md"
# What a text was to be, by the pattern that it does not match.
IN_WORDS: Mapping[str, str] = {
    _NAME: "a name: write small letters, digits and _, from a letter on",
    _CHANNEL: "a name: write at most 41 small letters, digits, _ and -, from a letter on",
    _PATH: "a path: write the place in the event as $.a or $.a.b",
    _TOPIC: "a topic: write at most 200 letters, digits, '.', '_' and '-'",
}
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Moment = Annotated[datetime, BeforeValidator(parse_moment)]


class Frozen(BaseModel):
    """Base of every part of a contract: unknown keys and numbers without end are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
