"""What a product adds to the suites: the expectations of its `expectations.yaml`."""

from __future__ import annotations

from pyspark.sql import functions as F

from pipelines.contract import Contract, Expected
from quality import limits
from quality.expectation import Audited, Computed, Expectation, Kind, Layer, Statistic, seen
from quality.statistics import Stratum

_KINDS: dict[str, Kind] = {"least": "min", "greatest": "max"}
# How long before the audited events what they refer to may have been.
_DAYS_OF_REFERENCE = 7


def suite(contract: Contract, layer: Layer) -> list[Expectation]:
    """The expectations of one layer."""
    return [_expectation(each) for each in contract.expectations if each.layer == layer]


def _expectation(given: Expected) -> Expectation:
    measured, sql = given.measured
    if given.refers is not None:
        refers = given.refers
        measure: Statistic | Computed = Computed(lambda audited: _referred(audited, given))
        words = f"share of values of {refers.column} that are in {refers.to} of rows with {refers.among}"
    else:
        kind = _KINDS.get(measured, measured)
        measure = Statistic(given.layer, kind, sql, given.where, given.by, given.minimum_rows, sampled=True)  # type: ignore[arg-type]
        words = f"{measured.replace('_', ' ')} of {sql}"
    if given.where.lower() != "true":
        words += f", of rows with {given.where}"
    if given.by:
        words += f", by {' and '.join(given.by)}"
    return Expectation(
        given.layer, given.name, measure, words, given.severity, given.owner, given.why, given.column,
        given.min, given.max,
    )  # fmt: skip


def _referred(audited: Audited, given: Expected) -> list[Stratum]:
    assert given.refers is not None
    column, to = given.refers.column, given.refers.to
    own = audited.frames["silver"].where(given.where).where(F.col(column).isNotNull())
    wanted = own.select(F.col(column).alias("value")).distinct()
    first = own.agg(F.min("event_time").alias("first")).first()
    if first is None or first["first"] is None:
        return []
    week = F.lit(first["first"]).cast("timestamp") - F.expr(f"INTERVAL {_DAYS_OF_REFERENCE} DAYS")
    among = audited.silver.where(F.col("event_time") >= week).where(given.refers.among)
    there = among.select(F.col(to).alias("value")).distinct().withColumn("there", F.lit(True))
    counted = (
        wanted.join(there, "value", "left")
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.count("there").alias("found"),
            F.min(F.when(F.col("there").isNull(), F.col("value"))).alias("example"),
        )
        .first()
    )
    if counted is None or counted["n"] < given.minimum_rows:
        return []
    note = f"for example {counted['example']} is not" if counted["example"] is not None else ""
    return [seen(given.name, limits.share(counted["found"], counted["n"]), note=note)]
