"""The simulated world: a seed and a scenario decide every event that ever happens in it.

Time is cut into fixed blocks, each drawn from its own seed, so that any slice of the world has the same events however
it is asked for. Slices are by the time of sending; a late event belongs to the moment it is sent.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.simulate import labels, spec
from pipelines.simulate import scenario as scenarios
from pipelines.simulate.fields import Column
from pipelines.simulate.hashes import Hashes, mix, uniform
from pipelines.simulate.leaves import Mask
from pipelines.simulate.malformed import KINDS, Breaker, Limits
from pipelines.simulate.population import Seats
from pipelines.simulate.scenario import Scenario, activate
from pipelines.simulate.season import DAY_MS, Ints, Season
from pipelines.simulate.spec import Faults, Member, Simulator, Unrest
from pipelines.simulate.stream import LATE_MAX_MS, Rows, Stream

_BLOCK_SECONDS = (3600, 1800, 900, 300, 60, 30, 10, 5, 2, 1)
_BLOCK_EVENTS = 20_000
_RESEND_MS = 15_000.0
NO_INCIDENT = Scenario(name="none", title="Nothing happens")


@dataclass(frozen=True)
class Batch:
    """Events in the order of sending. Times in epoch ms; counts by what was done to the events on purpose."""

    keys: list[bytes | None]
    values: list[bytes | None]
    event_times: Ints
    send_times: Ints
    counts: Counter[str]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class _Sent:
    """What a block draws, and what of it is sent in a stretch.

    `event, low, late, broken, reason` are of everything drawn, one event type after the other; `row` points into them,
    in the order of sending, with its time of sending `at`, whether it is the `second` time, and its event type's index.
    """

    drawn: list[Rows]
    event: Ints
    low: Hashes
    late: Mask
    broken: Mask
    reason: Ints
    row: Ints
    at: Ints
    second: Mask
    types: Ints


class World:
    """`World(Path("contracts/shop"), seed=7, scenario="conversion-drop", end=...)`."""

    def __init__(
        self,
        source: Path | Simulator,
        seed: int,
        scenario: Scenario | str = NO_INCIDENT,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        events_per_day: float | None = None,
        faults: Faults | None = None,
        limits: Limits | None = None,
        overrides: Sequence[str] = (),
        seasonal: bool = True,
        unrest: Unrest | None = None,
    ) -> None:
        """`start` and `end` anchor the scenario's relative times; they do not bound what `events` can draw.

        `overrides` are `path=value` for a scenario given by name. `limits` come from the contract.
        """
        if isinstance(source, Path):
            simulator = spec.load(source)
            if isinstance(scenario, str):
                scenario = scenarios.load(source, scenario, overrides)
        else:
            simulator = source
            if isinstance(scenario, str):
                raise TypeError("a scenario by name needs a contract folder")
        self.simulator = simulator
        self.seed = seed
        self.scenario = scenario
        self.start = start
        self.end = end
        self.events_per_day = events_per_day or simulator.events_per_day
        self.faults = faults or simulator.faults
        self.limits = limits or Limits()
        self._breaker = Breaker(simulator.events, self.limits)
        weights = np.array([self.faults.kinds.get(kind, 1.0) for kind in KINDS])
        self._kind_shares = weights / weights.sum()
        self._build(Season(simulator.seasonality if seasonal else None, unrest or simulator.unrest, seed))
        per_second = self.events_per_day / 86_400
        fitting = [s for s in _BLOCK_SECONDS if s * per_second <= _BLOCK_EVENTS]
        self.block_ms = 1000 * (fitting[0] if fitting else _BLOCK_SECONDS[-1])

    def _build(self, season: Season) -> None:
        simulator = self.simulator
        effects = activate(self.scenario, simulator, self.start, self.end)
        shares = {name: event.share for name, event in simulator.events.items()}
        whole = sum(shares.values())
        late = (self.faults.late, self.limits.allowed_lateness.total_seconds() * 1000)
        seats: dict[str, Seats] = {}
        self._streams: list[Stream] = []
        for name, population in simulator.populations.items():
            events = [
                event
                for event, found in simulator.events.items()
                if any(isinstance(f, Member) and f.population == name for f in found.fields.values())
            ]
            if not events:
                continue
            probe = Stream(simulator, events[0], season, {}, effects, 0.0, late)
            _, by_segment = probe.leaves.segment(population.dimensions)
            daily = self.events_per_day * sum(shares[event] for event in events) / whole
            seats[name] = Seats(population, by_segment, daily, self.seed)
        for name, share in shares.items():
            per_ms = self.events_per_day / DAY_MS * share / whole
            self._streams.append(Stream(simulator, name, season, seats, effects, per_ms, late))

    def labels(self) -> tuple[labels.Label, ...]:
        """The truth about the scenario's incidents."""
        return labels.of_scenario(self.scenario, self.simulator.product, self.seed, self.start, self.end)

    def events(self, start: datetime, end: datetime) -> Iterator[Batch]:
        """All events sent in [start, end), block by block."""
        first, last = _milliseconds(start), _milliseconds(end)
        for block in range(first // self.block_ms, -(-last // self.block_ms)):
            batch = self._block(block, first, last)
            if len(batch):
                yield batch

    def columns(self, start: datetime, end: datetime, fields: Sequence[str]) -> Iterator[dict[str, Column]]:
        """What `events` sends, as columns instead of JSON: one mapping per block and event type.

        `event_type`; `sent_ms` and `event_ms`, epoch ms; masks `second` (a duplicate), `late`, `broken` (on purpose, or
        without a field that a scenario drops); the dimensions, and those of `fields` that the type has.
        """
        first, last = _milliseconds(start), _milliseconds(end)
        for block in range(first // self.block_ms, -(-last // self.block_ms)):
            sent = self._sent(block, first, last)
            for index, (name, stream, rows) in enumerate(
                zip(self.simulator.events, self._streams, sent.drawn, strict=True)
            ):
                own = sent.types == index
                row = sent.row[own]
                at = row - sum(len(each.send) for each in sent.drawn[:index])
                incomplete = np.logical_or.reduce([*rows.dropped.values(), np.zeros(len(rows.send), dtype=bool)])
                values = {name: column[at] for name, column in stream.values(rows, fields).items()}
                yield {
                    "event_type": np.full(len(row), name, dtype=object),
                    "sent_ms": sent.at[own],
                    "event_ms": sent.event[row],
                    "second": sent.second[own],
                    "late": sent.late[row],
                    "broken": sent.broken[row] | incomplete[at],
                    **values,
                }

    def _sent(self, block: int, first: int, last: int) -> _Sent:
        drawn = [self._drawn(block, index, stream) for index, stream in enumerate(self._streams)]
        send, event, low, late, again, bad, reason = (
            np.concatenate([getattr(rows, name) for rows in drawn])
            for name in ("send", "event", "low", "late", "again", "bad", "reason")
        )
        broken = uniform(mix(low, 11)) < np.maximum(bad, self.faults.malformed)
        twice = (uniform(mix(low, 13)) < np.maximum(again, self.faults.duplicates)) & ~broken
        row, at, second = self._sendings(send, low, np.flatnonzero(twice), (block + 1) * self.block_ms)
        inside = (at >= first) & (at < last)
        row = row[inside]
        types = np.searchsorted(np.cumsum([len(rows.send) for rows in drawn]), row, side="right")
        return _Sent(drawn, event, low, late, broken, reason, row, at[inside], second[inside], types)

    def _block(self, block: int, first: int, last: int) -> Batch:
        """The part of a block that is sent in [first, last), in the order of sending."""
        sent = self._sent(block, first, last)
        row, broken = sent.row, sent.broken
        written = [stream.written(rows) for stream, rows in zip(self._streams, sent.drawn, strict=True)]
        take = pa.array(row)
        keys = pa.concat_arrays([key for key, _ in written]).cast(pa.binary()).take(take).to_pylist()
        values = pa.concat_arrays([value for _, value in written]).cast(pa.binary()).take(take).to_pylist()
        counts: Counter[str] = Counter(events=len(row), duplicates=int(sent.second.sum()))
        counts["late"] = int((sent.late[row] & ~broken[row] & ~sent.second).sum())
        for index, name in enumerate(self.simulator.events):
            counts[f"type.{name}"] = int((sent.types == index).sum())
        for position in np.flatnonzero(broken[row]):
            of = row[position]
            kind, key, value = self._broken(sent.low[of], sent.reason[of], keys[position], values[position])
            keys[position], values[position] = key, value
            counts.update(("malformed", f"malformed.{kind}"))
        return Batch(keys, values, sent.event[row], sent.at, counts)

    def _drawn(self, block: int, index: int, stream: Stream) -> Rows:
        """What is sent in a block: drawn for it, and held back from earlier ones by a scenario."""
        start, end = block * self.block_ms, (block + 1) * self.block_ms
        rows = self._own(block, index, stream)
        if not stream.delays(start - LATE_MAX_MS, end):
            return rows
        rows = rows.only(rows.send < end)
        for earlier in range((start - LATE_MAX_MS) // self.block_ms, block):
            held = self._own(earlier, index, stream)
            rows = rows.plus(held.only((held.send >= start) & (held.send < end)))
        return rows

    def _own(self, block: int, index: int, stream: Stream) -> Rows:
        rng, extra_rng = (
            np.random.Generator(np.random.SFC64(np.random.SeedSequence([self.seed, block, index, part])))
            for part in (0, 1)
        )
        return stream.draw(rng, extra_rng, block * self.block_ms, (block + 1) * self.block_ms)

    @staticmethod
    def _sendings(send: Ints, low: Hashes, twice: Ints, end: int) -> tuple[Ints, Ints, Mask]:
        """Row, time and whether it is the second time, for everything that is sent, in the order of sending.

        A duplicate follows its first within seconds, and within the same block.
        """
        delay = -np.log1p(-uniform(mix(low[twice], 17))) * _RESEND_MS
        again = np.minimum(send[twice] + delay.astype(np.int64), end - 1)
        row = np.concatenate([np.arange(len(send)), twice])
        sent = np.concatenate([send, again])
        order = np.argsort(sent, kind="stable")
        return row[order], sent[order], order >= len(send)

    def _broken(
        self, low: np.uint64, reason: np.int64, key: bytes, value: bytes
    ) -> tuple[str, bytes | None, bytes | None]:
        """Kind, key and value of an event broken on purpose; its own random id decides how, or the scenario."""
        rng = np.random.default_rng(int(low))
        kind = str(rng.choice(KINDS, p=self._kind_shares))
        kind = kind if reason < 0 else KINDS[reason]
        return kind, *self._breaker.break_event(kind, key, value, rng)


def _milliseconds(moment: datetime) -> int:
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def now_ms() -> int:
    """The wall clock in epoch milliseconds."""
    return int(time.time() * 1000)
