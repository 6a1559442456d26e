"""Effects: the ways in which an incident can change the world, each to the events of a segment and a time.

Owns their shape in a scenario file. Which rows an effect touches is decided by `stream`, what happens to them there and
in `fields` and `world`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from pipelines.simulate.season import Floats, Ints
from pipelines.simulate.spec import Frozen

KINDS = ("rate", "probability", "scale", "drop", "takeover", "silence", "duplicates", "malformed", "delay")


class Probability(Frozen):
    """The share of one value of a field times a factor; the other values share the rest as before."""

    field: str
    value: str = "true"
    factor: float = Field(ge=0)


class Scale(Frozen):
    """A number times a factor in a share of the events, kept within the field's own range.

    A small share with a large factor moves the tail of the numbers and leaves their middle where it is.
    """

    field: str
    factor: float = Field(ge=0)
    share: float = Field(default=1.0, gt=0, le=1)


class Drop(Frozen):
    """A field left out of a share of the events."""

    field: str
    share: float = Field(gt=0, le=1)


class Takeover(Frozen):
    """A share of the members moves to the dimension value that the incident's `where` names."""

    dimension: str
    share: float = Field(gt=0, le=1)


class Silence(Frozen):
    """Nothing is sent: of the whole segment, or of the keys that Kafka puts into one partition `of` so many."""

    partition: int | None = Field(default=None, ge=0)
    of: int = Field(default=4, ge=1)


class Malformed(Frozen):
    """A share of the events is broken, in one way or in those of the product's faults."""

    share: float = Field(gt=0, le=1)
    reason: str | None = None


class Delay(Frozen):
    """A share of the events arrives so many minutes later than it happened, at most 45."""

    share: float = Field(gt=0, le=1)
    minutes: float = Field(gt=0, le=45)


class Effect(Frozen):
    """One change to the events of the given types in the segment. Exactly one of `KINDS` is set.

    With `ramp` it grows evenly from nothing at the incident's start to its full size at the end.
    """

    event: tuple[str, ...] = ()
    where: dict[str, str | None] = Field(default_factory=dict)
    ramp: bool = False
    rate: float | None = Field(default=None, ge=0, le=50)
    probability: Probability | None = None
    scale: Scale | None = None
    drop: Drop | None = None
    takeover: Takeover | None = None
    silence: Silence | None = None
    duplicates: float | None = Field(default=None, gt=0, le=1)
    malformed: Malformed | None = None
    delay: Delay | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_name_is_a_list(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("event"), str):
            return {**data, "event": [data["event"]]}
        return data

    @model_validator(mode="after")
    def _exactly_one(self) -> Effect:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise ValueError(f"an effect has exactly one of {', '.join(KINDS)}")
        return self

    @property
    def kind(self) -> str:
        """Which of `KINDS` is set."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)


@dataclass(frozen=True)
class Active:
    """An effect with its times resolved (epoch ms, end exclusive) and its segment merged with the incident's."""

    start: int
    end: int
    events: tuple[str, ...]
    where: Mapping[str, str]
    effect: Effect
    takeover_value: str | None = None

    def strength(self, event: Ints) -> Floats:
        """How much of the effect there is at times in epoch ms, 0 to 1; 1 all the time without a ramp."""
        if not self.effect.ramp:
            return np.ones(len(event))
        return np.asarray(np.clip((event - self.start) / (self.end - self.start), 0.0, 1.0))

    def factor(self, factor: float, event: Ints) -> Floats:
        """A factor as it is at times in epoch ms."""
        return 1.0 + (factor - 1.0) * self.strength(event)
