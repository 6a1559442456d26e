"""What the web app answers: one set of frozen values behind the pages and the JSON, so that both say the same.

Times are aware and UTC; a number that is not known is null.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from pipelines.incidents.record import CauseLine, Level, SeverityLine, State, VerdictName


def _finite(given: object) -> object:
    """JSON has no word for what is not a number."""
    return None if isinstance(given, float) and not abs(given) < float("inf") else given


Number = Annotated[float | None, BeforeValidator(_finite)]
Verdict = Literal["bad data", "changed behaviour", "both", "normal", "unknown"]


class Answer(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True)


class Problem(Answer):
    """Why there is no answer, and the command to try next."""

    error: str
    next: str | None = None


class Point(Answer):
    """One window of a curve: what was seen and, where it was judged, the band of 99 of 100 ordinary windows."""

    at: datetime
    value: Number
    expected: Number
    low: Number
    high: Number
    judged: bool
    fired: bool


class Curve(Answer):
    """A series over time, in order. `banded` is false where no baseline follows the series."""

    series: str
    metric: str
    title: str
    unit: str
    kind: str
    window_seconds: int
    banded: bool
    points: tuple[Point, ...]


class Said(Answer):
    """One word of a person on an incident."""

    at: datetime
    action: str
    actor: str
    note: str
    mutes: tuple[str, ...]
    until: datetime | None


class Moment(Answer):
    """One entry of an incident's course through time."""

    at: datetime
    what: str
    words: str


class Brief(Answer):
    """An incident in one line."""

    incident_id: str
    verdict: VerdictName
    level: Level
    headline: str
    metric: str
    title: str
    since: datetime
    until: datetime
    open: bool
    state: State
    standing: str
    counts: bool
    acknowledged: bool
    false_alarm: bool
    said: str


class Evidence(Answer):
    """The strongest window of one test of one series in an incident."""

    series: str
    test: str
    window: datetime
    value: Number
    expected: Number
    low: Number
    high: Number
    effect: Number
    p_value: Number
    limit: Number
    how_rare: str
    words: str


class Full(Brief):
    """An incident with every number behind it."""

    change: Number
    causes: tuple[CauseLine, ...]
    candidates: tuple[CauseLine, ...]
    also_moved: tuple[str, ...]
    severity: SeverityLine
    p_value: Number
    why: tuple[str, ...]
    verdict_evidence: tuple[str, ...]
    quality: tuple[str, ...]
    rate_mix: str | None
    next_steps: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    course: tuple[Moment, ...]
    responses: tuple[Said, ...]
    detector_version: str


class Segment(Answer):
    """One value of a dimension within a segment: seen and expected over the incident's windows.

    `share` is its part of the whole change. `rate` and `expected_rate` are there for ratios and quantiles.
    """

    dimension: str
    value: str
    actual: Number
    expected: Number
    change: Number
    share: Number
    rate: Number = None
    expected_rate: Number = None
    in_cause: bool = False


class Segments(Answer):
    """A level of the tree of dimensions: the segment that one has gone down to, and its parts by dimension."""

    within: dict[str, str]
    unit: str
    total: Segment
    parts: dict[str, tuple[Segment, ...]]


class MetricNow(Answer):
    """A metric as the first screen shows it: its last judged window, its curve, the incidents on it."""

    name: str
    title: str
    unit: str
    last: Point | None
    deviation: Number
    abnormal: bool
    curve: Curve


class NowAnswer(Answer):
    """The state now. `counted` are the incidents that make the product abnormal, `aside` other open ones."""

    product: str
    title: str
    state: Literal["normal", "abnormal", "unknown"]
    verdict: Verdict
    why: str
    since: datetime | None
    evaluated_at: datetime | None
    data_until: datetime | None
    caught_up: bool
    by_level: dict[Level, int]
    counted: tuple[Brief, ...]
    aside: tuple[Brief, ...]


class Check(Answer):
    """A check of the quality gate: its last result, and how often it failed in the last day.

    `quiet` ones look at single rows and found nothing wrong all day: the row rules had seen to that.
    """

    check: str
    severity: str
    success: bool
    errored: bool
    observed: str
    expected: str
    why: str
    owner: str
    at: datetime
    failed: int
    judged: int
    quiet: bool


class Held(Answer):
    """A batch that the gate stopped."""

    batch_id: int
    at: datetime
    rows: int
    state: Literal["held", "released", "rejected"]
    stopped_by: tuple[str, ...]
    decided: str | None


class Refused(Answer):
    """Events refused for one reason in the last day, with the newest of them."""

    reason: str
    events: int
    example: str
    place: str
    at: datetime


class QualityAnswer(Answer):
    """What the gate and the row rules decided."""

    product: str
    promotions: dict[str, int]
    checks: tuple[Check, ...]
    held: tuple[Held, ...]
    refused: tuple[Refused, ...]
    refused_total: int


class Classes(Answer):
    """Events by class over a stretch of time."""

    silver: int = 0
    quarantine: int = 0
    duplicates: int = 0
    held: int = 0
    late: int = 0

    @property
    def events(self) -> int:
        """All of them; late ones are part of silver."""
        return self.silver + self.quarantine + self.duplicates + self.held


class Bucket(Answer):
    """Refine in one stretch of time: events read, by class, and how long its batches took."""

    at: datetime
    events: int
    classes: Classes
    seconds: Number


class PipelineAnswer(Answer):
    """How the pipeline does. `waiting` is None where Kafka cannot be asked."""

    product: str
    waiting: int | None
    waiting_why: str | None
    last_batch: datetime | None
    last_tick: datetime | None
    tick_seconds: Number
    per_second: Number
    batch_median: Number
    batch_95: Number
    hour: Classes
    day: Classes
    total: Classes
    batches: int
    course: tuple[Bucket, ...]
