"""What is usual: volume against expectation, drift of distributions, values that vanish, fields that turn empty.

The audited windows are compared with the same hours of the days before, so that a night is never held against a noon.
Spark counts, once for all of them, per leaf and bucket; at most MOST_GROUPS counts come to the driver.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract, Field
from pipelines.contract.expressions import columns_in
from pipelines.contract.sql import string, strings
from quality import limits
from quality.expectation import Audited, Computed, Expectation, seen
from quality.limits import Estimate
from quality.statistics import Stratum

OWNER = "data platform"
DAYS_BACK = 7
# Beyond it leaves are not told apart: every distribution is then judged as a whole only.
MOST_GROUPS = 300_000
LEAST_ROWS, LEAST_USUAL = 100, 200
# "Major shift" in the practice of credit scoring (Siddiqi: "Credit Risk Scorecards", 2006).
MOST_SHIFT = 0.25
MOST_RISE_OF_EMPTY = 0.10
# A value is new where it was at most such a part of the events before; more events with new values are a takeover.
NEW_VALUE, MOST_NEW = 0.001, 0.2
# A segment whose share of the events before was at most such a part of its share now has no past of its own.
_NEW_SEGMENT = 0.1
LEAST_VOLUME, MOST_VOLUME = 1 / 3, 3.0
# Events of one user come together, so a share has this many times the variance of independent events.
_DESIGN_EFFECT = 3.0
_EMPTY = "(none)"
_DAY = 86_400


def expectations(contract: Contract) -> Iterator[Expectation]:
    """The part of the silver suite that needs a past."""
    past = _Past()
    yield Expectation(
        "silver",
        "volume is as expected",
        Computed(_volume),
        f"accepted events, as a part of the mean of the same hours of up to {DAYS_BACK} days before",
        "warning",
        OWNER,
        "Half of the events can be lost without a single one being wrong.",
        min=LEAST_VOLUME,
        max=MOST_VOLUME,
    )
    for name in contract.dimensions:
        yield Expectation(
            "silver",
            f"mix of {name} is stable",
            Computed(partial(_mix, past, name)),
            f"population stability index of {name} against the same hours before",
            "warning",
            OWNER,
            "A segment that grows or shrinks moves every number that is not told apart by it.",
            name,
            max=MOST_SHIFT,
        )
        yield Expectation(
            "silver",
            f"no {name} vanishes",
            Computed(partial(_vanished, past, name)),
            f"values of {name} with 1 % of the usual events and none now",
            "warning",
            OWNER,
            "A segment that falls silent as a whole is an outage, or a pipe that broke; averages hide both.",
            name,
            max=0,
        )
    measured = {name for each in contract.metrics for _, sql in each.expressions() for name in columns_in(sql)}
    for column, fields in _described(contract).items():
        if fields[0].enum and column not in measured:
            yield Expectation(
                "silver",
                f"no new {column} takes over",
                Computed(partial(_new, past, column)),
                f"share of events whose {column} hardly any had in the hours before, as a whole and by each dimension",
                "critical",
                OWNER,
                "No metric tells these values apart, so a switch between them is no behaviour, and every sum hides it.",
                column,
                max=MOST_NEW,
            )
        if _bucket(fields[0]) != "'present'":
            yield Expectation(
                "silver",
                f"distribution of {column} is stable",
                Computed(partial(_drift, past, column)),
                f"population stability index of {column}, as a whole and by each dimension, against the hours before",
                "warning",
                OWNER,
                "A unit, a currency or a meaning that changes passes every rule on single events and shows here.",
                column,
                max=MOST_SHIFT,
            )
        if not all(each.required for each in fields):
            yield Expectation(
                "silver",
                f"{column} is empty as seldom as usual",
                Computed(partial(_empty, past, column)),
                f"rise of the share of events without {column}, as a whole and by each dimension",
                "warning",
                OWNER,
                "A field that one release forgets is allowed to be empty, so no rule refuses it.",
                column,
                max=MOST_RISE_OF_EMPTY,
            )


@dataclass
class _Past:
    """The counts of the newest audit, taken once for all expectations that read them."""

    _audited: Audited | None = None
    _counts: pd.DataFrame = field(default_factory=pd.DataFrame)

    def of(self, audited: Audited) -> pd.DataFrame:
        if self._audited is not audited:
            self._counts, self._audited = leaves(audited), audited
        return self._counts


def leaves(audited: Audited) -> pd.DataFrame:
    """Counts per leaf: the dimensions, `column` ('' for the events themselves), `bucket`, `now` and `usual`.

    `usual` adds up the same hours of the days before. Empty where the audit has no whole window.
    """
    contract = audited.contract
    columns = [*contract.dimensions, "column", "bucket", "now", "usual"]
    rows = _comparable(audited)
    if rows is None:
        return pd.DataFrame(columns=columns)
    keys = [F.coalesce(F.col(name), F.lit("")).alias(name) for name in contract.dimensions]
    targets = F.expr(f"explode(filter(array({', '.join(_targets(contract))}), t -> t.bucket IS NOT NULL))").alias("t")
    exploded = rows.select((F.col("ago") == 0).alias("is_now"), *keys, targets)
    found = _counted(exploded, list(contract.dimensions))
    if len(found) > MOST_GROUPS:
        found = _counted(exploded, []).reindex(columns=columns, fill_value="")
    return found


def _counted(exploded: DataFrame, dimensions: list[str]) -> pd.DataFrame:
    grouped = exploded.groupBy(*dimensions, F.col("t.column").alias("column"), F.col("t.bucket").alias("bucket"))
    counts = grouped.agg(F.count_if("is_now").alias("now"), F.count_if(~F.col("is_now")).alias("usual"))
    return counts.limit(MOST_GROUPS + 1).toPandas()


def _comparable(audited: Audited) -> DataFrame | None:
    """Rows of the audited windows and of the same hours before, with `ago`: how many days before, 0 for now."""
    if audited.start is None or audited.end is None:
        return None
    start, end = int(audited.start.timestamp()), int(audited.end.timestamp())
    at = F.unix_seconds("event_time")
    ago = F.when(at >= start, F.lit(0)).otherwise(F.ceil((F.lit(start) - at) / _DAY).cast("int"))
    first = F.timestamp_seconds(F.lit(start - DAYS_BACK * _DAY))
    near = audited.silver.where(
        (F.col("event_time") >= first) & (F.col("event_time") < F.timestamp_seconds(F.lit(end)))
    )
    return near.where(F.pmod(at - start, F.lit(_DAY)) < end - start).withColumn("ago", ago)


def _described(contract: Contract) -> dict[str, list[Field]]:
    """Payload columns by name, with the field of each event type that has it."""
    found: dict[str, list[Field]] = {}
    for event in contract.events.values():
        for each in event.newest.fields:
            found.setdefault(each.column, []).append(each)
    return found


def _targets(contract: Contract) -> Iterator[str]:
    yield "named_struct('column', '', 'bucket', '')"
    for column, fields in _described(contract).items():
        if _bucket(fields[0]) == "'present'" and all(each.required for each in fields):
            continue
        types = [
            event.name for event in contract.events.values() if any(f.column == column for f in event.newest.fields)
        ]
        bucket = f"CASE WHEN event_type IN ({strings(types)}) THEN coalesce({_bucket(fields[0])}, '{_EMPTY}') END"
        yield f"named_struct('column', {string(column)}, 'bucket', {bucket})"


def _bucket(field_: Field) -> str:
    """SQL of a value's bucket, null where there is no value: powers of two, or the value of a short list."""
    column = f"`{field_.column}`"
    if field_.enum or field_.type == "boolean":
        return f"CAST({column} AS STRING)"
    if field_.type in ("integer", "number"):
        power = f"concat('2^', CAST(CAST(floor(log2({column})) AS INT) AS STRING))"
        return f"CASE WHEN {column} > 0 THEN {power} WHEN {column} <= 0 THEN 'zero or less' END"
    # A text of any kind has no distribution; whether it is there has.
    return f"CASE WHEN {column} IS NOT NULL THEN 'present' END" if not field_.required else "'present'"


