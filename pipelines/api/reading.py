"""What the web app reads of one product, each answer made once per version of the tables that it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pandas as pd

from pipelines.api import incident as pages_of
from pipelines.api import pipeline, quality, segments
from pipelines.api.model import Brief, Curve, Full, MetricNow, NowAnswer, PipelineAnswer, QualityAnswer, Segments
from pipelines.api.refusal import UnknownError
from pipelines.api.series import curve_of, metric_now, split
from pipelines.contract import Contract, Metric
from pipelines.errors import UsageError
from pipelines.gold import local_leaves
from pipelines.gold.leaves import dimensions_of
from pipelines.incidents import now as state
from pipelines.incidents import responses, store
from pipelines.incidents.find import asked
from pipelines.incidents.now import Now
from pipelines.incidents.record import Incident
from pipelines.incidents.responses import Response
from pipelines.incidents.store import Tick
from pipelines.jobs import curves, detect_state
from pipelines.platform.open_lake import OpenLake

T = TypeVar("T")

# The first screen shows a day, or as many windows where these are long.
_SHOWN, _SHOWN_WINDOWS = timedelta(days=1), 96
_LONGEST_SHOWN = timedelta(days=60)
# Windows shown before and after an incident's own.
_AROUND = 24


class Reader:
    """Reads one product's lake; safe for any number of threads."""

    def __init__(
        self, lake: OpenLake, contract: Contract, waiting: Callable[[dict[tuple[str, int], int]], int]
    ) -> None:
        """`waiting` says how many records Kafka holds beyond the given offsets; it may raise ServiceError."""
        self.lake, self.contract = lake, contract
        self._waiting = pipeline.Waiting(lambda: waiting(dict(self.batches().reached)))
        self.product = contract.product

    def stamp(self) -> str:
        """Changes whenever anything that is shown has changed."""
        tables = ("ticks", "incidents", responses.TABLE, "batches", "quality_results")
        return "-".join(str(self.lake.version(self.product, each)[1]) for each in tables)

    # The state.

    def tick(self) -> Tick | None:
        """The last tick of the detect loop."""
        return self._kept("tick", ("ticks",), lambda: store.last_tick(self.lake, self.product))

    def incidents(self) -> list[Incident]:
        """Every incident, retracted ones too; the most severe first."""
        return self._kept("incidents", ("incidents",), lambda: store.incidents(self.lake, self.product, retracted=True))

    def said(self) -> list[Response]:
        """What people said."""
        return self._kept("said", (responses.TABLE,), lambda: responses.read(self.lake, self.product))

    def heard(self) -> Contract:
        """The contract with people's mutes."""
        return responses.heard(self.contract, self.said())

    def now(self, at: datetime) -> Now:
        """The state, as `pulseiq now` says it."""
        found = [each for each in self.incidents() if each.open and each.state != "retracted"]
        return state.judge(self.contract, self.tick(), found, self.said(), at)

    def now_answer(self, at: datetime) -> NowAnswer:
        """The state with its incidents in short."""
        return pages_of.now_answer(self.contract, self.now(at), self.said())

    def briefs(self, *, retracted: bool = False) -> list[Brief]:
        """Incidents in one line each, newest first."""
        said = responses.of_incidents(self.said())
        found = [each for each in self.incidents() if retracted or each.state != "retracted"]
        return [
            pages_of.brief(each, said.get(each.incident_id, ()))
            for each in sorted(found, key=lambda each: (each.since, each.incident_id), reverse=True)
        ]

    # Curves.

    def metrics_now(self) -> tuple[MetricNow, ...]:
        """Every metric with its curve of the last day."""
        return self._kept("metrics", (curves.TABLE, "ticks", "incidents"), self._metrics_now)

    def kept_with_metrics(self, name: str, make: Callable[[], T]) -> T:
        """What a page makes of `metrics_now`, made again only when that is."""
        return self._kept(name, (curves.TABLE, "ticks", "incidents"), make)

    def _metrics_now(self) -> tuple[MetricNow, ...]:
        tick = self.tick()
        until = tick.data_until if tick is not None and tick.data_until is not None else datetime.now(UTC)
        span = min(max(_SHOWN, _SHOWN_WINDOWS * self.contract.window), _LONGEST_SHOWN)
        found = curves.wholes(self.lake, self.contract, *self._windows(until - span, until))
        hit = {each.metric for each in self.incidents() if each.counts and each.state != "retracted"}
        shown = [metric for metric in self.contract.metrics if metric.name in found]
        return tuple(metric_now(self.contract, each, found[each.name], each.name in hit) for each in shown)

    def curve(self, series: str, since: datetime, until: datetime, learnt_before: datetime | None = None) -> Curve:
        """The curve of a whole metric or of a segment.

        Raises:
            UnknownError: it is not a series of the product, or a segment that nothing is known of in the stretch.
            UsageError: the stretch is empty or too long.
        """
        found = self._curve(series, since, until, learnt_before)
        if "{" in series and not found.points and not found.banded:
            first, last = self._windows(since, until)
            raise UnknownError(
                f"'{series[:80]}' has no window from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
                hint="check the spelling of the value, or ask for more days",
            )
        return found

    def _curve(self, series: str, since: datetime, until: datetime, learnt_before: datetime | None) -> Curve:
        """A curve, without points where nothing is known."""
        metric, dims = split(self.contract, series)
        first, last = self._windows(since, until)
        if dims:
            key = ("curve", series, first, last, learnt_before)
            course = self._kept(
                key,
                ("gold", "baseline", responses.TABLE),
                lambda: curves.of_part(self.lake, self.heard(), metric, dims, first, last, learnt_before or last),
            )
            return curve_of(self.contract, metric, dims, course.rows, banded=course.banded)
        rows = curves.wholes(self.lake, self.contract, first, last).get(metric.name, pd.DataFrame())
        return curve_of(self.contract, metric, {}, rows, banded=True)

    def _windows(self, since: datetime, until: datetime) -> tuple[datetime, datetime]:
        step = pd.Timedelta(self.contract.window)
        first = pd.Timestamp(since).floor(step).to_pydatetime()
        last = pd.Timestamp(until).ceil(step).to_pydatetime()
        if last <= first or last - first > _LONGEST_SHOWN:
            raise UsageError(
                f"from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} is no stretch of at most "
                f"{_LONGEST_SHOWN.days} days",
                hint="give since before until",
            )
        return first, last

    # One incident.

    def incident(self, name: str) -> Incident:
        """The incident with an id, or with its beginning.

        Raises:
            UnknownError: there is none, or more than one.
        """
        found = [each for each in self.incidents() if each.incident_id == name]
        found = found or [each for each in self.incidents() if each.incident_id.startswith(name)]
        if len(found) != 1:
            what = f"{len(found)} incidents" if found else "no incident"
            raise UnknownError(
                f"{what} of {self.product} {'begin' if found else 'begins'} with '{name}'",
                hint=f"pulseiq incidents list {self.product}",
            )
        return found[0]

    def full(self, found: Incident) -> Full:
        """An incident with every number behind it."""
        said = responses.of_incidents(self.said()).get(found.incident_id, [])
        rows = self._kept(
            ("evidence", found.incident_id, found.until), ("evidence",), lambda: pages_of.fired(self.lake, found)
        )
        return pages_of.full(self.contract, found, said, rows)

    def incident_curves(self, found: Incident) -> list[Curve]:
        """The curve of the leading cause's segment, where there is one, and of the whole metric."""
        if found.metric not in {each.name for each in self.contract.metrics}:
            return []
        since, until = (each.replace(tzinfo=UTC) for each in (found.since, found.until))
        step = self.contract.window
        first, last = since - _AROUND * step, until + _AROUND * step
        tick = self.tick()
        if tick is not None and tick.data_until is not None:
            last = max(min(last, tick.data_until), until)
        names = [
            pages_of.series_of(self.contract, found, cause.elements) for cause in found.causes[:1] if cause.elements
        ]
        return [self._curve(each, first, last, since) for each in [*names, found.metric]]

    def segments(self, found: Incident, within: dict[str, str]) -> Segments | None:
        """A level of the tree of dimensions; None where the incident is not about a metric.

        Raises:
            UnknownError: `within` names what is no dimension of the metric, or one of its values that did not occur.
        """
        metric = next((each for each in self.contract.metrics if each.name == found.metric), None)
        if metric is None:
            return None
        leaves = self._kept(
            ("leaves", found.incident_id, found.since, found.until),
            ("gold", "baseline"),
            lambda: self._leaves(found, metric),
        )
        if leaves is None:
            return None
        dims = dimensions_of(self.contract, metric)
        for name, value in within.items():
            if name not in dims or value not in set(leaves[name]):
                raise UnknownError(
                    f"no leaf of {metric.name} has {name} = {value}", hint=f"dimensions: {', '.join(dims)}"
                )
        return segments.level(leaves, metric, dims, within, [each.elements for each in found.causes])

    def _leaves(self, found: Incident, metric: Metric) -> pd.DataFrame | None:
        since, until = (each.replace(tzinfo=UTC) for each in (found.since, found.until))
        learnt = detect_state.load_baseline(self.lake, self.contract, before=since)
        if not len(learnt):
            return None
        whole = curves.wholes(self.lake, self.contract, since, until).get(metric.name, pd.DataFrame())
        what = asked(self.contract, whole, learnt, metric, found.since, found.until)
        leaves = local_leaves.read(
            self.lake, self.contract, metric, what.windows, what.history,
            expected_total=what.expected_total, usual=what.usual,
        )  # fmt: skip
        return segments.prepared(leaves, metric) if len(leaves) else None

    # Data and pipeline.

    def quality(self) -> QualityAnswer:
        """What the gate and the row rules decided."""
        tables = ("quality_results", "batches", "quarantine", "command_log")
        return self._kept("quality", tables, lambda: quality.answer(self.lake, self.product))

    def batches(self) -> pipeline.Batches:
        """Batches of the last day, and how far refine has read."""
        return self._kept("batches", ("batches",), lambda: pipeline.read(self.lake, self.product))

    def pipeline(self, at: datetime) -> PipelineAnswer:
        """How the pipeline does."""
        # Stretches end now or with the newest batch; nobody sees the seconds in between.
        at = at.replace(second=0, microsecond=0)
        found = self._kept(
            ("pipeline", at),
            ("batches", "ticks"),
            lambda: pipeline.answer(
                self.product, self.batches(), self.tick(), pipeline.tick_seconds(self.lake, self.product), at
            ),
        )
        waiting, why = self._waiting.now()
        return found.model_copy(update={"waiting": waiting, "waiting_why": why})

    def _kept(self, key: object, tables: Sequence[str], make: Callable[[], T]) -> T:
        return self.lake.kept((self.product, key), self.product, tuple(tables), make)
