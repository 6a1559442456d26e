"""What the gate says about a batch: one result per check, and promote, warn or hold for all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Outcome = Literal["promote", "warn", "hold"]
Severity = Literal["critical", "warning"]

# What a check on single rows observes when it passes.
NOTHING_WRONG = "none is wrong"


@dataclass(frozen=True)
class CheckResult:
    """One check on one batch, in words that a person can act on.

    `errored` tells a broken check from bad data: it judged nothing, so `success` is False and the batch is never held
    for it. `rows` is how many rows were judged; 0 means that no stratum had enough of them.
    """

    check: str
    severity: Severity
    success: bool
    errored: bool
    observed: str
    expected: str
    rows: int
    why: str
    owner: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of all checks on one batch."""

    outcome: Outcome
    results: tuple[CheckResult, ...]

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Results whose data are bad, broken checks left out."""
        return tuple(result for result in self.results if not result.success and not result.errored)

    @property
    def errored(self) -> tuple[CheckResult, ...]:
        """Results of checks that could not judge."""
        return tuple(result for result in self.results if result.errored)

    def rows(self) -> list[dict[str, Any]]:
        """The results as records of the table `quality_results`, without the batch's columns."""
        return [asdict(result) for result in self.results]


def conclude(results: Iterable[CheckResult], *, may_hold: bool) -> Verdict:
    """Fold results into a verdict: hold for a critical failure if the batch may be held, warn for any other failure."""
    kept = tuple(results)
    failed = [result for result in kept if not result.success]
    critical = any(result.severity == "critical" and not result.errored for result in failed)
    outcome: Outcome = "hold" if critical and may_hold else "warn" if failed else "promote"
    return Verdict(outcome, kept)
