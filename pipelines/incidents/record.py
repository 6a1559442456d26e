"""The incident record: one frozen object that feeds every view; identical input gives an identical record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

State = Literal["provisional", "confirmed", "retracted", "closed"]
VerdictName = Literal["bad data", "changed behaviour", "both"]
Level = Literal["SEV1", "SEV2", "SEV3", "SEV4"]


class Frozen(BaseModel):
    """Base of the record's parts."""

    model_config = ConfigDict(frozen=True)


class CauseLine(Frozen):
    """One segment: its dimension values, actual and expected, its share of the change, how its parts moved.

    `change` is the segment's own relative change of the metric, None where it is not known.
    """

    elements: dict[str, str]
    actual: float
    expected: float
    change: float | None = None
    share: float
    consistency: str
    confident: bool

    @property
    def words(self) -> str:
        """`a = x, b = y`, or that no dimension stands out."""
        return ", ".join(f"{name} = {value}" for name, value in self.elements.items()) or "everywhere, no dimension"

    @property
    def place(self) -> str:
        """`a=x, b=y`, for use within a line."""
        return ", ".join(f"{name}={value}" for name, value in self.elements.items())


class SeverityLine(Frozen):
    """The level, the score behind it, and each input from 0 to 1 with its words."""

    level: Level
    score: float
    inputs: dict[str, float]
    words: dict[str, str]


class Told(Frozen):
    """That a person is told: at the end of which window (UTC), at which level, and why (`new`, `more severe`)."""

    at: datetime
    level: Level
    why: str


class Incident(Frozen):
    """What, where, since when, how sure, how bad, why, what next.

    Times are UTC. `p_value` is the calibrated one of the strongest test; `why` has each test's numbers in words.
    `data_headline` says in a few words what is wrong with the data, None where nothing is. `opened` is the end of the
    first window in which a test fired, `planned` the event that explains it, `quiet` what quiet hours made of it,
    `told` when a person is told, `repeat_of` the incident that it repeats, `note` why it was retracted.
    """

    incident_id: str
    product: str
    verdict: VerdictName
    verdict_evidence: tuple[str, ...]
    data_headline: str | None = None
    metric: str
    title: str
    direction: str
    change: float | None
    since: datetime
    until: datetime
    open: bool
    state: State
    causes: tuple[CauseLine, ...]
    candidates: tuple[CauseLine, ...]
    also_moved: tuple[str, ...]
    severity: SeverityLine
    p_value: float | None
    why: tuple[str, ...]
    quality: tuple[str, ...]
    rate_mix: str | None
    next_steps: tuple[str, ...]
    detector_version: str
    opened: datetime | None = None
    planned: str | None = None
    quiet: str | None = None
    held_back: bool = False
    told: tuple[Told, ...] = ()
    repeat_of: str | None = None
    note: str | None = None

    @property
    def counts(self) -> bool:
        """Whether the product is abnormal because of it: it is open, nobody planned it, and it is not held back."""
        return self.open and self.planned is None and not self.held_back

    @property
    def standing(self) -> str:
        """Where it stands, in a word or two."""
        if self.state in ("retracted", "closed"):
            return self.state
        if not self.open:
            return "over"
        if self.planned is not None:
            return "planned"
        return "held back" if self.held_back else "provisional" if self.state == "provisional" else "open"

    @property
    def headline(self) -> str:
        """What moved, by how much and where, the change of the whole after that of the segment; or the data's fault."""
        if self.data_headline is None:
            return self._moved
        return self.data_headline if self.verdict == "bad data" else f"{self._moved}; {self.data_headline}"

    @property
    def _moved(self) -> str:
        whole = "" if self.change is None else f"{self.change:+.0%}"
        if not self.causes or not self.causes[0].elements:
            where = " everywhere" if self.causes else ""
            return f"{self.title} {whole}{where}".strip()
        first, more = self.causes[0], len(self.causes) - 1
        own = "" if first.change is None else f" {first.change:+.0%}"
        doubt = "" if first.confident else ", perhaps,"
        others = f" and {more} other segment{'s' * (more > 1)}" if more else ""
        return f"{self.title}{own} in{doubt} {first.place}{others}" + (f" ({whole} in all)" if whole else "")

    @property
    def where(self) -> str:
        """The causes in one line."""
        return "; ".join(cause.words for cause in self.causes) or "not localised"


def incident_id(product: str, metric: str, since: datetime, part: str = "") -> str:
    """Deterministic short id: the same incident has the same one at every tick.

    `part` tells apart what began in the same window.
    """
    text = f"{product}|{metric}|{since.isoformat(timespec='seconds')}" + (f"|{part}" if part else "")
    return f"{since:%Y%m%d-%H%M}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def to_rows(incidents: Iterable[Incident]) -> pd.DataFrame:
    """One row per incident: its key columns, and the whole record as JSON in `record`."""
    rows = [
        {
            "incident_id": each.incident_id,
            "product": each.product,
            "state": each.state,
            "verdict": each.verdict,
            "severity": each.severity.level,
            "metric": each.metric,
            "since": each.since,
            "until": each.until,
            "open": each.open,
            "detector_version": each.detector_version,
            "record": json.dumps(each.model_dump(mode="json"), sort_keys=True),
        }
        for each in incidents
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


COLUMNS = (
    "incident_id", "product", "state", "verdict", "severity", "metric", "since", "until", "open", "detector_version",
    "record",
)  # fmt: skip


def from_records(records: Iterable[str]) -> list[Incident]:
    """Incidents from the `record` column, the most severe first, then the newest."""
    found = [Incident.model_validate_json(each) for each in records]
    return sorted(found, key=lambda each: (each.severity.level, -each.since.timestamp(), each.incident_id))
