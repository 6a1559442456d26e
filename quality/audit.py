"""The audit: a layer's whole suite over the rows of some batches, measured by Spark, judged by Great Expectations.

What comes to the driver is a row per expectation and stratum, at most STRATA of them, and the counts of `usual`. A
check that breaks says so and judges nothing; the others go on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.errors import ContractError
from quality import limits
from quality.expectation import Audited, Expectation, Layer, Statistic, plain, seen
from quality.gx import Judge, open_context
from quality.limits import Estimate
from quality.statistics import Stratum
from quality.suites import bronze, gold, silver, written
from quality.suites import statistics as statistics_suite

# Strata of one expectation that are looked at, those with the most rows first.
STRATA = 1_000
# Strata that a result names; the others are counted.
NAMED = 5


@dataclass(frozen=True)
class Outcome:
    """What came of one expectation: `error` is set when the check itself broke, and `success` is then False.

    `observed` has `rows` and `strata`, failing ones or else all, worst first, each with where, value, rows, note.
    """

    expectation: Expectation
    success: bool
    error: str | None
    observed: Mapping[str, Any]
    rows: int

    @property
    def failed(self) -> bool:
        """Whether the data are bad, as opposed to the check broken."""
        return not self.success and self.error is None


def suites(contract: Contract) -> dict[Layer, list[Expectation]]:
    """Every suite of a product: generated from its contract, written for all, and added by the product itself.

    Raises:
        ContractError: an expectation that the product adds has the name of another one.
    """
    found: dict[Layer, list[Expectation]] = {
        "bronze": [*bronze.suite(contract), *written.suite(contract, "bronze")],
        "silver": [*silver.suite(contract), *written.suite(contract, "silver")],
        "gold": [*gold.suite(contract), *written.suite(contract, "gold")],
    }
    for layer, expectations in found.items():
        names = [each.name for each in expectations]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ContractError(
                f"{contract.folder}/expectations.yaml: there is an expectation '{twice}' of {layer} already",
                hint="rename it",
            )
    return found


def judge(expectations: Sequence[Expectation], audited: Audited) -> list[Outcome]:
    """Measure and judge every expectation, in the given order."""
    found, errors = _measured(expectations, audited)
    # The worst first: of many strata that fail, Great Expectations names the first twenty.
    for each in expectations:
        found[each.name] = sorted(found.get(each.name, ()), key=lambda stratum: -_beyond(each, stratum))
    strata = [stratum for each in expectations for stratum in found[each.name]]
    bad: dict[str, set[int]] = {}
    suite = Judge(open_context(), "audit", statistics_suite.expectations(expectations))
    for judged in suite(statistics_suite.frame(expectations, strata)):
        name = judged.meta["check"]
        if judged.error is not None:
            errors.setdefault(name, judged.error)
        elif not judged.success:
            bad.setdefault(name, set()).update(judged.unexpected)
    return [
        _outcome(each, found[each.name], [strata[at] for at in sorted(bad.get(each.name, ()))], bad, errors)
        for each in expectations
    ]


def _outcome(
    expectation: Expectation,
    found: Sequence[Stratum],
    failing: Sequence[Stratum],
    bad: Mapping[str, set[int]],
    errors: Mapping[str, str],
) -> Outcome:
    error = errors.get(expectation.name)
    named = list(failing or found)[:NAMED]
    rows = sum(stratum.estimate.rows for stratum in found)
    observed: dict[str, Any] = {"rows": rows, "strata": [_told(stratum) for stratum in named]}
    if len(failing or found) > NAMED:
        observed["more"] = len(failing or found) - NAMED
    if not found and error is None:
        observed["note"] = "not judged: there is nothing to compare, or too little of it"
    return Outcome(expectation, error is None and expectation.name not in bad, error, observed, rows)


def _beyond(expectation: Expectation, stratum: Stratum) -> float:
    """How far the limits of a stratum are beyond a bound; below zero where they keep it."""
    over = -math.inf if expectation.max is None else stratum.estimate.lower - expectation.max
    under = -math.inf if expectation.min is None else expectation.min - stratum.estimate.upper
    return max(over, under)


def _told(stratum: Stratum) -> dict[str, Any]:
    where = ", ".join(f"{name}={value}" for name, value in stratum.labels.items()) or "all rows"
    return {"where": where, **plain(stratum.estimate), **({"note": stratum.note} if stratum.note else {})}


def _measured(expectations: Sequence[Expectation], audited: Audited) -> tuple[dict[str, list[Stratum]], dict[str, str]]:
    """Strata by expectation, and the reason where one could not be measured."""
    found: dict[str, list[Stratum]] = {}
    errors: dict[str, str] = {}
    together: dict[tuple[str, tuple[str, ...]], list[tuple[str, Statistic]]] = {}
    for each in expectations:
        if isinstance(each.measure, Statistic):
            together.setdefault((each.measure.frame, each.measure.by), []).append((each.name, each.measure))
            continue
        try:
            found[each.name] = each.measure.observe(audited)
        except Exception as error:  # whatever a measure dies of, it is the check that is broken
            errors[each.name] = _line(error)
    for (frame, _), wanted in together.items():
        try:
            found |= _statistics(audited.frames[frame], wanted)
        except Exception:
            # One of them breaks the pass for all: alone, each says whether it is the one.
            for name, statistic in wanted:
                try:
                    found |= _statistics(audited.frames[frame], [(name, statistic)])
                except Exception as error:
                    errors[name] = _line(error)
    return found, errors


def _statistics(rows: DataFrame, wanted: Sequence[tuple[str, Statistic]]) -> dict[str, list[Stratum]]:
    """Every statistic of one frame and one set of strata, in one pass."""
    by = wanted[0][1].by
    columns = [
        F.expr(sql).alias(f"{part}_{i}") for i, (_, each) in enumerate(wanted) for part, sql in _parts(each).items()
    ]
    keys = [F.coalesce(F.col(name).cast("string"), F.lit("(none)")).alias(f"by_{i}") for i, name in enumerate(by)]
    grouped = rows.groupBy(*keys).agg(F.count(F.lit(1)).alias("all"), *columns)
    # A pass without strata has one row even where there is nothing.
    answers = grouped.orderBy(F.desc("all")).limit(STRATA).collect()
    return {
        name: [
            seen(name, estimate, _labels(by, answer), _note(answer, i))
            for answer in answers
            if (estimate := _estimate(each, answer, i)).rows >= max(each.minimum_rows, 1)
        ]
        for i, (name, each) in enumerate(wanted)
    }


def _labels(by: Iterable[str], answer: Row) -> dict[str, str]:
    return {name: answer[f"by_{i}"] for i, name in enumerate(by)}


def _note(answer: Row, i: int) -> str:
    example = answer.asDict().get(f"example_{i}")
    return f"for example {example}" if example is not None else ""


def _parts(statistic: Statistic) -> dict[str, str]:
    """SQL of what one statistic needs: `n` rows that count, and what is counted or computed of them."""
    where, operand = f"coalesce(({statistic.where}), false)", f"({statistic.operand})"
    if statistic.kind == "broken":
        wrong = f"{where} AND NOT coalesce({operand}, false)"
        parts = {"n": f"count_if({where})", "value": f"count_if({wrong})"}
        if statistic.example:
            shown = f"left(CAST(({statistic.example}) AS STRING), 100)"
            parts["example"] = f"min({shown}) FILTER (WHERE {wrong})"
        return parts
    if statistic.kind == "share":
        return {"n": f"count_if({where})", "value": f"count_if({where} AND coalesce({operand}, false))"}
    present = f"{where} AND {operand} IS NOT NULL"
    parts = {"n": f"count_if({present})"}
    if statistic.kind == "unique_share":
        return {**parts, "value": f"count(DISTINCT CASE WHEN {present} THEN {operand} END)"}
    value = f"CASE WHEN {present} THEN CAST({operand} AS DOUBLE) END"
    if statistic.kind == "mean":
        return {**parts, "value": f"avg({value})", "deviation": f"stddev_samp({value})"}
    if statistic.kind == "median":
        return {**parts, "value": f"percentile_approx({value}, 0.5, 10000)"}
    return {**parts, "value": f"{statistic.kind}({value})"}


def _estimate(statistic: Statistic, answer: Row, i: int) -> Estimate:
    rows, value = int(answer[f"n_{i}"]), answer[f"value_{i}"]
    if not rows or value is None:
        return limits.exactly(0.0, 0)
    if statistic.kind == "share":
        found = limits.share(int(value), rows)
        return found if statistic.sampled else limits.exactly(found.value, rows)
    if statistic.kind == "unique_share":
        return limits.exactly(float(value) / rows, rows)
    if statistic.kind == "mean" and statistic.sampled:
        return limits.mean_of(float(value), float(answer[f"deviation_{i}"] or 0), rows)
    return limits.exactly(float(value), rows)


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
