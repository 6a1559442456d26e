"""Scenarios: incidents put into the simulated world on purpose.

A scenario file holds a list of incidents. Each has a time span, a segment (`where`) and effects; nothing in it is
specific to a product except the names. Times are relative to the world's end (`-40m`), to its start (`+40m`), a
fraction of the span (`0.9`), or an RFC 3339 time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from pipelines.errors import UsageError
from pipelines.simulate.effects import Active, Effect, Probability, Scale
from pipelines.simulate.malformed import KINDS
from pipelines.simulate.spec import Bernoulli, Categorical, Frozen, Pool, Scaled, Simulator, Switch, parse, read_yaml

_SPAN = re.compile(r"^([+-])(\d+(?:\.\d+)?)([smhd])$")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Incident(Frozen):
    """What happens, when, where, and what a good detector should say of it."""

    kind: str
    title: str
    start: str | float
    end: str | float
    where: dict[str, str | None] = Field(default_factory=dict)
    effects: tuple[Effect, ...] = Field(min_length=1)
    metric: str
    also: tuple[str, ...] = ()
    direction: Literal["up", "down"]
    verdict: Literal["changed behaviour", "bad data", "both"]

    @field_validator("start", "end", mode="before")
    @classmethod
    def _yaml_reads_times_itself(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, datetime) else value


class Scenario(Frozen):
    """A named list of incidents, empty for a fault-free world.

    `strengths` names lists of overrides, such as `weak` and `strong`; as written, the incidents are `medium`.
    """

    name: str
    title: str
    incidents: tuple[Incident, ...] = ()
    strengths: dict[str, tuple[str, ...]] = Field(default_factory=dict)


def names(folder: Path) -> list[str]:
    """The scenarios that a contract folder offers."""
    return sorted(path.stem for path in (folder / "scenarios").glob("*.yaml"))


def load(folder: Path, name: str, overrides: Sequence[str] = ()) -> Scenario:
    """Read `scenarios/<name>.yaml` and apply `path=value` overrides; `a+b` are the incidents of both.

    A path starts inside every incident (`where.NAME=x`, `effects.0.rate=3`); a leading number picks one incident
    (`0.start=-2h`). Values are YAML; an empty one removes the key. `strength=weak` applies the scenario's own list of
    that name first. Incidents that overlap make one story: when only some of them are bad data, all are `both`.
    """
    strength = "medium"
    rest: list[str] = []
    for override in overrides:
        key, _, value = override.partition("=")
        strength, rest = (value, rest) if key == "strength" else (strength, [*rest, override])
    parts = [_read(folder, each, strength) for each in name.split("+")]
    incidents = [incident for part in parts for incident in part.get("incidents") or []]
    _override(incidents, rest, name)
    title = "; ".join(str(part.get("title")) for part in parts)
    loaded = parse(Scenario, {"name": name, "title": title, "incidents": incidents}, str(folder / "scenarios" / name))
    verdicts = {incident.verdict for incident in loaded.incidents}
    if len(parts) == 1 or len(verdicts) < 2:
        return loaded
    return loaded.model_copy(
        update={"incidents": tuple(each.model_copy(update={"verdict": "both"}) for each in loaded.incidents)}
    )


def _read(folder: Path, name: str, strength: str) -> dict[str, Any]:
    """One scenario file at a strength, as it is parsed by `load`."""
    path = folder / "scenarios" / f"{name}.yaml"
    if not path.is_file():
        raise UsageError(f"unknown scenario {name!r}", hint=f"one of: {', '.join(names(folder)) or 'none is there'}")
    data = read_yaml(path)
    known = parse(Scenario, data, str(path)).strengths
    assert isinstance(data, dict)
    if strength not in known and strength != "medium":
        hint = f"one of: {', '.join(['medium', *known])}"
        raise UsageError(f"scenario {name!r} has no strength {strength!r}", hint=hint)
    _override(data.get("incidents") or [], known.get(strength, ()), name)
    return data


def _override(incidents: list[Any], overrides: Sequence[str], name: str) -> None:
    for override in overrides:
        dotted, separator, text = override.partition("=")
        if not separator or not dotted:
            raise UsageError(f"--set {override}: not of the form path=value", hint="e.g. --set where.NAME=VALUE")
        keys = dotted.split(".")
        targets = incidents
        if keys[0].isdigit():
            targets, keys = incidents[int(keys[0]) : int(keys[0]) + 1], keys[1:]
        if not targets:
            raise UsageError(f"--set {override}: scenario {name!r} has no such incident", hint="leave it out")
        for target in targets:
            _assign(target, keys, yaml.safe_load(text) if text else None, override)


def _assign(target: Any, keys: Sequence[str], value: object, override: str) -> None:
    try:
        for key in keys[:-1]:
            target = target[int(key)] if isinstance(target, list) else target.setdefault(key, {})
        if isinstance(target, list):
            target[int(keys[-1])] = value
        elif value is None:
            target.pop(keys[-1], None)
        else:
            target[keys[-1]] = value
    except (IndexError, ValueError, AttributeError, TypeError, KeyError):
        raise UsageError(f"--set {override}: the scenario has no such path", hint="look into its file") from None


def resolve(value: str | float, start: datetime | None, end: datetime | None) -> datetime:
    """A scenario's time as a moment; UsageError when it is relative to a side that the world does not have."""
    if isinstance(value, int | float):
        if start is None or end is None:
            raise UsageError(f"{value}: a fraction needs a world with a start and an end", hint="give --duration")
        return start + (end - start) * float(value)
    if match := _SPAN.match(value):
        sign, amount, unit = match.groups()
        anchor = start if sign == "+" else end
        if anchor is None:
            side = "start" if sign == "+" else "end"
            raise UsageError(
                f"{value}: this world has no {side} to count from",
                hint="give --duration, or times from the start: --set start=+2m --set end=+20m",
            )
        span = timedelta(seconds=float(amount) * _SECONDS[unit])
        return anchor + span if sign == "+" else anchor - span
    return parse_time(value)


