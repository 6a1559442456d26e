"""Curves that people look at: the table `curves`, a roll-up of whole metrics, and a part's curve made when asked for.

A curve's row has window_start, value and, where the window was judged, expected, low, high, p_value and fired. What
the baseline was learnt from has the value alone. Nothing here decides anything: the numbers are the detect loop's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import Contract, Metric
from pipelines.detect import evidence as rows_of
from pipelines.detect import learnt
from pipelines.detect.evaluate import heard_metrics, judge, limits
from pipelines.detect.grid import to_grid, window_range
from pipelines.gold import local
from pipelines.jobs import detect_state
from pipelines.jobs.span import LONGEST
from pipelines.platform.lake import Lake

TABLE = "curves"
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        ("metric", pa.string()),
        ("window_start", _TIME),
        ("judged", pa.bool_()),
        ("value", pa.float64()),
        ("expected", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("fired", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Course:
    """One series over time: `rows` has window_start (UTC, without zone) and a curve's columns, in order of time.

    `banded` says whether the baseline follows the series, so that its judged windows have an expected band.
    """

    metric: Metric
    dims: dict[str, str]
    rows: pd.DataFrame
    banded: bool


def store_judged(lake: Lake, contract: Contract, evidence: pd.DataFrame, begin: datetime, since: datetime) -> None:
    """Put the whole metrics' judged windows in the roll-up.

    Args:
        evidence: of every window from `begin` on, from `detect.evaluate`.
        since: windows before it are there already. The day that it lies in is written anew, so that a day ends as one
            file however often the loop turned in it.
    """
    day = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = max(begin.astimezone(UTC), day)
    own = evidence[
        (evidence["series"] == evidence["metric"])
        & (evidence["test"] == "point")
        & (evidence["window_start"] >= pd.Timestamp(first).tz_convert(None))
    ]
    # A window in which any test of the whole fired is marked, not only the one whose numbers are drawn.
    fired = evidence[evidence["fired"] & (evidence["series"] == evidence["metric"])]
    marks = pd.MultiIndex.from_frame(fired[["metric", "window_start"]])
    keys = pd.MultiIndex.from_frame(own[["metric", "window_start"]])
    rows = own.assign(judged=True, fired=keys.isin(marks))
    where = f"day >= '{first.date()}' AND window_start >= '{_text(first)}'"
    lake.replace(contract.product, TABLE, _arrow(rows), where, partition_by=("day",))


def store_learnt(lake: Lake, contract: Contract, frame: pd.DataFrame, until: datetime) -> None:
    """Put the windows that a baseline was learnt from in the roll-up, those left out that have been judged.

    Args:
        frame: series frame of the history.
        until: its end.
    """
    known = lake.read(contract.product, TABLE, ["window_start"], pc.field("judged"))
    judged = (
        known["window_start"].to_pandas().dt.tz_convert(None) if known.num_rows else pd.Series(dtype="datetime64[ns]")
    )
    own = frame[(frame["series"] == frame["metric"]) & ~frame["window_start"].isin(judged)]
    blank = dict.fromkeys(("expected", "low", "high", "p_value"), float("nan"))
    rows = own.assign(judged=False, fired=False, **blank)
    where = f"window_start < '{_text(until)}' AND NOT judged"
    lake.replace(contract.product, TABLE, _arrow(rows), where, partition_by=("day",))


def wholes(lake: Lake, contract: Contract, since: datetime, until: datetime) -> dict[str, pd.DataFrame]:
    """Rows of every metric's curve with windows that start in [since, until), by metric; from the roll-up."""
    inside = (pc.field("window_start") >= _scalar(since)) & (pc.field("window_start") < _scalar(until))
    found = lake.read(contract.product, TABLE, filter=inside)
    if not found.num_rows:
        return {}
    frame = found.to_pandas()
    frame["window_start"] = frame["window_start"].dt.tz_convert(None)
    frame = frame.sort_values("window_start", kind="stable")
    return {str(name): part.reset_index(drop=True) for name, part in frame.groupby("metric", sort=False)}


def of_part(
    lake: Lake,
    contract: Contract,
    metric: Metric,
    dims: dict[str, str],
    since: datetime,
    until: datetime,
    learnt_before: datetime,
) -> Course:
    """The curve of a segment in the windows of [since, until), from gold and a baseline.

    Args:
        learnt_before: the baseline is the newest that was learnt from windows before this. Its windows have no band;
            nor have any where the baseline does not follow the segment.
    """
    seconds = int(contract.window.total_seconds())
    baseline = detect_state.load_baseline(lake, contract, before=learnt_before)
    known = learnt.from_rows(baseline, metric) if len(baseline) else None
    row = next((i for i, each in enumerate(known.dims) if dict(each) == dims), None) if known is not None else None
    if known is None or row is None:
        return Course(metric, dims, _plain(local.read(lake, contract, metric, dims, since, until)), banded=False)
    own = known.only([row])
    begin = datetime.fromtimestamp(int(own.until.astype("datetime64[s]").astype("int64")), UTC)
    stop = min(until, begin + LONGEST)
    usual = {own.names[0]: float(own.usual[0])}
    frame = local.read(lake, contract, metric, dims, min(since, begin), stop, usual=usual)
    border = pd.Timestamp(begin).tz_convert(None)
    before = frame[(frame["window_start"] < border) & (frame["window_start"] >= pd.Timestamp(since).tz_convert(None))]
    if stop <= begin:
        return Course(metric, dims, _plain(before), banded=True)
    windows = window_range(own.until, pd.Timestamp(stop).tz_convert(None).to_datetime64(), seconds)
    grid = to_grid(frame[frame["window_start"] >= border], metric, windows, own.names)
    told = contract.sensitivity
    limit = limits(known, told, heard_metrics(baseline, contract, pd.Timestamp(windows[-1])))[[row]]
    judged = judge(grid, own, told, 1, limit)
    after = rows_of.course(judged, 0)
    after = after[after["window_start"] >= pd.Timestamp(since).tz_convert(None)]
    return Course(metric, dims, pd.concat([_plain(before), after], ignore_index=True), banded=True)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Values alone, in a curve's columns."""
    blank = dict.fromkeys(("expected", "low", "high", "p_value"), float("nan"))
    return frame[["window_start", "value"]].assign(judged=False, fired=False, **blank).reset_index(drop=True)


def _arrow(rows: pd.DataFrame) -> pa.Table:
    rows = rows.assign(day=rows["window_start"].dt.date)
    columns = [
        pa.array(rows[field.name].dt.tz_localize("UTC") if field.type == _TIME else rows[field.name], type=field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _scalar(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment.astimezone(UTC), type=_TIME)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
