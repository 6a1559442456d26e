"""The compiled contract: frozen, complete, checked. Everything downstream reads these attributes and no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic import Field as Limited

from pipelines.contract.duration import parse_duration

Name = Annotated[str, Limited(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Path = Annotated[str, Limited(pattern=r"^\$(\.[A-Za-z_][A-Za-z0-9_-]*)+$")]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Kind = Literal["count", "ratio", "sum", "mean", "quantile", "distinct"]
Type = Literal["string", "integer", "number", "boolean"]
Statistic = Literal["median", "mean", "null_share", "in_range_share", "in_set_share", "min", "max", "unique_share"]

# What an event's own column may not be called: the envelope, its place in Kafka, and refine's own columns.
RESERVED = frozenset(
    "event_id event_type schema_version event_time late arrived_at kafka_topic kafka_partition kafka_offset "
    "kafka_timestamp kafka_key kafka_value kafka_headers batch_id query_id batch_time reject_reason reject_detail "
    "is_position twin_key decided "
    "window_start window_seconds".split()
)


class Frozen(BaseModel):
    """Base of every part of a contract: unknown keys are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(Frozen):
    """Where an envelope field comes from in a producer's event: a path, a constant, or the field made up of others.

    `hash` (event_id only) digests the texts at several paths; `position` (event_id only) is the record's own place in
    Kafka, for producers whose events have no identity: every record is then an event of its own.
    """

    path: Path | None = None
    constant: str | int | None = None
    default: str | None = None
    hash: tuple[Path, ...] = ()
    position: bool = False
    format: Literal["rfc3339", "epoch_ms", "epoch_s"] = "rfc3339"

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, given: Any) -> Any:
        return {"path": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.path is not None, self.constant is not None, bool(self.hash), self.position]
        if sum(ways) != 1:
            raise ValueError("give exactly one of path, constant, hash, position")
        return self


class Envelope(Frozen):
    """The four fields that every event has, whatever its producer calls them."""

    event_id: Source
    event_type: Source
    schema_version: Source
    event_time: Source

    @model_validator(mode="after")
    def _only_ids_are_derived(self) -> Self:
        for name in ("event_type", "schema_version", "event_time"):
            source: Source = getattr(self, name)
            if source.hash or source.position:
                raise ValueError(f"{name} cannot be derived: give a path or a constant")
        if self.event_time.path is None or self.event_id.constant is not None:
            raise ValueError("event_time needs a path, and event_id cannot be a constant")
        return self


class Field(Frozen):
    """One payload field of one event version: its column, its place in the event, and what it may be."""

    column: str
    path: str
    type: Type
    required: bool = False
    enum: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


class Version(Frozen):
    """One schema version of an event type; `upgrade` gives newer columns as SQL over this version's."""

    number: int
    fields: tuple[Field, ...]
    upgrade: Mapping[str, str] = {}


class EventType(Frozen):
    """An event type with its versions, oldest first; `key` is the column that the Kafka key must equal."""

    name: str
    versions: tuple[Version, ...]
    key: str | None = None

    @property
    def newest(self) -> Version:
        """The version whose columns silver has."""
        return self.versions[-1]


class Metric(Frozen):
    """A number watched per window and leaf; SQL predicates and values are over silver's columns.

    `where` says which events count. A ratio's `numerator` is counted within its `denominator`. `direction` is the
    one that hurts; `weight` is the business weight in severity.
    """

    name: Name
    title: str
    kind: Kind
    where: str | None = None
    value: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    quantile: float | None = Limited(default=None, gt=0, lt=1)
    dimensions: tuple[str, ...] = ()
    direction: Literal["up", "down", "both"] = "both"
    weight: float = Limited(default=1.0, gt=0)
    unit: str = ""

    @model_validator(mode="after")
    def _parts_of_its_kind(self) -> Self:
        needs = {"ratio": {"numerator"}, "quantile": {"value", "quantile"}, "count": set()}.get(self.kind, {"value"})
        allowed = needs | ({"denominator"} if self.kind == "ratio" else set())
        for part in ("value", "numerator", "denominator", "quantile"):
            given = getattr(self, part) is not None
            if part in needs and not given:
                raise ValueError(f"a metric of kind {self.kind} needs '{part}'")
            if given and part not in allowed:
                raise ValueError(f"a metric of kind {self.kind} has no '{part}'")
        return self

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Its SQL parts by name, those that are given."""
        for part in ("where", "value", "numerator", "denominator"):
            if (sql := getattr(self, part)) is not None:
                yield part, sql


class Condition(Frozen):
    """`column op value`, in a form that runs on a frame as well as in SQL; a null never meets it."""

    column: str
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in"] = "="
    value: Any


class Check(Frozen):
    """What must hold of many events together: a statistic of a column, within bounds, per stratum of `by`.

    `low` and `high` bound the values counted by `in_range_share`, `values` those of `in_set_share`; `min` and `max`
    bound the statistic itself.
    """

    name: str
    column: str
    statistic: Statistic
    where: tuple[Condition, ...] = ()
    by: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    low: float | None = None
    high: float | None = None
    values: tuple[Any, ...] = ()
    minimum_rows: int = Limited(default=30, ge=1)
    severity: Literal["critical", "warning"] = "critical"
    owner: str
    why: str

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a check needs 'min', 'max' or both")
        if self.statistic == "in_range_share" and self.low is None and self.high is None:
            raise ValueError("in_range_share needs 'low', 'high' or both")
        if self.statistic == "in_set_share" and not self.values:
            raise ValueError("in_set_share needs 'values'")
        return self


class Sensitivity(Frozen):
    """How readily PulseIQ speaks up, in the user's words."""

    false_alerts_per_week: float = Limited(default=0.5, gt=0)
    min_effect: float = Limited(default=0.1, ge=0)
    min_count: int = Limited(default=20, ge=0)


class Contract(Frozen):
    """A product: where its events come from, what they are, what is measured, and what must hold.

    `files` is the form of files that `pulseiq ingest` takes: one JSON event a line, or an access log.
    """

    product: Name
    title: str
    topic: str
    clock: Literal["arrival", "event"]
    window: Duration
    allowed_lateness: Duration
    dedup_horizon: Duration
    born: datetime
    future_tolerance: Duration
    max_event_bytes: int
    max_depth: int
    envelope: Envelope
    dimension_sources: Mapping[str, Source]
    events: Mapping[str, EventType]
    metrics: tuple[Metric, ...]
    checks: tuple[Check, ...]
    sensitivity: Sensitivity
    folder: str
    files: Literal["ndjson", "combined"] = "ndjson"

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimensions, in the contract's order."""
        return tuple(self.dimension_sources)

    @property
    def redrive_topic(self) -> str:
        """Topic of corrected events on their way back."""
        return f"{self.product}.redrive"

    @property
    def decisions_topic(self) -> str:
        """Topic of verdicts, releases and rejections."""
        return f"{self.product}.decisions"

    @property
    def columns(self) -> Mapping[str, Type]:
        """Payload columns of silver and their types: those of every event type's newest version."""
        return {field.column: field.type for event in self.events.values() for field in event.newest.fields}
