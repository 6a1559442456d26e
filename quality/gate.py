"""The gate: one micro-batch of accepted events in, promote, warn or hold out.

Row rules have judged every event before; the gate judges what only many events together can show, such as a version
that sends euros where cents are meant. Great Expectations does the judging, on the rows for what holds of each row, on
a frame of statistics per stratum for what holds of many. Knows no stream, no lake and no environment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from pipelines.contract import Check, Contract
from quality.gx import Judge, Judged, open_context
from quality.memory import Memory
from quality.statistics import Stratum, strata
from quality.suites import statistics as statistics_suite
from quality.suites.rows import RowCheck, row_checks
from quality.verdict import NOTHING_WRONG, CheckResult, Verdict, conclude

# A batch below this never holds alone: it is judged together with the batches before it.
JOINT_ROWS = 200
# Rows of a batch that the row suite sees, evenly spread over it; statistics see all of them.
SUITE_ROWS = 20_000
# Strata that a result names; the others are counted.
NAMED_STRATA = 3


class Gate:
    """The suites of one contract, made once, and the rows that came before.

    Not for two threads at once: a batch is judged after the one before it.
    """

    def __init__(self, contract: Contract) -> None:
        self._checks = contract.checks
        self._row_checks = row_checks(contract)
        context = open_context()
        self._rows = Judge(context, "rows", [check.expectation for check in self._row_checks.values()])
        self._statistics = Judge(context, "statistics", statistics_suite.expectations(contract.checks))
        self._memory = Memory(_columns(contract.checks))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of silver that the gate reads."""
        suite = {check.column for check in self._row_checks.values()}
        return tuple(sorted(suite.union(_columns(self._checks))))

    def check(self, rows: pd.DataFrame, *, rows_total: int, batch_time: datetime) -> Verdict:
        """Judge one batch of candidate rows.

        Args:
            rows: at least `columns`; all rows of the batch, or a sample that does not depend on the values judged.
                Shares, medians and means allow for the sampling error; `min`, `max` and `unique_share` are those of
                the given rows.
            rows_total: how many rows the batch has.
            batch_time: the batch's time; a batch that is judged again must come with the same one.

        Returns:
            The verdict. The same rows after the same predecessors give the same one.
        """
        before = self._memory.before(batch_time)
        results = [*self._judge_rows(rows), *self._judge_statistics(rows, before)]
        if len(rows):
            self._memory.remember(rows, batch_time)
        return conclude(results, may_hold=rows_total + len(before) >= JOINT_ROWS)

    def _judge_rows(self, rows: pd.DataFrame) -> list[CheckResult]:
        if not len(rows):
            return []
        seen = rows.iloc[:: math.ceil(len(rows) / SUITE_ROWS)].reset_index(drop=True)
        return [_row_result(self._row_checks[judged.meta["check"]], judged, len(seen)) for judged in self._rows(seen)]

    def _judge_statistics(self, rows: pd.DataFrame, before: pd.DataFrame) -> list[CheckResult]:
        found: list[Stratum] = []
        errors: dict[str, str] = {}
        for check in self._checks:
            try:
                found += strata(check, rows, before, borrow_to=JOINT_ROWS)
            except Exception as error:  # whatever a statistic dies of, it is the check that is broken
                errors[check.name] = f"{type(error).__name__}: {error}"
        bad: dict[str, set[int]] = {}
        for judged in self._statistics(statistics_suite.frame(self._checks, found)):
            name = judged.meta["check"]
            if judged.error is not None:
                errors.setdefault(name, judged.error)
            elif not judged.success:
                bad.setdefault(name, set()).update(judged.unexpected)
        return [
            _statistic_result(
                check,
                [stratum for stratum in found if stratum.check == check.name],
                [found[position] for position in sorted(bad.get(check.name, ()))],
                failed=check.name in bad,
                error=errors.get(check.name),
            )
            for check in self._checks
        ]


def _columns(checks: Sequence[Check]) -> list[str]:
    named = {name for check in checks for name in (check.column, *check.by, *(c.column for c in check.where))}
    return sorted(named)


def _row_result(check: RowCheck, judged: Judged, rows: int) -> CheckResult:
    return CheckResult(
        check=check.name,
        severity="critical",
        success=judged.success,
        errored=judged.error is not None,
        observed=judged.error or (NOTHING_WRONG if judged.success else check.observed(judged.result)),
        expected=check.expected,
        rows=rows,
        why="every row rule of the contract has passed these rows: the rules and the contract disagree",
        owner="pulseiq",
    )


def _statistic_result(
    check: Check, found: Sequence[Stratum], bad: Sequence[Stratum], *, failed: bool, error: str | None
) -> CheckResult:
    return CheckResult(
        check=check.name,
        severity=check.severity,
        success=error is None and not failed,
        errored=error is not None,
        observed=error or _words(bad or found, check),
        expected=statistics_suite.expected(check),
        rows=0 if error else sum(stratum.estimate.rows for stratum in found),
        why=check.why,
        owner=check.owner,
    )


def _words(found: Sequence[Stratum], check: Check) -> str:
    if not found:
        return f"not judged: no stratum has {check.minimum_rows} rows"
    more = f"; and {len(found) - NAMED_STRATA} more" if len(found) > NAMED_STRATA else ""
    return "; ".join(map(str, found[:NAMED_STRATA])) + more
