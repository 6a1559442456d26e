"""What the page tells, as values: filled by `summary`, shown by `page`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from quality.held import HeldBatch


@dataclass(frozen=True)
class Bins:
    """The reported time cut into equal parts, the axis of every small chart; `start` is aware."""

    start: datetime
    width: timedelta
    number: int

    def at(self, moment: datetime) -> int | None:
        """Number of the part that a moment is in; None outside."""
        found = (moment - self.start) // self.width
        return found if 0 <= found < self.number else None

    @property
    def end(self) -> datetime:
        """End of the last part."""
        return self.start + self.number * self.width


@dataclass(frozen=True)
class Counts:
    """Events of some batches by where they went; `late` are among those of silver, held or quarantine."""

    rows_in: int = 0
    silver: int = 0
    quarantine: int = 0
    duplicates: int = 0
    held: int = 0
    late: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in type(self).__dataclass_fields__))


@dataclass(frozen=True)
class Promotions:
    """Refine's batches of the reported time: how many of each verdict, their events, and both again per bin."""

    batches: Mapping[str, int]
    total: Counts
    per_bin: tuple[Counts, ...]


@dataclass(frozen=True)
class TableState:
    """A table of the lake: rows in all, and the newest of `what` in it; None where it has no row or says nothing."""

    name: str
    what: str
    rows: int
    newest: datetime | None


@dataclass(frozen=True)
class BadEvent:
    """One event in quarantine, its bytes cut to what is shown."""

    reason: str
    detail: str
    place: str
    arrived_at: datetime | None
    text: str


@dataclass(frozen=True)
class Refused:
    """Events in quarantine for one reason, the newest few of them as they came."""

    reason: str
    number: int
    per_bin: tuple[int, ...]
    samples: tuple[BadEvent, ...]


@dataclass(frozen=True)
class Window:
    """A count in one window, beside what was expected and the range that 99 of 100 ordinary windows keep."""

    start: datetime
    value: float
    expected: float
    low: float
    high: float

    @property
    def unusual(self) -> bool:
        """Whether the value leaves the range."""
        return not self.low <= self.value <= self.high


@dataclass(frozen=True)
class Volume:
    """A counted metric over the last windows that detect has judged."""

    title: str
    unit: str
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Tally:
    """How often an expectation passed, failed and broke in one bin or one audit."""

    passed: int = 0
    failed: int = 0
    broken: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.passed + other.passed, self.failed + other.failed, self.broken + other.broken)

    @property
    def judged(self) -> int:
        """How often it was judged at all."""
        return self.passed + self.failed + self.broken


@dataclass(frozen=True)
class Trend:
    """An expectation over time. `observed` and `at` are of the last time that it did not pass, empty where it did."""

    name: str
    severity: str
    owner: str
    why: str
    expected: str
    per_bin: tuple[Tally, ...]
    observed: str = ""
    at: datetime | None = None
    suite: str = ""

    @property
    def total(self) -> Tally:
        """All bins together."""
        return sum(self.per_bin, Tally())

    @property
    def passes(self) -> bool:
        """Whether it passed the last time."""
        return self.per_bin[-1].passed > 0


@dataclass(frozen=True)
class Audit:
    """The last audit and, per expectation, the audits before it as bins, the last one last."""

    run_id: str
    run_at: datetime
    runs: int
    rows: int
    trends: tuple[Trend, ...]


@dataclass(frozen=True)
class Report:
    """Everything on the page. `since` to `made_at` is the reported time; `audit` is None where none was run."""

    product: str
    title: str
    made_at: datetime
    since: datetime
    bins: Bins
    promotions: Promotions
    tables: tuple[TableState, ...]
    held: tuple[HeldBatch, ...]
    refused: tuple[Refused, ...]
    volumes: tuple[Volume, ...]
    checks: tuple[Trend, ...]
    audit: Audit | None

    @property
    def waiting(self) -> tuple[HeldBatch, ...]:
        """Held batches that nobody has decided on."""
        return tuple(batch for batch in self.held if batch.state == "held")
