"""An audit's outcomes: the worst strata are named, and a check that breaks is told from data that are bad."""

from __future__ import annotations

from typing import Any, cast

from quality.audit import NAMED, judge
from quality.expectation import Audited, Computed, Expectation, seen
from quality.limits import Estimate, exactly
from quality.statistics import Stratum

NOTHING = cast(Audited, None)


def expectation(name: str, strata: list[Stratum] | Exception, **bounds: Any) -> Expectation:
    def observe(_: Audited) -> list[Stratum]:
        if isinstance(strata, Exception):
            raise strata
        return strata

    return Expectation("silver", name, Computed(observe), "m", "warning", "o", "w", **bounds)


def test_of_many_strata_that_fail_the_worst_are_named_first() -> None:
    strata = [seen("drift", exactly(n / 10, 500), {"version": str(n)}) for n in range(60)]
    (found,) = judge([expectation("drift", strata, max=0.25)], NOTHING)
    assert found.failed
    assert [each["where"] for each in found.observed["strata"]] == [f"version={n}" for n in range(59, 59 - NAMED, -1)]
    assert found.rows == 60 * 500


def test_the_kindest_limit_decides() -> None:
    near = [seen("share", Estimate(0.03, 0.01, 0.06, 100))]
    far = [seen("share of others", Estimate(0.03, 0.025, 0.04, 9_000))]
    found = judge([expectation("share", near, max=0.02), expectation("share of others", far, max=0.02)], NOTHING)
    assert [each.failed for each in found] == [False, True]


def test_a_measure_that_breaks_is_no_failure_of_the_data() -> None:
    broken, sound = judge(
        [expectation("a", ValueError("no such column"), min=1), expectation("b", [seen("b", exactly(1, 9))], min=1)],
        NOTHING,
    )
    assert (broken.success, broken.failed, broken.error) == (False, False, "ValueError: no such column")
    assert sound.success


def test_nothing_to_judge_is_said_and_is_no_failure() -> None:
    (found,) = judge([expectation("a", [], max=1)], NOTHING)
    assert found.success
    assert found.observed["note"].startswith("not judged")
