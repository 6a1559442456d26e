"""What the quality gate and the row rules decided, as people see it: checks, held batches, refused events."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.api.model import Check, Held, QualityAnswer, Refused
from pipelines.platform.lake import Lake
from quality.held import HeldBatch
from quality.stopped import stopped
from quality.verdict import NOTHING_WRONG

_DAY = timedelta(days=1)
_LONGEST = 200


def answer(lake: Lake, product: str) -> QualityAnswer:
    """Figures of the last day that has data, and every batch that was ever held."""
    batches = lake.read(product, "batches", ["batch_time", "verdict"])
    newest = pc.max(batches["batch_time"]).as_py() if batches.num_rows else None
    refused, total = _refused(lake, product, newest)
    return QualityAnswer(
        product=product,
        promotions=_promotions(batches, newest),
        checks=_checks(lake, product, newest),
        held=tuple(_held(each) for each in stopped(lake, product)),
        refused=refused,
        refused_total=total,
    )


def _promotions(batches: pa.Table, newest: Any) -> dict[str, int]:
    """Batches of the last day by verdict."""
    if newest is None:
        return {}
    recent = batches.filter(pc.greater(batches["batch_time"], pa.scalar(newest - _DAY, batches["batch_time"].type)))
    counted = Counter(recent["verdict"].to_pylist())
    return {name: counted.get(name, 0) for name in ("promote", "warn", "hold")}


def _checks(lake: Lake, product: str, newest: Any) -> tuple[Check, ...]:
    """Each check's newest result, failed ones first; how often it failed in the last day."""
    if newest is None or not lake.exists(product, "quality_results"):
        return ()
    day = pc.field("batch_time") > pa.scalar(newest - _DAY, pa.timestamp("us", tz="UTC"))
    last: dict[str, dict[str, Any]] = {}
    judged: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for row in lake.read(product, "quality_results", filter=day).to_pylist():
        name = row["check"]
        judged[name] += 1
        failed[name] += not row["success"] and not row["errored"]
        if name not in last or row["batch_time"] >= last[name]["batch_time"]:
            last[name] = row
    names = ("check", "severity", "success", "errored", "observed", "expected", "why", "owner")
    found = [
        Check(
            **{key: row[key] for key in names},
            at=row["batch_time"],
            failed=failed[name],
            judged=judged[name],
            quiet=not failed[name] and row["success"] and row["observed"] == NOTHING_WRONG,
        )
        for name, row in last.items()
    ]
    return tuple(sorted(found, key=lambda each: (each.success, -each.failed, each.check)))


def _held(batch: HeldBatch) -> Held:
    who = batch.decided
    return Held(
        batch_id=batch.batch_id,
        at=batch.batch_time,
        rows=batch.rows,
        state=batch.state,
        stopped_by=tuple(f"{each.check}: {each.observed}" for each in batch.failed),
        decided=f"{batch.state} by {who.actor} at {who.at:%Y-%m-%d %H:%M} UTC: {who.reason}" if who else None,
    )


def _refused(lake: Lake, product: str, newest: Any) -> tuple[tuple[Refused, ...], int]:
    """Refused events of the last day by reason, most first, and how many these are."""
    if newest is None or not lake.exists(product, "quarantine"):
        return (), 0
    day = pc.field("arrived_at") > pa.scalar(newest - _DAY, pa.timestamp("us", tz="UTC"))
    columns = ["reason", "detail", "arrived_at", "kafka_topic", "kafka_partition", "kafka_offset"]
    counted: Counter[str] = Counter()
    last: dict[str, dict[str, Any]] = {}
    for row in lake.read(product, "quarantine", columns, day).to_pylist():
        reason = row["reason"] or "unknown"
        counted[reason] += 1
        if reason not in last or row["arrived_at"] >= last[reason]["arrived_at"]:
            last[reason] = row
    found = tuple(
        Refused(
            reason=reason,
            events=count,
            example=_cut(last[reason]["detail"] or ""),
            place="{kafka_topic}[{kafka_partition}]@{kafka_offset}".format(**last[reason]),
            at=last[reason]["arrived_at"],
        )
        for reason, count in counted.most_common(20)
    )
    return found, sum(counted.values())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
