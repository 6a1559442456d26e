"""How the pipeline does: what refine read, into which class, how fast, and how far behind Kafka it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from pipelines.api.model import Bucket, Classes, PipelineAnswer
from pipelines.errors import ServiceError
from pipelines.incidents.store import Tick
from pipelines.platform.lake import Lake

CLASSES = ("silver", "quarantine", "duplicates", "held", "late")
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_BUCKETS = 48
# Seconds that the very first answer may take.
_PATIENCE = 0.15


@dataclass(frozen=True)
class Batches:
    """What the table `batches` says: `rows` has batch_time (UTC, without zone), rows_in, seconds and the classes.

    `reached` is, per topic and partition, the first offset that was not read.
    """

    rows: pd.DataFrame
    reached: Mapping[tuple[str, int], int]


def read(lake: Lake, product: str) -> Batches:
    """All batches of a product."""
    found = lake.read(product, "batches", ["batch_time", "rows_in", "seconds", *CLASSES, "offsets"])
    if not found.num_rows:
        return Batches(pd.DataFrame(columns=["batch_time", "rows_in", "seconds", *CLASSES]), {})
    spans = pc.list_flatten(found["offsets"]).combine_chunks()
    ends = pd.DataFrame({name: spans.field(name).to_pandas() for name in ("topic", "partition", "until_offset")})
    reached = ends.groupby(["topic", "partition"], as_index=False)["until_offset"].max()
    rows = found.drop_columns(["offsets"]).to_pandas()
    rows["batch_time"] = rows["batch_time"].dt.tz_convert(None)
    rows = rows.fillna(dict.fromkeys(CLASSES, 0)).sort_values("batch_time", ignore_index=True)
    return Batches(
        rows, {(str(each.topic), int(each.partition)): int(each.until_offset) for each in reached.itertuples()}
    )


def tick_seconds(lake: Lake, product: str) -> float | None:
    """How long the last tick of the detect loop took."""
    rows = lake.read(product, "ticks", ["tick_at", "seconds"]).to_pylist()
    return float(max(rows, key=lambda row: row["tick_at"])["seconds"]) if rows else None


class Waiting:
    """Records that wait in Kafka, asked for beside the pages: a broker that does not answer must not hold one up."""

    def __init__(self, ask: Callable[[], int], fresh_seconds: float = 3.0) -> None:
        """`ask` may raise ServiceError."""
        self._ask, self._fresh = ask, fresh_seconds
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._asking: threading.Thread | None = None
        self._said: tuple[int | None, str | None] = (None, "not asked yet")

    def now(self) -> tuple[int | None, str | None]:
        """The number, or None and why it is not known; as it was at most a moment ago, or when Kafka last answered."""
        with self._lock:
            idle = self._asking is None or not self._asking.is_alive()
            if idle and time.monotonic() - self._asked_at > self._fresh:
                self._asked_at = time.monotonic()
                self._asking = threading.Thread(target=self._renew, daemon=True, name="kafka")
                self._asking.start()
            asking, first = self._asking, self._said[1] == "not asked yet"
        if first and asking is not None:
            asking.join(_PATIENCE)
        return self._said

    def _renew(self) -> None:
        try:
            self._said = (self._ask(), None)
        except ServiceError as error:
            self._said = (None, str(error))


def answer(
    product: str,
    batches: Batches,
    tick: Tick | None,
    seconds_of_tick: float | None,
    at: datetime,
) -> PipelineAnswer:
    """The pipeline's figures at a moment; stretches end with the newest batch where that is older."""
    rows = batches.rows
    last = rows["batch_time"].iloc[-1].to_pydatetime().replace(tzinfo=UTC) if len(rows) else None
    end = min(at, last + timedelta(minutes=1)) if last else at
    hour, day = (_since(rows, end - span) for span in (_HOUR, _DAY))
    took = day["seconds"].to_numpy(dtype=float)
    return PipelineAnswer(
        product=product,
        waiting=None,
        waiting_why=None,
        last_batch=last,
        last_tick=tick.tick_at if tick else None,
        tick_seconds=seconds_of_tick,
        per_second=float(hour["rows_in"].sum()) / _HOUR.total_seconds() if len(hour) else 0.0,
        batch_median=float(np.median(took)) if len(took) else None,
        batch_95=float(np.quantile(took, 0.95)) if len(took) else None,
        hour=_classes(hour),
        day=_classes(day),
        total=_classes(rows),
        batches=len(rows),
        course=_course(day, end),
    )


def _since(rows: pd.DataFrame, moment: datetime) -> pd.DataFrame:
    return rows[rows["batch_time"] >= pd.Timestamp(moment).tz_convert(None)]


def _classes(rows: pd.DataFrame) -> Classes:
    return Classes(**{name: int(rows[name].sum()) for name in CLASSES})


def _course(day: pd.DataFrame, end: datetime) -> tuple[Bucket, ...]:
    """The day in equal stretches; one without a batch has no events."""
    step = _DAY / _BUCKETS
    first = pd.Timestamp(end - _DAY).tz_convert(None)
    place = ((day["batch_time"] - first) / step).astype(int).clip(0, _BUCKETS - 1) if len(day) else pd.Series(dtype=int)
    out = []
    for i in range(_BUCKETS):
        own = day[place == i]
        out.append(
            Bucket(
                at=(first + i * step).to_pydatetime().replace(tzinfo=UTC),
                events=int(own["rows_in"].sum()),
                classes=_classes(own),
                seconds=float(own["seconds"].median()) if len(own) else None,
            )
        )
    return tuple(out)


def waiting_of(reached: Mapping[tuple[str, int], int], ends: Mapping[tuple[str, int], int]) -> int:
    """Records in Kafka beyond what was read."""
    return sum(max(end - reached.get(where, 0), 0) for where, end in ends.items())


def flat(ends: Sequence[tuple[str, Mapping[int, int]]]) -> dict[tuple[str, int], int]:
    """(topic, partition) -> end offset."""
    return {(topic, partition): end for topic, found in ends for partition, end in found.items()}
