"""The simulator's description of a product, `contracts/<product>/simulator.yaml`: event types, fields, distributions.

Owns the shape of that file and refuses a wrong one with its path and reason. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.errors import ContractError

Shares = dict[str, float]
Factors = dict[str, dict[str, float]]  # dimension -> value -> factor


class Frozen(BaseModel):
    """Base of everything read from a file: unknown keys are errors, nothing changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FieldBase(Frozen):
    """What every field may say: which schema versions carry it (all, when absent)."""

    versions: tuple[int, ...] | None = None


class Categorical(FieldBase):
    """One of several words; the shares may depend on a dimension, and each word may have factors per dimension."""

    kind: Literal["categorical"]
    shares: Shares | None = None
    by: str | None = None
    table: dict[str, Shares] | None = None
    factors: dict[str, Factors] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_source(self) -> Categorical:
        if (self.shares is None) == (self.by is None or self.table is None):
            raise ValueError("a categorical field has either `shares`, or `by` and `table`")
        return self

    def values(self) -> tuple[str, ...]:
        """All words, in the order of the file."""
        sources = [self.shares] if self.shares is not None else list((self.table or {}).values())
        return tuple(dict.fromkeys(value for source in sources for value in source))


class Bernoulli(FieldBase):
    """true with probability p, times the factors of the event's dimensions."""

    kind: Literal["bernoulli"]
    p: float = Field(gt=0, lt=1)
    factors: Factors = Field(default_factory=dict)


class Number(FieldBase):
    """What the numeric distributions share.

    Drawn values are kept within `min` and `max`, scaled ones (a scenario's doing) within `valid`, which is what the row
    rules accept. `decimals: 0` gives integers; the typical value follows traffic to the power `season`.
    """

    factors: Factors = Field(default_factory=dict)
    season: float = 0.0
    min: float
    max: float
    valid: tuple[float, float] | None = None
    decimals: int = Field(default=0, ge=0, le=6)


class Lognormal(Number):
    """exp(Normal(ln median, sigma))."""

    kind: Literal["lognormal"]
    median: float = Field(gt=0)
    sigma: float = Field(gt=0)


class Normal(Number):
    """Normal(mean, sd)."""

    kind: Literal["normal"]
    mean: float
    sd: float = Field(gt=0)


class Switch(FieldBase):
    """A number whose distribution depends on an earlier categorical field."""

    kind: Literal["switch"]
    field: str
    cases: dict[str, Annotated[Lognormal | Normal, Field(discriminator="kind")]]


class Scaled(FieldBase):
    """Another number in another unit."""

    kind: Literal["scaled"]
    of: str
    factor: float
    decimals: int = Field(default=3, ge=0, le=6)


class Constant(FieldBase):
    """The same value always."""

    kind: Literal["constant"]
    value: str | int | float | bool


class Member(FieldBase):
    """A member of a population, e.g. a customer."""

    kind: Literal["member"]
    population: str
    prefix: str = ""
    digits: int = Field(default=8, ge=1, le=18)


class Session(FieldBase):
    """The session of the member drawn for the same event."""

    kind: Literal["session"]
    population: str
    prefix: str = ""


class Identifier(FieldBase):
    """A random identifier of 16 hexadecimal digits."""

    kind: Literal["id"]
    prefix: str = ""


class Pool(FieldBase):
    """One of `size` names per combination of the dimensions in the template; `{n}` is the number within it."""

    kind: Literal["pool"]
    template: str
    size: int = Field(ge=1, le=10_000)


AnyField = Annotated[
    Categorical | Bernoulli | Lognormal | Normal | Switch | Scaled | Constant | Member | Session | Identifier | Pool,
    Field(discriminator="kind"),
]


class Dimension(Frozen):
    """Values of a dimension and their shares of the traffic (normalised)."""

    shares: Shares

    @model_validator(mode="after")
    def _positive(self) -> Dimension:
        if not self.shares or min(self.shares.values()) < 0 or sum(self.shares.values()) <= 0:
            raise ValueError("shares must be at least 0 and not all 0")
        return self


class SchemaVersion(Frozen):
    """Which schema version an event is written in, by the value of a dimension."""

    by: str
    values: dict[str, int]
    default: int


class EventType(Frozen):
    """One event type: its share of all events, dimension overrides, key and payload."""

    share: float = Field(gt=0)
    schema_version: int | SchemaVersion = 1
    dimensions: dict[str, Shares] = Field(default_factory=dict)
    key: str
    fields: dict[str, AnyField]
    out_of_range: dict[str, Any] = Field(default_factory=dict)


class Population(Frozen):
    """Members that produce the events. Each belongs to one combination of `dimensions`."""

    dimensions: tuple[str, ...]
    members_per_daily_event: float = Field(gt=0)
    max_members: int = Field(default=2_000_000, gt=0)
    session_minutes: float = Field(default=20, gt=0)
    events_per_session: float = Field(default=6, gt=0)