def _volume(audited: Audited) -> list[Stratum]:
    rows = _comparable(audited)
    if rows is None:
        return []
    by_day = {row["ago"]: row["count"] for row in rows.groupBy("ago").count().collect()}
    before = [n for ago, n in by_day.items() if ago > 0]
    if len(before) < 2 or sum(before) / len(before) < LEAST_ROWS:
        return []
    usual, now = sum(before) / len(before), by_day.get(0, 0)
    note = f"{now:,} events, {usual:,.0f} expected by {len(before)} days"
    return [seen("volume is as expected", limits.exactly(now / usual, max(now, 1)), note=note)]


def _mix(past: _Past, name: str, audited: Audited) -> list[Stratum]:
    counts = past.of(audited)
    events = counts[counts["column"] == ""].groupby(name)[["now", "usual"]].sum()
    found = stability(events)
    return [seen(f"mix of {name} is stable", *found)] if found else []


def _vanished(past: _Past, name: str, audited: Audited) -> list[Stratum]:
    counts = past.of(audited)
    events = counts[counts["column"] == ""].groupby(name)[["now", "usual"]].sum()
    if not _enough(events):
        return []
    now, usual = int(events["now"].sum()), int(events["usual"].sum())
    expected = events["usual"] / usual * now
    gone = events[(events["now"] == 0) & (events["usual"] >= 0.01 * usual) & (expected >= 30)]
    note = ", ".join(f"{value} ({expected[value]:,.0f} events expected)" for value in gone.index)
    return [seen(f"no {name} vanishes", limits.exactly(len(gone), now), note=note)]


