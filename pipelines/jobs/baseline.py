"""The baseline job: learns from gold what is normal and writes it down. The only writer of the table `baseline`.

**Output**: a row per series and run, a run being known by its `until`; the last runs are kept. Beside it, the history
of whole metrics in `curves`, for people to look at. **Impact of failure**:
detection goes on with the run before. To re-run: `pulseiq run baseline PRODUCT`; the same `until` replaces its rows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.detect import baseline
from pipelines.errors import StateError
from pipelines.gold import series
from pipelines.gold.unchanged import refuse_changed
from pipelines.incidents import now
from pipelines.jobs import curves, detect_state, spread
from pipelines.platform import spark as sparks
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

# What happened longer ago says little about now.
LONGEST_HISTORY = timedelta(weeks=8)
# A recorded log has no future: this part of it, from its end, is judged by what came before.
JUDGED_SHARE_OF_A_LOG = 0.25
_KEPT_RUNS = 7
# An incident that is older is what has become of the product: it is learnt.
LONGEST_INCIDENT = timedelta(days=1)


@dataclass(frozen=True)
class BaselineReport:
    """What a run learnt from."""

    product: str
    series: int
    windows: int
    history_days: float
    until: datetime
    seconds: float
    kept_out: str | None = None

    def __str__(self) -> str:
        kept_out = f", when the incident {self.kept_out} began, which is still open" if self.kept_out else ""
        return (
            f"baseline: {self.series} series of {self.product} from {self.history_days:.1f} days of history "
            f"({self.windows} windows) until {self.until:%Y-%m-%d %H:%M} UTC{kept_out}, in {self.seconds:.1f} s"
        )


def run(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    until: datetime | None = None,
    most_cells: int = series.MOST_CELLS,
) -> BaselineReport:
    """Learn the baseline and store it.

    Args:
        most_cells: windows times series up to which it is learnt in the driver, beyond in executors; to the same rows.
        until: end of the history; windows before it are learnt from, later ones can be tested, and are judged anew
            where a baseline had learnt from them. By default all windows that can no longer change (clock `arrival`),
            or the first three quarters of the log (clock `event`), and nothing of an incident that is open.

    Raises:
        StateError: gold has no windows, or too few, before `until`.
    """
    started = time.monotonic()
    lake = Lake(settings)
    gold = lake.table(contract.product, "gold")
    if gold is None:
        raise StateError(f"{contract.product} has no gold yet", hint=f"pulseiq run live {contract.product}")
    refuse_changed(lake, contract)
    version = gold.version()
    uri = settings.table_uri(contract.product, "gold")
    first, last = _span(spark, uri, version, contract)
    given = until is not None
    until, kept_out = (until, None) if until else _default_until(lake, contract, first, last)
    end = _floor(until, contract.window)
    start = max(first, _floor(end - LONGEST_HISTORY, contract.window))
    count = int((end - start) / contract.window)
    if count < baseline.FEWEST_WINDOWS:
        raise StateError(
            f"{contract.product} has {max(count, 0)} windows before {end:%Y-%m-%d %H:%M} UTC, a baseline needs "
            f"{baseline.FEWEST_WINDOWS}",
            hint="let more data arrive first, or bring history in",
        )
    rows = series.gold(sparks.beside(spark), uri, start, end, version)
    if series.segments(rows, contract) * count <= most_cells:
        frame = series.read(spark, uri, contract, start, end, version)
        detect_state.store_baseline(lake, contract, baseline.fit(frame, contract, end), _KEPT_RUNS, last=given)
    else:
        where = detect_state.replaced_baseline(lake, contract, end, _KEPT_RUNS, last=given)
        with spread.learnt(rows, contract, start, end) as found:
            spread.replace(found, settings.table_uri(contract.product, "baseline"), where)
        frame = series.read(spark, uri, contract, start, end, version, only=())
    curves.store_learnt(lake, contract, frame, end)
    known = detect_state.newest_baseline(lake, contract, end)
    return BaselineReport(
        product=contract.product,
        series=known[1] if known else 0,
        windows=count,
        history_days=(end - start) / timedelta(days=1),
        until=end,
        seconds=round(time.monotonic() - started, 1),
        kept_out=kept_out,
    )


def _span(spark: SparkSession, uri: str, version: int, contract: Contract) -> tuple[datetime, datetime]:
    """Start of the first window in gold, and end of the last."""
    rows = spark.read.format("delta").option("versionAsOf", version).load(uri)
    found = rows.agg(
        F.min(F.unix_seconds("window_start")).alias("first"), F.max(F.unix_seconds("window_start")).alias("last")
    ).first()
    if found is None or found["first"] is None:
        raise StateError(f"{contract.product} has no windows in gold yet", hint=f"pulseiq run live {contract.product}")
    return datetime.fromtimestamp(found["first"], UTC), datetime.fromtimestamp(found["last"], UTC) + contract.window


def _default_until(lake: Lake, contract: Contract, first: datetime, last: datetime) -> tuple[datetime, str | None]:
    """The end of the history, and the incident that it ends before, if there is one."""
    if contract.clock == "event":
        return last - (last - first) * JUDGED_SHARE_OF_A_LOG, None
    at = datetime.now(UTC)
    until = at - contract.allowed_lateness
    begun = [(each.since.replace(tzinfo=UTC), each.incident_id) for each in now.ask(lake, contract, at).counted]
    recent = [each for each in begun if until - LONGEST_INCIDENT < each[0] < until]
    return min(recent, default=(until, None))


def _floor(moment: datetime, window: timedelta) -> datetime:
    return pd.Timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).floor(window).to_pydatetime()