def parse_time(text: str) -> datetime:
    """An RFC 3339 time, UTC when it names no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a time", hint="e.g. 2026-11-23T13:00:00Z, -40m, +5m or 0.9") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def activate(
    scenario: Scenario, simulator: Simulator, start: datetime | None, end: datetime | None
) -> tuple[Active, ...]:
    """All effects, resolved and checked against the simulator: unknown names are UsageErrors."""
    found: list[Active] = []
    for incident in scenario.incidents:
        span = [int(resolve(value, start, end).timestamp() * 1000) for value in (incident.start, incident.end)]
        if span[0] >= span[1]:
            raise UsageError(f"{incident.kind}: its start is not before its end", hint="--set start=-40m --set end=-0m")
        invented = {e.takeover.dimension for e in incident.effects if e.takeover}
        for effect in incident.effects:
            where = {k: v for k, v in {**incident.where, **effect.where}.items() if v is not None}
            takeover_value = None
            if effect.takeover:
                takeover_value = where.pop(effect.takeover.dimension, None)
                if takeover_value is None:
                    raise UsageError(
                        f"{incident.kind}: takeover of {effect.takeover.dimension} needs its new value",
                        hint=f"--set where.{effect.takeover.dimension}=VALUE",
                    )
            events = effect.event or tuple(simulator.events)
            _check(simulator, incident.kind, events, effect, where, invented)
            found.append(Active(span[0], span[1], events, where, effect, takeover_value))
    return tuple(found)


def _check(
    simulator: Simulator,
    kind: str,
    events: Iterable[str],
    effect: Effect,
    where: Mapping[str, str],
    invented: set[str],
) -> None:
    for event in events:
        if event not in simulator.events:
            raise UsageError(f"{kind}: no event type {event!r}", hint=f"one of: {', '.join(simulator.events)}")
    types = [simulator.events[event] for event in events]
    for name, value in where.items():
        if name in simulator.dimensions:
            # Another type's value is no mistake: of this type, nothing is in the segment.
            values = {v for event in simulator.events for v in simulator.dimension_values(event)[name]}
            if value not in values and name not in invented:
                raise UsageError(f"{kind}: {name} has no value {value!r}", hint=f"one of: {', '.join(sorted(values))}")
        elif not any(isinstance(t.fields.get(name), Categorical | Pool) for t in types):
            raise UsageError(
                f"{kind}: {name!r} is no dimension and no categorical field",
                hint=f"dimensions: {', '.join(simulator.dimensions)}",
            )
    silence, malformed = effect.silence, effect.malformed
    if silence and silence.partition is not None and silence.partition >= silence.of:
        raise UsageError(f"{kind}: no partition {silence.partition} of {silence.of}", hint="they count from 0")
    if malformed and malformed.reason is not None and malformed.reason not in KINDS:
        raise UsageError(f"{kind}: nothing is broken by {malformed.reason!r}", hint=f"one of: {', '.join(KINDS)}")
    target = effect.probability or effect.scale or effect.drop
    if target is None:
        if effect.takeover and effect.takeover.dimension not in simulator.dimensions:
            raise UsageError(f"{kind}: no dimension {effect.takeover.dimension!r}", hint="look into simulator.yaml")
        return
    fields = [t.fields[target.field] for t in types if target.field in t.fields]
    if not fields:
        raise UsageError(f"{kind}: no field {target.field!r} in {', '.join(events)}", hint="name the event type")
    for field in fields:
        drawn_number = not isinstance(field, Categorical | Bernoulli | Scaled) and hasattr(field, "decimals")
        if isinstance(target, Scale) and not (drawn_number or isinstance(field, Switch)):
            raise UsageError(f"{kind}: {target.field} is not a drawn number", hint="scale a lognormal or normal field")
        if isinstance(target, Probability) and not (
            isinstance(field, Bernoulli) or (isinstance(field, Categorical) and target.value in field.values())
        ):
            raise UsageError(f"{kind}: {target.field} has no value {target.value!r}", hint="look into simulator.yaml")
