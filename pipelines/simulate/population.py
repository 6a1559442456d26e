"""Members and their sessions, without state: who acts is a hash of segment, seat and time slot.

The number of seats follows traffic, so that a session has the stated number of events on average while the counts of
events stay exactly Poisson. Whichever part of the world is drawn, the same member sits in the same seat at that time.
"""

from __future__ import annotations

import numpy as np

from pipelines.simulate.hashes import Hashes, mix
from pipelines.simulate.season import DAY_MS, Floats, Ints
from pipelines.simulate.spec import Population


class Seats:
    """Members and sessions of one population."""

    def __init__(self, spec: Population, shares: Floats, events_per_day: float, seed: int) -> None:
        """`shares` of the segments sum to 1; `events_per_day` counts the events that this population produces."""
        self._seed = seed
        self._slot = int(spec.session_minutes * 60_000)
        self._per_segment = shares * events_per_day / DAY_MS * self._slot / spec.events_per_session
        members = min(spec.max_members, events_per_day * spec.members_per_daily_event)
        self.sizes = np.maximum(np.rint(shares * members), 1).astype(np.uint64)
        self._first = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.uint64)

    def take(self, segment: Ints, ms: Ints, traffic: Floats, u: Floats) -> tuple[Ints, Hashes]:
        """Member numbers and session hashes of events at `ms`, with traffic relative to the mean, and u in [0, 1)."""
        seats = np.maximum(self._per_segment[segment] * traffic, 1.0)
        seat = (u * seats).astype(np.int64)
        stagger = (mix(self._seed, segment, seat) % np.uint64(self._slot)).astype(np.int64)
        session = mix(self._seed, segment, seat, (ms + stagger) // self._slot)
        member = self._first[segment] + mix(session, 1) % self.sizes[segment]
        return member.astype(np.int64), session
