"""One event type of the world: draws its events for a block of time and writes them as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate import columns
from pipelines.simulate.effects import Active
from pipelines.simulate.fields import Column, Draft, Drawn, Touch, compiled
from pipelines.simulate.hashes import Hashes, mix, uniform
from pipelines.simulate.leaves import Leaves, Mask
from pipelines.simulate.malformed import KINDS
from pipelines.simulate.partition import partitions_of
from pipelines.simulate.population import Seats
from pipelines.simulate.season import Floats, Ints, Season
from pipelines.simulate.spec import Member, SchemaVersion, Session, Simulator

_NETWORK_MS = 400.0
_NETWORK_MAX_MS = 5_000.0
LATE_MAX_MS = 45 * 60_000
_ARRAYS = ("send", "event", "high", "low", "leaf", "version", "late", "again", "bad", "reason")


@dataclass
class Rows:
    """Events of one type; arrays of equal length. Times in epoch ms: `event` is when it happened, `send` when sent.

    A scenario sends an event twice with the chance `again` and breaks it with the chance `bad`, by the kind of broken
    event that `reason` counts to; by any kind where it is -1.
    """

    send: Ints
    event: Ints
    high: Hashes
    low: Hashes
    leaf: Ints
    version: Ints
    late: Mask
    again: Floats
    bad: Floats
    reason: Ints
    columns: dict[str, Column]
    dropped: dict[str, Mask]

    def only(self, keep: Mask) -> Rows:
        """The rows of a mask."""
        return Rows(
            **{name: getattr(self, name)[keep] for name in _ARRAYS},
            columns={name: column[keep] for name, column in self.columns.items()},
            dropped={name: mask[keep] for name, mask in self.dropped.items()},
        )

    def plus(self, other: Rows) -> Rows:
        """These rows and then the others."""
        return Rows(
            **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _ARRAYS},
            columns={name: np.concatenate([column, other.columns[name]]) for name, column in self.columns.items()},
            dropped={name: np.concatenate([mask, other.dropped[name]]) for name, mask in self.dropped.items()},
        )


class Stream:
    """An event type with everything that can be computed before the first draw."""

    def __init__(
        self,
        simulator: Simulator,
        name: str,
        season: Season,
        seats: Mapping[str, Seats],
        effects: Sequence[Active],
        per_ms: float,
        late: tuple[float, float],
    ) -> None:
        """`per_ms` is the mean rate; `late` is the share of late events and the lateness (ms) they exceed."""
        self._spec = simulator.events[name]
        self._name = name
        self._season = season
        self._seats = seats
        self._per_ms = per_ms
        self._late_share, self._late_ms = late
        self._active = [active for active in effects if name in active.events]
        self.leaves = Leaves(simulator.dimension_values(name), self._invented())
        self._fields: dict[str, Drawn] = {}
        for field_name, field in self._spec.fields.items():
            self._fields[field_name] = compiled(field_name, field, self.leaves, self._fields)
        used = {f.population for f in self._spec.fields.values() if isinstance(f, Member | Session)}
        self._segments = {
            population: self.leaves.segment(simulator.populations[population].dimensions)[0] for population in used
        }
        self._versions_by_leaf = self._schema_versions()
        self._leaf_json = pa.array(self.leaves.json(), pa.string())

    def _invented(self) -> dict[str, list[str]]:
        """Dimension values that exist only through a takeover, e.g. a new version."""
        found: dict[str, list[str]] = {}
        for active in self._active:
            takeover = active.effect.takeover
            if takeover and active.takeover_value is not None and takeover.dimension not in self._spec.dimensions:
                found.setdefault(takeover.dimension, []).append(active.takeover_value)
        return found

    def _schema_versions(self) -> Ints:
        spec = self._spec.schema_version
        if isinstance(spec, SchemaVersion):
            by_value = [spec.values.get(value, spec.default) for value in self.leaves.values[spec.by]]
            return np.array(by_value, dtype=np.int64)[self.leaves.codes[spec.by]]
        return np.full(self.leaves.size, spec, dtype=np.int64)

    def draw(self, rng: np.random.Generator, extra_rng: np.random.Generator, start: int, end: int) -> Rows:
        """Events sent in [start, end). Rate effects thin these, or add events drawn from `extra_rng`."""
        rates = [a for a in self._active if a.effect.rate is not None and a.start < end and a.end > start - LATE_MAX_MS]
        base = self._candidates(rng, start, end, 1.0, rates)
        if not rates:
            return base
        keep = np.minimum(self._rate(rates, base.event, base.leaf), 1.0)
        most = float(np.prod([max(a.effect.rate or 0.0, 1.0) for a in rates]))
        base = base.only(uniform(mix(base.low, 3)) < keep)
        if most <= 1.0:
            return base
        extra = self._candidates(extra_rng, start, end, most - 1.0, rates)
        share = (np.maximum(self._rate(rates, extra.event, extra.leaf), 1.0) - 1.0) / (most - 1.0)
        return base.plus(extra.only(uniform(mix(extra.low, 3)) < share))

    def _rate(self, rates: Sequence[Active], event: Ints, leaf: Ints) -> Floats:
        factor = np.ones(len(event))
        for active in rates:
            inside = self.leaves.mask(active.where)[leaf] & (event >= active.start) & (event < active.end)
            factor = np.where(inside, factor * active.factor(float(active.effect.rate or 0.0), event), factor)
        return factor

    def _candidates(
        self, rng: np.random.Generator, start: int, end: int, volume: float, rates: Sequence[Active]
    ) -> Rows:
        send = self._season.draw(rng, start, end, self._per_ms * volume).astype(np.int64)
        n = len(send)
        network = np.minimum(rng.exponential(_NETWORK_MS, n), _NETWORK_MAX_MS)
        lateness = self._late_ms * 1.1 + rng.random(n) * (LATE_MAX_MS - self._late_ms * 1.1)
        late = rng.random(n) < self._late_share
        event = send - np.where(late, lateness, network).astype(np.int64)
        leaf = self.leaves.draw(rng, n)
        high, low = rng.integers(0, 2**64, (2, n), dtype=np.uint64)
        season = self._season.at(event)
        members: dict[str, Ints] = {}
        sessions: dict[str, Hashes] = {}
        for population, segment in self._segments.items():
            traffic = season * self._rate(rates, event, leaf)
            taken = self._seats[population].take(segment[leaf], event, traffic, rng.random(n))
            members[population], sessions[population] = taken
        leaf = self._taken_over(leaf, event, next(iter(members.values()), None), low)
        draft = Draft(rng, leaf, season, members, sessions, lambda name: self._on_field(name, draft, event, low))
        for name, field in self._fields.items():
            draft.columns[name] = field.draw(draft)
        dropped: dict[str, Mask] = {}
        for active in self._active:
            if active.effect.drop and active.effect.drop.field in self._fields:
                name, share = active.effect.drop.field, active.effect.drop.share
                mask = self._mask(active, draft, event) & (uniform(mix(low, 5)) < share * active.strength(event))
                dropped[name] = dropped.get(name, np.zeros(n, dtype=bool)) | mask
        version, nothing = self._versions_by_leaf[leaf], np.zeros(n)
        rows = Rows(
            send, event, high, low, leaf, version, late, nothing, nothing, np.full(n, -1), draft.columns, dropped
        )
        return self._disturbed(rows, draft)

    def _disturbed(self, rows: Rows, draft: Draft) -> Rows:
        """What the effects on delivery do: silence, delay, and the chances to be sent twice or broken."""
        keep = np.ones(len(rows.send), dtype=bool)
        for active in self._active:
            effect = active.effect
            if not (effect.silence or effect.delay or effect.duplicates or effect.malformed):
                continue
            mask = self._mask(active, draft, rows.event)
            share = np.where(mask, active.strength(rows.event), 0.0)
            if effect.silence and mask.any():
                keep &= ~(mask & self._in_partition(rows, effect.silence.partition, effect.silence.of))
            elif effect.delay:
                behind = uniform(mix(rows.low, 23)) < effect.delay.share * share
                later = int(effect.delay.minutes * 60_000)
                rows.send = rows.send + np.where(behind, later, 0)
                rows.late = rows.late | (behind & (later > self._late_ms))
            elif effect.duplicates:
                rows.again = np.maximum(rows.again, effect.duplicates * share)
            elif effect.malformed:
                rows.bad = np.maximum(rows.bad, effect.malformed.share * share)
                if effect.malformed.reason is not None:
                    rows.reason = np.where(mask, KINDS.index(effect.malformed.reason), rows.reason)
        return rows if keep.all() else rows.only(keep)

    def _in_partition(self, rows: Rows, partition: int | None, of: int) -> Mask:
        if partition is None:
            return np.ones(len(rows.send), dtype=bool)
        return np.asarray(partitions_of(self._keys(rows), of) == partition)

    def delays(self, start: int, end: int) -> bool:
        """Whether a scenario sends events of [start, end) later than they happened."""
        return any(a.effect.delay and a.start < end and a.end > start - LATE_MAX_MS for a in self._active)

    def _taken_over(self, leaf: Ints, event: Ints, member: Ints | None, low: Hashes) -> Ints:
        """Move the share of the members (or of the events, where there are none) that an incident takes over."""
        for active in self._active:
            takeover = active.effect.takeover
            if takeover is None or active.takeover_value not in self.leaves.values[takeover.dimension]:
                continue
            draw = uniform(mix(low if member is None else member, 7))
            inside = self.leaves.mask(active.where)[leaf] & (event >= active.start) & (event < active.end)
            moved = self.leaves.moved(leaf, takeover.dimension, active.takeover_value)
            leaf = np.where(inside & (draw < takeover.share * active.strength(event)), moved, leaf)
        return leaf

    def _on_field(self, name: str, draft: Draft, event: Ints, low: Hashes) -> list[Touch]:
        found = []
        for active in self._active:
            target = active.effect.probability or active.effect.scale
            if target is not None and target.field == name:
                mask = self._mask(active, draft, event)
                if active.effect.scale and active.effect.scale.share < 1:
                    mask &= uniform(mix(low, 19)) < active.effect.scale.share
                if mask.any():
                    found.append(Touch(active.effect, mask, active.factor(target.factor, event)))
        return found

    def _mask(self, active: Active, draft: Draft, event: Ints) -> Mask:
        mask = self.leaves.mask(active.where)[draft.leaf] & (event >= active.start) & (event < active.end)
        for name, value in active.where.items():
            if name in self.leaves.values:
                continue
            words = self._fields[name].words if name in self._fields else None
            if words is None or value not in words:
                return np.zeros(draft.n, dtype=bool)
            mask = mask & (draft.columns[name] == words.index(value))
        return np.asarray(mask)

    def values(self, rows: Rows, names: Sequence[str]) -> dict[str, Column]:
        """All dimensions, and the named fields that the type has: words and identifiers as `written` says them, other
        numbers as they are. A field that only some versions write is there for all."""
        found: dict[str, Column] = {
            name: np.array(values, dtype=object)[self.leaves.codes[name][rows.leaf]]
            for name, values in self.leaves.values.items()
        }
        for name in names:
            if (field := self._fields.get(name)) is None:
                continue
            column = rows.columns[name]
            if field.words is not None:
                found[name] = np.array(field.words, dtype=object)[column]
            elif field.text is not None:
                found[name] = field.text(column).to_numpy(zero_copy_only=False)
            else:
                found[name] = column
        return found

    def written(self, rows: Rows) -> tuple[pa.Array, pa.Array]:
        """Record keys and JSON values."""
        parts: list[pa.Array | str] = [
            '{"event_id":"',
            columns.uuid4(rows.high, rows.low),
            f'","event_type":{json.dumps(self._name)},"schema_version":',
            pc.cast(pa.array(rows.version), pa.string()),
            ',"event_time":"',
            columns.rfc3339(rows.event),
            '"',
            self._leaf_json.take(pa.array(rows.leaf)),
        ]
        for name, field in self._fields.items():
            head = f",{json.dumps(name)}:"
            text = field.json(rows.columns[name])
            versions = self._spec.fields[name].versions
            present = np.ones(len(rows.send), dtype=bool)
            if versions is not None:
                present &= np.isin(rows.version, versions)
            if name in rows.dropped:
                present &= ~rows.dropped[name]
            if present.all():
                parts += [head, text]
            else:
                parts.append(pc.if_else(pa.array(present), columns.join([head, text]), ""))
        parts.append("}")
        return self._keys(rows), columns.join(parts)

    def _keys(self, rows: Rows) -> pa.Array:
        key = self._fields[self._spec.key]
        assert key.text is not None
        return key.text(rows.columns[self._spec.key])
