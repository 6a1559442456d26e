"""The gate's verdicts: sound batches pass whatever their size, batches that only together look wrong are stopped."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from pipelines.contract import Check
from quality.gate import Gate
from quality.verdict import CheckResult, Verdict


def judge(gate: Gate, rows: pd.DataFrame, time: Any) -> Verdict:
    return gate.check(rows, rows_total=len(rows), batch_time=time)


def result(verdict: Verdict, name: str) -> CheckResult:
    return next(each for each in verdict.results if each.check == name)


# A check fails only when its bound lies outside limits that a sound stratum crosses once in 1e9 (test_limits asks the
# binomial law). Here some 400 strata are judged whose true medians are inside their bounds by a factor of 7 and more:
# a single failure among them would be a fault of the gate with a probability of 1 - 4e-7.
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rows", [1, 40, 199, 200, 777, 3000])
def test_sound_batches_are_promoted_whatever_their_size(shop: Any, seed: int, rows: int) -> None:
    verdict = judge(Gate(shop.contract(*shop.CHECKS)), shop.events(rows, seed), shop.at(0))
    assert verdict.outcome == "promote", verdict.failed


@pytest.mark.parametrize(
    "lopsided",
    [
        {"event_type": "transaction"},
        {"event_type": "user_action"},
        {"app_version": {"5.2.0": 0.99, "6.0.0": 0.01}},
        {"region": "us", "device": "web", "app_version": "5.0.2"},
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_lopsided_batches_are_promoted(shop: Any, seed: int, lopsided: dict[str, Any]) -> None:
    gate = Gate(shop.contract(*shop.CHECKS))
    for second, rows in enumerate((60, 900, 250)):
        verdict = judge(gate, shop.events(rows, 100 * seed + second, **lopsided), shop.at(second))
        assert verdict.outcome == "promote", verdict.failed


def test_a_trickle_of_sound_batches_is_promoted(shop: Any) -> None:
    gate = Gate(shop.contract(*shop.CHECKS))
    outcomes = {judge(gate, shop.events(7, seed), shop.at(seed)).outcome for seed in range(25)}
    assert outcomes == {"promote"}


@pytest.mark.parametrize("seed", range(6))
def test_euros_for_cents_in_one_version_hold_a_batch_of_three_thousand(shop: Any, seed: int) -> None:
    rows = shop.euros(shop.events(3000, seed), "5.0.2")
    wrong = int((rows["amount_minor"].notna() & (rows["app_version"] == "5.0.2")).sum())
    assert 35 <= wrong <= 90
    verdict = judge(Gate(shop.contract(*shop.CHECKS)), rows, shop.at(0))
    assert verdict.outcome == "hold"
    (failed,) = verdict.failed
    assert failed.check == "amounts are in cents"
    assert re.match(rf"app_version=5\.0\.2: \d\d(\.\d)? \({wrong} rows", failed.observed)
    assert "5.1.0" not in failed.observed
    assert failed.expected == "median of amount_minor, by app_version: at least 500 and at most 50000"
    assert (failed.owner, failed.severity) == ("payments", "critical")


def test_a_small_batch_never_holds_alone_but_its_followers_do_together(shop: Any) -> None:
    gate = Gate(shop.contract(shop.AMOUNTS))
    bad = shop.euros(shop.events(400, 1, event_type="transaction", app_version="5.3.0"), "5.3.0")
    outcomes = [judge(gate, bad.iloc[start : start + 80], shop.at(start)).outcome for start in range(0, 400, 80)]
    assert outcomes == ["warn", "warn", "hold", "hold", "hold"]


def test_a_release_that_trickles_in_is_stopped_once_there_are_enough_of_its_rows(shop: Any) -> None:
    gate = Gate(shop.contract(shop.AMOUNTS))
    outcomes = []
    for second in range(30):
        mixed = shop.events(40, second, app_version={"5.2.0": 0.6, "5.3.0": 0.4})
        outcomes.append(judge(gate, shop.euros(mixed, "5.3.0"), shop.at(second)).outcome)
    first = outcomes.index("hold")
    assert 5 <= first <= 25
    assert set(outcomes[:first]) == {"promote"}
    assert outcomes[first:].count("hold") >= 0.8 * len(outcomes[first:])


def test_the_gate_recovers_with_the_data(shop: Any) -> None:
    gate = Gate(shop.contract(shop.AMOUNTS))
    assert judge(gate, shop.euros(shop.events(3000, 1), "5.0.2"), shop.at(0)).outcome == "hold"
    assert judge(gate, shop.events(3000, 2), shop.at(1)).outcome == "promote"
    assert judge(gate, shop.events(100, 3), shop.at(2)).outcome == "promote"


def test_a_failed_warning_lets_the_batch_through(shop: Any) -> None:
    rows = shop.events(1000, 1)
    rows.loc[rows["error"].notna(), "error"] = True
    verdict = judge(Gate(shop.contract(*shop.CHECKS)), rows, shop.at(0))
    assert verdict.outcome == "warn"
    assert [each.check for each in verdict.failed] == ["few actions end in an error"]


def test_a_check_that_breaks_is_told_apart_and_never_holds(shop: Any) -> None:
    broken = Check.model_validate({**shop.AMOUNTS.model_dump(), "name": "broken", "column": "region", "by": ()})
    verdict = judge(Gate(shop.contract(shop.REGIONS, broken)), shop.events(1000, 1), shop.at(0))
    assert verdict.outcome == "warn"
    assert verdict.failed == ()
    (errored,) = verdict.errored
    assert errored.check == "broken"
    assert "could not convert string to float" in errored.observed
    assert result(verdict, "regions are ours").success


def test_an_expectation_that_breaks_inside_great_expectations_is_told_apart_too(shop: Any) -> None:
    rows = shop.events(1000, 1).astype({"latency_ms": object})
    rows.loc[10, "latency_ms"] = "fast"
    verdict = judge(Gate(shop.contract(shop.REGIONS)), rows, shop.at(0))
    assert verdict.outcome == "warn"
    assert [each.check for each in verdict.errored] == ["latency_ms is in range"]


def test_a_broken_check_beside_a_critical_failure_does_not_hide_it(shop: Any) -> None:
    broken = Check.model_validate({**shop.AMOUNTS.model_dump(), "name": "broken", "column": "region", "by": ()})
    rows = shop.euros(shop.events(3000, 1), "5.0.2")
    verdict = judge(Gate(shop.contract(broken, shop.AMOUNTS)), rows, shop.at(0))
    assert verdict.outcome == "hold"


@pytest.mark.parametrize(
    ("column", "value", "check", "observed"),
    [
        ("event_id", None, "event_id is present", "1 of 1000 rows"),
        ("region", None, "region is present", "1 of 1000 rows"),
        ("event_type", "refund", "event_type is known", "1 of 1000 rows: refund"),
        ("schema_version", 9, "schema_version is known", "1 of 1000 rows: 9"),
        ("currency", "XAU", "currency is known", "1 of 1000 rows: XAU"),
        ("latency_ms", -4.0, "latency_ms is in range", "1 of 1000 rows: -4.0"),
    ],
)
def test_a_row_that_no_row_rule_should_have_passed_stops_the_batch(
    shop: Any, column: str, value: Any, check: str, observed: str
) -> None:
    rows = shop.events(1000, 1)
    rows.loc[500, column] = value
    verdict = judge(Gate(shop.contract()), rows, shop.at(0))
    assert verdict.outcome == "hold"
    assert [each.check for each in verdict.failed] == [check]
    assert observed in result(verdict, check).observed


def test_a_column_of_another_type_stops_the_batch(shop: Any) -> None:
    rows = shop.events(1000, 1).astype({"schema_version": float, "event_time": str})
    verdict = judge(Gate(shop.contract()), rows, shop.at(0))
    assert {each.check for each in verdict.failed} == {"schema_version has its type", "event_time has its type"}


def test_the_same_batches_get_the_same_verdicts(shop: Any) -> None:
    batches = [shop.euros(shop.events(150, seed, event_type="transaction"), "5.0.2") for seed in range(6)]
    first, second = (Gate(shop.contract(*shop.CHECKS)) for _ in range(2))
    verdicts = [judge(first, rows, shop.at(n)) for n, rows in enumerate(batches)]
    assert verdicts == [judge(second, rows, shop.at(n)) for n, rows in enumerate(batches)]
    assert {verdict.outcome for verdict in verdicts} > {"hold"}


def test_a_batch_that_is_judged_again_gets_the_same_verdict(shop: Any) -> None:
    gate = Gate(shop.contract(*shop.CHECKS))
    judge(gate, shop.events(120, 1), shop.at(0))
    rows = shop.euros(shop.events(90, 2, event_type="transaction"), "5.0.2")
    assert judge(gate, rows, shop.at(1)) == judge(gate, rows, shop.at(1))


def test_the_order_of_rows_does_not_matter(shop: Any) -> None:
    rows = shop.euros(shop.events(3000, 4), "5.0.2")
    shuffled = rows.sample(frac=1, random_state=1).reset_index(drop=True)
    verdicts = [judge(Gate(shop.contract(*shop.CHECKS)), each, shop.at(0)) for each in (rows, shuffled)]
    assert verdicts[0] == verdicts[1]


def test_an_empty_batch_is_promoted_and_judges_nothing(shop: Any) -> None:
    verdict = judge(Gate(shop.contract(*shop.CHECKS)), shop.events(1, 1).iloc[:0], shop.at(0))
    assert verdict.outcome == "promote"
    assert {each.rows for each in verdict.results} == {0}
    assert result(verdict, "amounts are in cents").observed == "not judged: no stratum has 30 rows"


def test_the_columns_it_names_are_all_it_needs(shop: Any) -> None:
    gate = Gate(shop.contract(*shop.CHECKS))
    rows = shop.euros(shop.events(3000, 5), "5.0.2")
    assert "user_id" not in gate.columns
    assert judge(gate, rows[list(gate.columns)], shop.at(0)).outcome == "hold"