def _drift(past: _Past, column: str, audited: Audited) -> list[Stratum]:
    strata = []
    for labels, buckets in _strata(past.of(audited), column, audited.contract):
        found = stability(buckets)
        if found:
            estimate, _, note = found
            strata.append(seen(f"distribution of {column} is stable", estimate, labels, note))
    return strata


def _empty(past: _Past, column: str, audited: Audited) -> list[Stratum]:
    strata = []
    for labels, buckets in _strata(past.of(audited), column, audited.contract):
        if not _enough(buckets):
            continue
        now, usual = int(buckets["now"].sum()), int(buckets["usual"].sum())
        empty = buckets[buckets.index == _EMPTY].sum()
        found, before = limits.share(int(empty["now"]), now), float(empty["usual"]) / usual
        rise = Estimate(found.value - before, found.lower - before, found.upper - before, now)
        strata.append(seen(f"{column} is empty as seldom as usual", rise, labels, f"{before:.1%} before"))
    return strata


def _new(past: _Past, column: str, audited: Audited) -> list[Stratum]:
    strata = []
    for labels, buckets in _strata(past.of(audited), column, audited.contract, new=False):
        if not _enough(buckets):
            continue
        now, usual = int(buckets["now"].sum()), int(buckets["usual"].sum())
        new = buckets[(buckets["usual"] <= NEW_VALUE * usual) & (buckets.index != _EMPTY)]["now"]
        found = limits.share(int(new.sum()), now)
        note = ", ".join(f"{name} {n:,} times" for name, n in new[new > 0].items())
        strata.append(seen(f"no new {column} takes over", found, labels, note))
    return strata


def _strata(
    counts: pd.DataFrame, column: str, contract: Contract, *, new: bool = True
) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Counts per bucket: of all rows, and of each value of each dimension.

    A release that is `new` has the past of all. A segment of which there was merely little is in no stratum: what is
    usual in it need not be what is usual elsewhere.
    """
    own = counts[counts["column"] == column]
    whole = own.groupby("bucket")[["now", "usual"]].sum()
    yield {}, whole
    now, usual = whole["now"].sum(), whole["usual"].sum()
    for name in contract.dimensions:
        for value, rows in own.groupby(name):
            buckets = rows.groupby("bucket")[["now", "usual"]].sum()
            if buckets["usual"].sum() >= LEAST_USUAL:
                yield {name: str(value)}, buckets
            elif new and buckets["usual"].sum() * now <= _NEW_SEGMENT * buckets["now"].sum() * usual:
                yield {name: str(value)}, pd.DataFrame({"now": buckets["now"], "usual": whole["usual"]}).fillna(0)


def _enough(counts: pd.DataFrame) -> bool:
    """Whether counts `now` and `usual` can be compared at all."""
    return bool(counts["now"].sum() >= LEAST_ROWS and counts["usual"].sum() >= LEAST_USUAL)


def stability(buckets: pd.DataFrame) -> tuple[Estimate, dict[str, str], str] | None:
    """The population stability index of counts `now` against `usual`, rows being buckets; None with too few of them.

    The sum of (p - q) ln(p / q) over shares p and q, half a row added to each bucket. Its limits allow for what the
    same distribution would show: mean and six deviations of a chi-square law with B - 1 degrees of freedom, scaled by
    1/n + 1/m and the design effect (Yurdakul: "Statistical properties of population stability index", 2018).
    """
    if not _enough(buckets):
        return None
    now, usual = float(buckets["now"].sum()), float(buckets["usual"].sum())
    p = (buckets["now"] + 0.5) / (now + 0.5 * len(buckets))
    q = (buckets["usual"] + 0.5) / (usual + 0.5 * len(buckets))
    parts: Any = (p - q) * (p / q).map(math.log)
    index, free = float(parts.sum()), len(buckets) - 1
    noise = _DESIGN_EFFECT * (free + 6 * math.sqrt(2 * free)) * (1 / now + 1 / usual)
    most = parts.sort_values(ascending=False).index[:2]
    note = ", ".join(f"{bucket or _EMPTY} {q[bucket]:.1%} -> {p[bucket]:.1%}" for bucket in most)
    return Estimate(index, max(index - noise, 0.0), index + noise, int(now)), {}, note
