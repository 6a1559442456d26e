"""What every part of a contract is made of: frozen values that refuse unknown keys, names, durations and moments."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as Limited

from pipelines.contract.duration import parse_duration, parse_moment

Name = Annotated[str, Limited(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Path = Annotated[str, Limited(pattern=r"^\$(\.[A-Za-z_@][A-Za-z0-9_@-]*)+$")]
TopicName = Annotated[str, Limited(pattern=r"^[A-Za-z0-9._-]{1,200}$")]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Moment = Annotated[datetime, BeforeValidator(parse_moment)]


class Frozen(BaseModel):
    """Base of every part of a contract: unknown keys are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")
