"""Bronze to silver: what the contract says of accepted events, and what became of those that were not.

Frames: `silver`, and `outcomes`, a row per record of the audited batches with its `class` (silver, quarantine,
duplicates, held), `reason` and `late`. Written expectations about what is usual are in `usual`.
"""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import functions as F

from pipelines.contract import Check, Condition, Contract, Field
from pipelines.contract.sql import string, strings, value
from quality import limits
from quality.expectation import Audited, Computed, Expectation, Kind, Statistic, seen
from quality.statistics import Stratum
from quality.suites import statistics as statistics_suite
from quality.suites import usual

OWNER = "data platform"
# Shares of records that are no longer an accident, as the verdict on windows has them.
MOST_REFUSED, MOST_DUPLICATES, MOST_LATE = 0.02, 0.10, 0.10
_RULES_DISAGREE = "Row rules have judged every event before: rules and contract disagree, or somebody wrote by hand."


def suite(contract: Contract) -> list[Expectation]:
    """The suite."""
    return [
        *_present(contract),
        *_payload(contract),
        *(_check(each) for each in contract.checks),
        *_outcomes(contract),
        _fresh(contract),
        *usual.expectations(contract),
    ]


def _present(contract: Contract) -> Iterator[Expectation]:
    for column in ("event_id", "event_type", "schema_version", "event_time", "arrived_at", *contract.dimensions):
        yield _rule(f"{column} is present", column, f"`{column}` IS NOT NULL", "rows without it")
    for event in contract.events.values():
        own = f"event_type = {string(event.name)}"
        for field in event.newest.fields:
            if field.required:
                words = f"{event.name} rows without it"
                yield _rule(
                    f"{event.name}: {field.column} is present",
                    field.column,
                    f"`{field.column}` IS NOT NULL",
                    words,
                    own,
                )
    yield _rule(
        "event_type is known", "event_type", f"event_type IN ({strings(contract.events)})", "rows of other types"
    )


def _payload(contract: Contract) -> Iterator[Expectation]:
    """Values of each event type's newest version, which older events are lifted to."""
    for event in contract.events.values():
        for field in event.newest.fields:
            own = f"event_type = {string(event.name)} AND `{field.column}` IS NOT NULL"
            for what, holds in _allowed(field):
                yield _rule(f"{event.name}: {field.column} {what}", field.column, holds, "rows that do not", own)


def _allowed(field: Field) -> Iterator[tuple[str, str]]:
    column = f"`{field.column}`"
    if field.enum:
        yield "is known", f"{column} IN ({', '.join(value(field, each) for each in field.enum)})"
    if field.pattern is not None:
        yield "has its form", f"{column} RLIKE {string(field.pattern)}"
    bounds = (
        (field.minimum, ">="), (field.maximum, "<="), (field.exclusive_minimum, ">"), (field.exclusive_maximum, "<"),
    )  # fmt: skip
    given = [f"{column} {op} {value(field, bound)}" for bound, op in bounds if bound is not None]
    if given:
        yield "is in range", " AND ".join(given)


def _rule(name: str, column: str, holds: str, words: str, where: str = "true") -> Expectation:
    statistic = Statistic("silver", "broken", holds, where, example=f"`{column}`")
    return Expectation("silver", name, statistic, words, "critical", "pulseiq", _RULES_DISAGREE, column, max=0)


def _check(check: Check) -> Expectation:
    """A check of the contract, over all rows instead of one batch's."""
    column = f"`{check.column}`"
    kind, operand = _measured(check, column)
    where = " AND ".join(_condition(each) for each in check.where) or "true"
    if check.statistic in ("in_range_share", "in_set_share"):
        where += f" AND {column} IS NOT NULL"
    return Expectation(
        "silver",
        check.name,
        Statistic("silver", kind, operand, where, check.by, check.minimum_rows, sampled=True),
        statistics_suite.expected(check),
        check.severity,
        check.owner,
        check.why,
        check.column,
        check.min,
        check.max,
    )


def _measured(check: Check, column: str) -> tuple[Kind, str]:
    if check.statistic == "null_share":
        return "share", f"{column} IS NULL"
    if check.statistic == "in_range_share":
        return "share", _in_range(check, column)
    if check.statistic == "in_set_share":
        return "share", f"{column} IN ({', '.join(map(_literal, check.values))})"
    return check.statistic, column


def _in_range(check: Check, column: str) -> str:
    given = [f"{column} >= {check.low!r}"] if check.low is not None else []
    return " AND ".join([*given, *([f"{column} <= {check.high!r}"] if check.high is not None else [])]) or "true"


def _condition(condition: Condition) -> str:
    values = condition.value if condition.op == "in" else [condition.value]
    literals = ", ".join(map(_literal, values))
    return f"`{condition.column}` {condition.op} ({literals})"


def _literal(given: object) -> str:
    if isinstance(given, bool):
        return str(given).lower()
    return string(given) if isinstance(given, str) else repr(given)


def _outcomes(contract: Contract) -> Iterator[Expectation]:
    yield Expectation(
        "silver",
        "few records are refused",
        Computed(_refused),
        "share of records that row rules sent to quarantine",
        "critical",
        OWNER,
        "Refused events are missing from every number; so many of them are a producer's fault, not chance.",
        max=MOST_REFUSED,
    )
    yield Expectation(
        "silver",
        "few records are duplicates",
        Statistic("outcomes", "share", "class = 'duplicates'", sampled=True),
        "share of records that were dropped as duplicates",
        "critical",
        OWNER,
        "A producer that sends again and again hides what it fails to send, and costs de-duplication its horizon.",
        column="event_id",
        max=MOST_DUPLICATES,
    )
    if contract.clock == "arrival":
        yield Expectation(
            "silver",
            "few events are late",
            Statistic("outcomes", "share", "late", "class = 'silver'", sampled=True),
            f"share of accepted events that arrived more than {contract.allowed_lateness} after they were",
            "warning",
            OWNER,
            "Windows are judged before such events arrive: what was said of them was said of a part.",
            column="arrived_at",
            max=MOST_LATE,
        )


def _refused(audited: Audited) -> list[Stratum]:
    outcomes = audited.frames["outcomes"]
    counted = outcomes.groupBy("class", "reason").count().orderBy(F.desc("count")).collect()
    total = sum(row["count"] for row in counted)
    # A twin of a held record, and what a person rejected, is no row rule's word.
    refused = [
        row for row in counted if row["class"] == "quarantine" and row["reason"] not in ("twin_held", "rejected")
    ]
    if not total:
        return []
    named = ", ".join(f"{row['reason']} {row['count']:,}" for row in refused[:5])
    return [seen("few records are refused", limits.share(sum(row["count"] for row in refused), total), note=named)]


def _fresh(contract: Contract) -> Expectation:
    most = 3 * contract.window + contract.allowed_lateness
    return Expectation(
        "silver",
        "the newest event is fresh",
        Computed(_minutes_since_the_newest),
        "minutes from the newest accepted event's arrival to the audit; audits of the past are not judged",
        "warning",
        OWNER,
        "Nothing new for so long: the producer is silent, or refine does not run.",
        column="arrived_at",
        max=most.total_seconds() / 60,
    )


def _minutes_since_the_newest(audited: Audited) -> list[Stratum]:
    if audited.now is None or audited.contract.clock != "arrival":
        return []
    found = audited.silver.agg(F.unix_seconds(F.max("arrived_at")).alias("at"), F.count(F.lit(1)).alias("n")).first()
    if found is None or found["at"] is None:
        return []
    return [seen("the newest event is fresh", limits.exactly((audited.now.timestamp() - found["at"]) / 60, found["n"]))]
