"""Silver to gold: sums reconcile, windows are complete, no ratio is impossible, counts only grow.

Frames: `gold`, the rows that the audited batches wrote, see `flattened`, and `windows`, see `windows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract, Metric
from pipelines.gold.partial_sums import window_start
from quality import limits
from quality.expectation import Audited, Computed, Expectation, Statistic, seen
from quality.statistics import Stratum

OWNER = "data platform"
_RECONCILE = "What people read is gold; a sum that silver does not give has been lost or counted twice on the way."


def suite(contract: Contract) -> list[Expectation]:
    """The suite."""
    return [*_reconciled(contract), *_possible(contract), *_windows(contract)]


def windows(silver: DataFrame, gold: DataFrame, contract: Contract) -> DataFrame:
    """Each metric's sums per window, `s_` recomputed from silver's rows and `g_` added up from gold's, side by side.

    Columns: window_start, `in_silver` and `in_gold` (rows there, null for none), and two for each part of a metric.
    """
    from_silver = [F.expr(f"{sql} AS `s_{part}`") for part, (sql, _) in _parts(contract).items()]
    from_gold = [F.expr(f"{sql} AS `g_{part}`") for part, (_, sql) in _parts(contract).items()]
    counted = F.count(F.lit(1))
    left = silver.groupBy(window_start("event_time", contract).alias("window_start"))
    right = gold.groupBy("window_start")
    return left.agg(counted.alias("in_silver"), *from_silver).join(
        right.agg(counted.alias("in_gold"), *from_gold), "window_start", "full_outer"
    )


def flattened(gold: DataFrame, contract: Contract) -> DataFrame:
    """Gold with the parts of its metrics as columns too (`metric_part`), for expectations that a product adds."""
    parts = {"ratio": ("numerator", "denominator"), "sum": ("n", "sum"), "mean": ("n", "sum"), "distinct": ()}
    names = [(metric.name, part) for metric in contract.metrics for part in parts.get(metric.kind, ("n",))]
    return gold.withColumns({f"{name}_{part}": F.col(f"`{name}`.{part}").cast("double") for name, part in names})


def _parts(contract: Contract) -> Mapping[str, tuple[str, str]]:
    """Part of a metric -> its sum over silver's rows, and over gold's, as SQL. Sketches only estimate and have none."""
    found: dict[str, tuple[str, str]] = {}
    for metric in contract.metrics:
        for part, sql in _over_silver(metric).items():
            found[f"{metric.name}__{part}"] = (sql, f"CAST(sum(`{metric.name}`.{part}) AS DECIMAL(38, 6))")
    return found


def _over_silver(metric: Metric) -> Mapping[str, str]:
    where = f"coalesce(({metric.where or 'true'}), false)"
    if metric.kind == "ratio":
        among = f"{where} AND coalesce(({metric.denominator or 'true'}), false)"
        sql = {
            "numerator": f"count_if({among} AND coalesce(({metric.numerator}), false))",
            "denominator": f"count_if({among})",
        }
    elif metric.kind == "count":
        sql = {"n": f"count_if({where})"}
    elif metric.kind == "distinct":
        sql = {}
    else:
        with_value = f"{where} AND ({metric.value}) IS NOT NULL"
        sql = {"n": f"count_if({with_value})"}
        if metric.kind in ("sum", "mean"):
            sql["sum"] = f"sum(CASE WHEN {with_value} THEN CAST(({metric.value}) AS DECIMAL(20, 6)) END)"
    return {part: f"CAST({each} AS DECIMAL(38, 6))" for part, each in sql.items()}


def _reconciled(contract: Contract) -> Iterator[Expectation]:
    for metric in contract.metrics:
        parts = [f"{metric.name}__{part}" for part in _over_silver(metric)]
        if parts:
            same = " AND ".join(f"coalesce(`s_{part}`, 0) = coalesce(`g_{part}`, 0)" for part in parts)
            yield Expectation(
                "gold",
                f"{metric.name} reconciles with silver",
                Statistic("windows", "broken", same, example="window_start"),
                "windows whose sums differ between gold and the rows of silver of the same batches",
                "critical",
                OWNER,
                _RECONCILE,
                metric.name,
                max=0,
            )


def _possible(contract: Contract) -> Iterator[Expectation]:
    impossible = "Whatever is computed from it is wrong, and a negative part hides as much as it takes away."
    for metric in contract.metrics:
        name = f"`{metric.name}`"
        if metric.kind == "ratio":
            holds, words = (
                f"{name}.numerator BETWEEN 0 AND {name}.denominator",
                "rows with more than all, or less than 0",
            )
        elif metric.kind == "quantile":
            total = f"aggregate(map_values({name}.histogram), 0L, (sum, n) -> sum + n)"
            holds, words = f"{name}.n > 0 AND {total} = {name}.n", "rows whose histogram has not as many events as n"
        elif metric.kind == "distinct":
            holds, words = f"{name}.sketch IS NOT NULL", "rows without a sketch"
        else:
            holds, words = f"{name}.n > 0", "rows with a count below 1"
        yield Expectation(
            "gold",
            f"{metric.name} is possible",
            Statistic("gold", "broken", holds, f"{name} IS NOT NULL", example="window_start"),
            words,
            "critical",
            OWNER,
            impossible,
            metric.name,
            max=0,
        )


def _windows(contract: Contract) -> Iterator[Expectation]:
    seconds = int(contract.window.total_seconds())
    nothing = " + ".join(f"coalesce(`s_{part}`, 0)" for part in _parts(contract) if not part.endswith("__sum")) or "0"
    yield Expectation(
        "gold",
        "every window of silver is in gold",
        Statistic("windows", "broken", f"in_gold IS NOT NULL OR {nothing} = 0", example="window_start"),
        "windows with events that count in silver and no row in gold",
        "critical",
        OWNER,
        "A window that is not there is read as silence.",
        "window_start",
        max=0,
    )
    yield Expectation(
        "gold",
        "windows begin where the contract says",
        Statistic(
            "gold",
            "broken",
            f"window_seconds = {seconds} AND pmod(unix_micros(window_start), {seconds} * 1000000L) = 0",
            example="window_start",
        ),
        f"rows of other windows than those of {contract.window}",
        "critical",
        OWNER,
        "Windows of two lengths in one table are added up as though they were one.",
        "window_start",
        max=0,
    )
    yield Expectation(
        "gold",
        "counts only grow",
        Computed(_shrunk),
        "windows of which gold says less than at the earlier version",
        "critical",
        OWNER,
        "Gold is only ever appended to; a count that shrinks means that somebody rewrote it.",
        "window_start",
        max=0,
    )
    if contract.clock == "arrival":
        yield Expectation(
            "gold",
            "no window is missing",
            Computed(_gaps),
            "windows without any row, between the first and the last of the audited ones",
            "warning",
            OWNER,
            "A whole window without events is an outage, or data that never came.",
            "window_start",
            max=0,
        )


def _shrunk(audited: Audited) -> list[Stratum]:
    if audited.gold_before is None:
        return []
    parts = [part for part in _parts(audited.contract) if not part.endswith("__sum")]
    sums = [F.expr(f"{_parts(audited.contract)[part][1]} AS `{part}`") for part in parts]
    before = audited.gold_before.groupBy("window_start").agg(*sums)
    after = audited.gold.groupBy("window_start").agg(*sums).withColumnsRenamed({part: f"{part}_now" for part in parts})
    less = [F.coalesce(F.col(f"{part}_now"), F.lit(0)) < F.coalesce(F.col(part), F.lit(0)) for part in parts]
    if not less:
        return []
    joined = before.join(after, "window_start", "left").withColumn("less", reduce(lambda a, b: a | b, less))
    found = joined.agg(
        F.count(F.lit(1)).alias("n"),
        F.count_if("less").alias("shrunk"),
        F.min(F.when(F.col("less"), F.col("window_start"))).cast("string").alias("first"),
    ).first()
    if found is None or not found["n"]:
        return []
    note = f"the first is {found['first']}" if found["first"] else ""
    return [seen("counts only grow", limits.exactly(found["shrunk"], found["n"]), note=note)]


def _gaps(audited: Audited) -> list[Stratum]:
    if audited.start is None or audited.end is None:
        return []
    start, end = (F.timestamp_seconds(F.lit(int(each.timestamp()))) for each in (audited.start, audited.end))
    inside = audited.gold.where((F.col("window_start") >= start) & (F.col("window_start") < end))
    there = inside.select("window_start").distinct().count()
    wanted = round((audited.end - audited.start) / audited.contract.window)
    return [seen("no window is missing", limits.exactly(wanted - there, wanted))]
