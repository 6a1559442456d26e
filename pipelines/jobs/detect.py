"""The detect loop's tick: every window that can still change is judged anew, from one version of gold.

It is a clock, not a stream: when nothing arrives, no batch fires, and silence must be seen too. A window is judged
only after its end, and only when refine has read everything that Kafka held then; otherwise the answer is "unknown".
**Output**: tables evidence, curves, incidents and ticks, keyed so that a tick run again replaces its own.
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
from pipelines.explain import Explanation
from pipelines.gold import leaves, series
from pipelines.incidents import Incident, responses
from pipelines.incidents.find import EXPLAINED_AS, Asked, Findings, find, found_in, usual_of
from pipelines.incidents.lifecycle import carry_over
from pipelines.jobs import audit_state, curves, detect_state, spread, spread_leaves
from pipelines.jobs.span import LONGEST
from pipelines.platform import kafka
from pipelines.platform import spark as sparks
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
    most_cells: int = series.MOST_CELLS,
) -> TickReport:
    """Judge every window since the baseline that has ended by `now`.

    Args:
        now: the wall clock; for a product with clock `event` the log's own time takes its place.
        end_offsets: topic -> partition -> end offset at `now`; asked of Kafka when None.
        patience: seconds to wait for refine to reach those offsets.
        most_cells: windows times series up to which the driver judges, beyond it executors; to the same end.
    """
    started = time.monotonic()
    now = now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)
    lake = Lake(settings)
    contract = responses.heard(contract, responses.read(lake, contract.product))
    ends = _ends(settings, contract, end_offsets)
    caught_up = _wait(lake, contract, ends, patience)
    ticks = detect_state.last_ticks(lake, contract)
    gold = lake.table(contract.product, "gold")
    if contract.clock == "event" and gold is not None:
        now = _log_time(spark, settings, contract) or now
    data_until = now if caught_up else _last_data(ticks)
    version = gold.version() if gold is not None else None
    judged: Sequence[datetime] = []
    found: list[Incident] = []
    state = "unknown: no data yet"
    confirmed = None
    baseline = None
    if version is not None and data_until is not None:
        baseline = detect_state.newest_baseline(lake, contract, before=data_until)
        if baseline is None:
            state = f"unknown: no baseline, next: pulseiq run baseline {contract.product}"
        else:
            confirmed = data_until - (contract.allowed_lateness if contract.clock == "arrival" else timedelta())
            round_ = _Round(spark, lake, settings, version, contract, baseline, data_until, confirmed, most_cells)
            judged, found = round_.run(_unchanged(ticks, baseline[0]))
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
        "baseline_until": baseline[0] if baseline else None,
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
        settings: Settings,
        version: int,
        contract: Contract,
        baseline: tuple[datetime, int],
        data_until: datetime,
        confirmed: datetime,
        most_cells: int,
    ) -> None:
        self._spark, self._lake, self._settings, self._version = spark, lake, settings, version
        self._uri = settings.table_uri(contract.product, "gold")
        self._contract, self._confirmed = contract, confirmed
        self._start, count = baseline
        last = pd.Timestamp(data_until).floor(contract.window).to_pydatetime()
        self._end = min(last, self._start + LONGEST)
        self._spread = count * ((self._end - self._start) / contract.window) > most_cells

    def run(self, unchanged_until: datetime | None) -> tuple[Sequence[datetime], list[Incident]]:
        """Judge and store; windows before `unchanged_until` keep the evidence that they have."""
        if self._end <= self._start:
            return [], []
        contract, lake = self._contract, self._lake
        since = max(self._start, unchanged_until or self._start)
        facts, results = detect_state.facts_and_results(lake, contract, self._start - _FACTS_BEFORE)
        results = pd.concat([results, audit_state.failures(lake, contract, self._start)], ignore_index=True)
        found = (self._in_executors if self._spread else self._in_driver)(facts, results, since)
        incidents = carry_over(found.incidents, detect_state.load_incidents(lake, contract), self._start, self._end)
        curves.store_judged(lake, contract, found.evidence, self._start, since)
        detect_state.store_incidents(lake, contract, incidents)
        return found.windows, [each for each in incidents if each.state != "retracted"]

    def _in_driver(self, facts: pd.DataFrame, results: pd.DataFrame, since: datetime) -> Findings:
        contract = self._contract
        learnt = detect_state.load_baseline(self._lake, contract, before=self._start)
        usual, names = usual_of(learnt), set(learnt["series"])
        frame = series.read(self._spark, self._uri, contract, self._start, self._end, self._version, usual, names)
        found = find(contract, frame, learnt, facts, results, self._explanation, self._confirmed)
        detect_state.store_evidence(self._lake, contract, found.evidence, since, VERSION)
        return found

    def _in_executors(self, facts: pd.DataFrame, results: pd.DataFrame, since: datetime) -> Findings:
        contract, lake = self._contract, self._lake
        spark = sparks.beside(self._spark)
        rows = series.gold(spark, self._uri, self._start, self._end, self._version)
        known = spark.read.format("delta").load(self._settings.table_uri(contract.product, "baseline"))
        known = known.where(F.col("until") == F.lit(self._start))
        uri, where = (
            self._settings.table_uri(contract.product, "evidence"),
            detect_state.replaced_evidence(since, VERSION),
        )
        with spread.judged(rows, known, contract, self._start, self._end) as evidence:
            told = spread.told(evidence, contract)
            new = evidence.where(F.col("window_start") >= F.lit(since)).withColumn("detector_version", F.lit(VERSION))
            spread.replace(new, uri, where)
        windows = tuple(
            datetime.fromtimestamp(int(at), UTC).replace(tzinfo=None)
            for at in series.windows_of(contract, self._start, self._end)
        )
        wholes = detect_state.load_wholes(lake, contract, self._start)
        return found_in(contract, windows, told, wholes, facts, results, self._explanation, self._confirmed)

    def _explanation(self, asked: Asked) -> Explanation:
        found = leaves.sums(
            self._spark,
            self._uri,
            self._contract,
            asked.metric,
            asked.windows,
            asked.history,
            self._version,
            usual=asked.usual,
        )
        share = leaves.share_of_history(self._contract, asked.metric, asked.windows, asked.history)
        dims = leaves.dimensions_of(self._contract, asked.metric)
        return spread_leaves.explain(
            found, asked.metric, dims, EXPLAINED_AS[asked.metric.kind], asked.expected_total, share
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


def _unchanged(ticks: pd.DataFrame, until: datetime) -> datetime | None:
    """Until when evidence was final at an earlier tick of this detector and the baseline that ends there."""
    ends = pd.Timestamp(until).tz_convert("UTC").tz_localize(None)
    same = ticks[(ticks["baseline_until"] == ends) & (ticks["detector_version"] == VERSION)]
    known = same["confirmed_until"].dropna()
    return None if not len(known) else pd.Timestamp(known.max()).tz_localize("UTC").to_pydatetime()


def _log_time(spark: SparkSession, settings: Settings, contract: Contract) -> datetime | None:
    """A log's own time: the least over partitions of the greatest event time, so that no partition is left behind."""
    silver = spark.read.format("delta").load(settings.table_uri(contract.product, "silver"))
    greatest = silver.groupBy("kafka_topic", "kafka_partition").agg(F.max(F.unix_seconds("event_time")).alias("at"))
    found = greatest.agg(F.min("at").alias("at")).first()
    return datetime.fromtimestamp(found["at"], UTC) if found is not None and found["at"] is not None else None