class Seasonality(Frozen):
    """Relative traffic by hour of the day (24, UTC) and day of the week (7, from Monday)."""

    daily: tuple[float, ...] = Field(min_length=24, max_length=24)
    weekly: tuple[float, ...] = Field(min_length=7, max_length=7)


class Faults(Frozen):
    """Shares of events that are sent twice, late or broken, and the weights of the kinds of broken ones."""

    duplicates: float = Field(default=0.004, ge=0, le=0.5)
    late: float = Field(default=0.003, ge=0, le=0.5)
    malformed: float = Field(default=0.001, ge=0, le=0.5)
    kinds: Shares = Field(default_factory=dict)


class Unrest(Frozen):
    """Traffic that is less even than Poisson: a factor that wanders, sometimes by leaps, and returns.

    Its logarithm is an autoregressive series with Student's t innovations (4 degrees of freedom) of standard deviation
    `spread`; after `memory_minutes` a third of a leap is left.
    """

    spread: float = Field(default=0.0, ge=0, le=1)
    memory_minutes: float = Field(default=45.0, gt=0)


class Simulator(Frozen):
    """The whole of `simulator.yaml`."""

    product: str
    events_per_day: float = Field(gt=0)
    seasonality: Seasonality
    dimensions: dict[str, Dimension]
    populations: dict[str, Population] = Field(default_factory=dict)
    faults: Faults = Faults()
    unrest: Unrest = Unrest()
    events: dict[str, EventType]

    @model_validator(mode="after")
    def _refer_to_what_exists(self) -> Simulator:
        for population in self.populations.values():
            _known(population.dimensions, self.dimensions, "population dimension")
        for name, event in self.events.items():
            _known(event.dimensions, self.dimensions, f"dimension of {name}")
            _known([event.key], event.fields, f"key of {name}")
            _known(event.out_of_range, event.fields, f"out_of_range field of {name}")
            if isinstance(event.schema_version, SchemaVersion):
                _known([event.schema_version.by], self.dimensions, f"schema_version of {name}: dimension")
            self._check_fields(name, event)
        return self

    def _check_fields(self, name: str, event: EventType) -> None:
        seen: list[str] = []
        for field_name, field in event.fields.items():
            where = f"{name}.{field_name}"
            if isinstance(field, Member | Session):
                _known([field.population], self.populations, f"population of {where}")
                own = [d for d in self.populations[field.population].dimensions if d in event.dimensions]
                if own:
                    raise ValueError(f"{where}: dimension {own[0]!r} of its population is overridden for {name}")
            elif isinstance(field, Categorical):
                _known([field.by] if field.by else [], self.dimensions, f"dimension of {where}")
                _known(field.factors, field.values(), f"factor of {where}")
                for factors in field.factors.values():
                    _known(factors, self.dimensions, f"factor dimension of {where}")
            elif isinstance(field, Switch):
                _known([field.field], seen, f"{where}: earlier field")
            elif isinstance(field, Scaled):
                _known([field.of], seen, f"{where}: earlier field")
            elif isinstance(field, Bernoulli | Lognormal | Normal):
                _known(field.factors, self.dimensions, f"factor dimension of {where}")
            seen.append(field_name)

    def dimension_values(self, event: str) -> dict[str, Shares]:
        """Shares of the values per dimension for an event type, summing to 1."""
        found: dict[str, Shares] = {}
        for name, dimension in self.dimensions.items():
            shares = self.events[event].dimensions.get(name, dimension.shares)
            total = sum(shares.values())
            found[name] = {value: share / total for value, share in shares.items()}
        return found


def _known(names: Iterable[str], known: Iterable[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{what} {name!r} is not one of {', '.join(known)}")


ModelT = TypeVar("ModelT", bound=BaseModel)


def parse(model: type[ModelT], data: object, source: str) -> ModelT:
    """Build a model from parsed YAML; ContractError names the source, the path inside it and the reason."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"]) or "(whole file)"
        raise ContractError(f"{source}: {path}: {first['msg']}", hint=f"correct {path} in {source}") from None


def read_yaml(path: Path) -> object:
    """Parse a YAML file; ContractError when it is missing or is not YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContractError(f"{path}: no such file", hint=f"write {path} (contracts/shop has an example)") from None
    except yaml.YAMLError as error:
        raise ContractError(f"{path}: not YAML: {' '.join(str(error).split())}", hint=f"correct {path}") from None


def load(folder: Path) -> Simulator:
    """Read `simulator.yaml` of a contract folder."""
    path = folder / "simulator.yaml"
    return parse(Simulator, read_yaml(path), str(path))
