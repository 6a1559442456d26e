"""The detect loop's tick: every window that can still change is judged anew, from one version of gold.

It is a clock, not a stream: when nothing arrives, no batch fires, and silence must be seen too. A window is judged
only after its end, and only when refine has read everything that Kafka held then; otherwise the answer is "unknown".
**Output**: tables evidence, incidents and ticks, keyed so that a tick run again replaces its own.
**Impact of failure**: no new answers; the next tick catches up.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.detect import DETECTOR_VERSION
from pipelines.gold import leaves, series
from pipelines.incidents import Incident
from pipelines.incidents.find import Asked, find, usual_of
from pipelines.incidents.lifecycle import carry_over
from pipelines.jobs import detect_state
from pipelines.jobs.span import LONGEST
from pipelines.platform import kafka
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

EndOffsets = Mapping[str, Mapping[int, int]]

VERSION = str(DETECTOR_VERSION)
# Facts of this stretch before the first window say what is usual.
_FACTS_BEFORE = timedelta(days=1)
_KEPT_TICKS = timedelta(days=7)
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class TickReport:
    """What one tick did. `state` is `abnormal`, `normal`, or why that is not known."""

    state: str
    now: datetime
    data_until: datetime | None
    caught_up: bool
    windows: int
    open_incidents: int
    gold_version: int | None
    seconds: float


def tick(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    now: datetime,
    *,
    end_offsets: EndOffsets | None = None,
    patience: float = 10.0,
) -> TickReport:
    """Judge every window since the baseline that has ended by `now`.

    Args:
        now: the wall clock; for a product with clock `event` the log's own time takes its place.
        end_offsets: topic -> partition -> end offset at `now`; asked of Kafka when None.
        patience: seconds to wait for refine to reach those offsets.
    """
    started = time.monotonic()
    now = now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
    lake = Lake(settings)
    ends = _ends(settings, contract, end_offsets)
    caught_up = _wait(lake, contract, ends, patience)
    ticks = detect_state.last_ticks(lake, contract)
    gold = lake.table(contract.product, "gold")
    uri = settings.table_uri(contract.product, "gold")
    if contract.clock == "event" and gold is not None:
        now = _log_time(spark, settings, contract) or now
    data_until = now if caught_up else _last_data(ticks)
    version = gold.version() if gold is not None else None
    judged: Sequence[datetime] = []
    found: list[Incident] = []
    state = "unknown: no data yet"
    confirmed = None
    learnt = pd.DataFrame()
    if version is not None and data_until is not None:
        learnt = detect_state.load_baseline(lake, contract, before=data_until)
        if not len(learnt):
            state = f"unknown: no baseline, next: pulseiq run baseline {contract.product}"
        else:
            confirmed = data_until - (contract.allowed_lateness if contract.clock == "arrival" else timedelta())
            round_ = _Round(spark, lake, uri, version, contract, learnt, data_until, confirmed)
            judged, found = round_.run(_unchanged(ticks, learnt))
            state = "abnormal" if any(each.counts for each in found) else "normal"
    if not caught_up:
        state = f"unknown: no data since {data_until:%Y-%m-%d %H:%M} UTC" if data_until else "unknown: no data yet"
    seconds = round(time.monotonic() - started, 3)
    tick_at = datetime.now(UTC)
    still_open = sum(each.counts for each in found)
    row = {
        "tick_at": tick_at,
        "now": now,
        "data_until": data_until,
        "caught_up": caught_up,
        "windows": len(judged),
        "gold_version": version,
        "baseline_until": learnt["until"].iloc[0].tz_localize("UTC") if len(learnt) else None,
        "confirmed_until": confirmed,
        "incidents": still_open,
        "seconds": seconds,
        "detector_version": VERSION,
    }
    detect_state.store_tick(lake, contract, row, keep_since=tick_at - _KEPT_TICKS)
    return TickReport(state, now, data_until, caught_up, len(judged), still_open, version, seconds)


class _Round:
    """One evaluation at one version of gold."""

    def __init__(
        self,
        spark: SparkSession,
        lake: Lake,
        uri: str,
        version: int,
        contract: Contract,
        learnt: pd.DataFrame,
        data_until: datetime,
        confirmed: datetime,
    ) -> None:
        self._spark, self._lake, self._uri, self._version = spark, lake, uri, version
        self._contract, self._learnt, self._confirmed = contract, learnt, confirmed
        self._start = learnt["until"].iloc[0].tz_localize("UTC").to_pydatetime()
        last = pd.Timestamp(data_until).floor(contract.window).to_pydatetime()
        self._end = min(last, self._start + LONGEST)

    def run(self, unchanged_until: datetime | None) -> tuple[Sequence[datetime], list[Incident]]:
        """Judge and store; windows before `unchanged_until` keep the evidence that they have."""
        if self._end <= self._start:
            return [], []
        contract, lake = self._contract, self._lake
        usual = usual_of(self._learnt)
        frame = series.read(self._spark, self._uri, contract, self._start, self._end, self._version, usual)
        facts, results = detect_state.facts_and_results(lake, contract, self._start - _FACTS_BEFORE)
        found = find(contract, frame, self._learnt, facts, results, self._leaves, self._confirmed)
        incidents = carry_over(found.incidents, detect_state.load_incidents(lake, contract), self._start, self._end)
        since = max(self._start, unchanged_until or self._start)
        detect_state.store_evidence(lake, contract, found.evidence, since, VERSION)
        detect_state.store_incidents(lake, contract, incidents)
        return found.windows, [each for each in incidents if each.state != "retracted"]

    def _leaves(self, asked: Asked) -> pd.DataFrame:
        return leaves.read(
            self._spark,
            self._uri,
            self._contract,
            asked.metric,
            asked.windows,
            asked.history,
            self._version,
            expected_total=asked.expected_total,
            usual=asked.usual,
        )


def _ends(settings: Settings, contract: Contract, given: EndOffsets | None) -> dict[tuple[str, int], int]:
    if given is None:
        given = {topic: kafka.end_offsets(settings, topic) for topic in (contract.topic, contract.redrive_topic)}
    return {(topic, partition): end for topic, ends in given.items() for partition, end in ends.items()}


def _wait(lake: Lake, contract: Contract, ends: dict[tuple[str, int], int], patience: float) -> bool:
    """Whether refine reaches the end offsets within `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        if detect_state.reached(lake, contract.product).has(ends):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)


def _last_data(ticks: pd.DataFrame) -> datetime | None:
    """Until when the data were known to be complete."""
    known = ticks["data_until"].dropna()
    return None if not len(known) else pd.Timestamp(known.max()).tz_localize("UTC").to_pydatetime()


def _unchanged(ticks: pd.DataFrame, learnt: pd.DataFrame) -> datetime | None:
    """Until when evidence was final at an earlier tick of this detector and this baseline."""
    same = ticks[(ticks["baseline_until"] == learnt["until"].iloc[0]) & (ticks["detector_version"] == VERSION)]
    known = same["confirmed_until"].dropna()
    return None if not len(known) else pd.Timestamp(known.max()).tz_localize("UTC").to_pydatetime()


def _log_time(spark: SparkSession, settings: Settings, contract: Contract) -> datetime | None:
    """A log's own time: the least over partitions of the greatest event time, so that no partition is left behind."""
    silver = spark.read.format("delta").load(settings.table_uri(contract.product, "silver"))
    greatest = silver.groupBy("kafka_topic", "kafka_partition").agg(F.max(F.unix_seconds("event_time")).alias("at"))
    found = greatest.agg(F.min("at").alias("at")).first()
    return datetime.fromtimestamp(found["at"], UTC) if found is not None and found["at"] is not None else None
