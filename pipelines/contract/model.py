"""The compiled contract: frozen, complete, checked. Everything downstream reads these attributes and no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import Field as Limited
from pydantic import model_validator

from pipelines.contract.alerting import Alerting
from pipelines.contract.expected import Expected
from pipelines.contract.form import Duration, Frozen, Moment, Name, Path, TopicName
from pipelines.contract.sensitivity import Sensitivity

Kind = Literal["count", "ratio", "sum", "mean", "quantile", "distinct"]
Type = Literal["string", "integer", "number", "boolean"]
Statistic = Literal["median", "mean", "null_share", "in_range_share", "in_set_share", "min", "max", "unique_share"]

# Integer parts of a metric's struct in gold, by kind.
INTEGER_PARTS: Mapping[Kind, tuple[str, ...]] = {
    "count": ("n",),
    "ratio": ("numerator", "denominator"),
    "sum": ("n", "sum"),
    "mean": ("n", "sum"),
    "quantile": ("n",),
    "distinct": (),
}

# What an event's own column may not be called: the envelope, its place in Kafka, and refine's own columns.
RESERVED = frozenset(
    (
        *("event_id", "event_type", "schema_version", "event_time", "late", "backfill", "arrived_at"),
        *("kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "kafka_key", "kafka_value"),
        *("kafka_headers", "batch_id", "query_id", "batch_time", "reject_reason", "reject_detail"),
        *(
            "is_position",
            "twin_key",
            "decided",
            "known_id",
            "redriven_from",
            "fact_time",
            "window_start",
            "window_seconds",
        ),
    )
)


class Source(Frozen):
    """Where an envelope field comes from in a producer's event: a path, a constant, or the field made up of others.

    `hash` (event_id only) digests the texts at several paths; `position` (event_id only) is the record's own place in
    Kafka, for producers whose events have no identity: every record is then an event of its own.
    """

    path: Path | None = None
    constant: str | int | None = None
    default: str | int | None = None
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
        if self.path is None and self.default is not None:
            raise ValueError("a default goes with a path")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Places in the event that it is read from."""
        return (self.path,) if self.path is not None else self.hash


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
        if self.event_time.path is None or self.event_time.default is not None:
            raise ValueError("event_time needs a path and has no default: it says when an event was")
        if self.event_id.constant is not None or self.event_id.default is not None:
            raise ValueError("event_id needs a path, hash or position: a fixed one would make all events the same one")
        for given in (self.schema_version.constant, self.schema_version.default):
            if given is not None and not str(given).isdigit():
                raise ValueError(f"schema_version '{given}' is not a whole number")
        return self

    def sources(self) -> Mapping[str, Source]:
        """Its fields by name."""
        return {name: getattr(self, name) for name in type(self).model_fields}


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
    """One schema version of an event type.

    `fields` are the payload's, `mapped` those that the envelope and the dimensions take; `upgrade` gives columns of the
    newest version as SQL over this version's columns.
    """

    number: int
    fields: tuple[Field, ...]
    mapped: tuple[Field, ...] = ()
    upgrade: Mapping[str, str] = {}


class EventType(Frozen):
    """An event type with its versions, oldest first; `key` is the column or dimension that the Kafka key must equal."""

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
    one that hurts; `weight` is the business weight in severity. `most_series` are followed, largest first, so that a
    dimension with many values stays affordable and leaves the others their share of the allowance.
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
    most_series: int = Limited(default=250, ge=1)

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
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("'min' is more than 'max', so that nothing passes")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("'low' is more than 'high', so that no value is counted")
        if self.statistic == "in_range_share" and self.low is None and self.high is None:
            raise ValueError("in_range_share needs 'low', 'high' or both")
        if self.statistic == "in_set_share" and not self.values:
            raise ValueError("in_set_share needs 'values'")
        return self


class Contract(Frozen):
    """A product: where its events come from, what they are, what is measured, and what must hold.

    `files` is the form of files that `pulseiq ingest` takes: one JSON event a line, or an access log.
    """

    product: Name
    title: str
    topic: TopicName
    clock: Literal["arrival", "event"]
    window: Duration = Limited(gt=timedelta(0), le=timedelta(days=7))
    allowed_lateness: Duration
    dedup_horizon: Duration = Limited(gt=timedelta(0))
    born: Moment
    future_tolerance: Duration
    max_event_bytes: int = Limited(ge=2, le=10 * 1024 * 1024)
    max_depth: int = Limited(ge=1, le=500)
    envelope: Envelope
    dimension_sources: Mapping[str, Source]
    events: Mapping[str, EventType]
    metrics: tuple[Metric, ...]
    checks: tuple[Check, ...]
    sensitivity: Sensitivity
    folder: str
    files: Literal["ndjson", "combined"] = "ndjson"
    alerting: Alerting = Alerting()
    expectations: tuple[Expected, ...] = ()

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
    def path_types(self) -> Mapping[str, Type]:
        """Every place in an event that is read, and the JSON type expected there."""
        envelope = self.envelope
        described = {
            field.path: field.type
            for event in self.events.values()
            for version in event.versions
            for field in (*version.mapped, *version.fields)
        }
        time_types: Mapping[str, Type] = {"rfc3339": "string", "epoch_ms": "integer", "epoch_s": "number"}
        usual: dict[str, Type] = dict.fromkeys(envelope.schema_version.paths, "integer")
        usual |= dict.fromkeys(envelope.event_time.paths, time_types[envelope.event_time.format])
        sources = (*envelope.sources().values(), *self.dimension_sources.values())
        return {**{path: usual.get(path, "string") for source in sources for path in source.paths}, **described}

    @property
    def columns(self) -> Mapping[str, Type]:
        """Payload columns of silver and their types: those of every event type's newest version."""
        return {field.column: field.type for event in self.events.values() for field in event.newest.fields}
