"""The scorecard of incidents counts what a person would: told or not, once, and with the causes that there are."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.incidents import Story, Told, cases, goals
from pipelines import contract as contracts
from pipelines.incidents.record import CauseLine, Incident, SeverityLine
from pipelines.simulate.labels import Label

START = datetime(2026, 11, 23, 10, tzinfo=UTC)
LABEL = Label(
    id="a", product="shop", scenario="s", seed=1, kind="traffic-spike", title="", start=START,
    end=START + timedelta(hours=1), metric="traffic", also=(), direction="up", cause={"region": "us-east"},
    verdict="changed behaviour",
)  # fmt: skip


def incident(verdict: str = "changed behaviour", number: int = 0, **elements: str) -> Incident:
    since = datetime(2026, 11, 23, 10, number)
    line = CauseLine(elements=elements, actual=2, expected=1, share=1, consistency="", confident=True)
    return Incident(
        incident_id=f"i{number}{verdict}{elements}", product="shop", verdict=verdict, verdict_evidence=(),  # type: ignore[arg-type]
        metric="traffic", title="Traffic", direction="up", change=1.0, since=since, until=since + timedelta(hours=1),
        open=True, state="provisional", causes=(line,) if elements else (), candidates=(), also_moved=(),
        severity=SeverityLine(level="SEV2", score=0.6, inputs={}, words={}), p_value=1e-9, why=(), quality=(),
        rate_mix=None, next_steps=(), detector_version="1", opened=since + timedelta(minutes=10),
    )  # fmt: skip


def story(*incidents: Incident, false: tuple[Incident, ...] = (), label: Label = LABEL) -> Story:
    own = tuple(each for each in incidents if each not in false)[:1]
    told = Told("s", "medium", 1, label, 9.0, 2.0 if own else float("nan"), own)
    return Story("s", "medium", 1, (told,), incidents, false)


def figure(stories: list[Story], words: str) -> float:
    return next(each.figure for each in goals(stories) if words in each.name)


def test_what_is_found_false_and_missed_makes_precision_and_recall() -> None:
    right, wrong = incident(region="us-east"), incident(number=5, device="ios")
    stories = [story(right), story(right, wrong, false=(wrong,)), story()]
    assert figure(stories, "precision") == pytest.approx(2 / 3)
    assert figure(stories, "recall") == pytest.approx(2 / 3)
    assert figure(stories, "F1") == pytest.approx(2 / 3)


def test_a_label_that_nobody_is_told_of_waits_for_ever() -> None:
    found = incident(region="us-east")
    assert figure([story(found), story(), story()], "delay") == float("inf")
    assert figure([story(found), story(found), story()], "delay") == 2.0


def test_a_cause_too_many_or_another_one_is_not_exact() -> None:
    both = incident(region="us-east").model_copy(
        update={"causes": (*incident(region="us-east").causes, *incident(device="ios").causes)}
    )
    exact = [story(each).exact for each in (incident(region="us-east"), both, incident(region="us-west"))]
    assert exact == [True, False, False]


def test_a_verdict_is_right_when_it_is_the_label_s() -> None:
    of_both = replace(LABEL, verdict="both")
    assert figure([story(incident("both", region="us-east"), label=of_both)], "verdict") == 1.0
    assert figure([story(incident(region="us-east"), label=of_both)], "verdict") == 0.0


def test_three_seeds_see_every_scenario_at_every_strength() -> None:
    contract = contracts.load("shop")
    alone = {case for seed in (1, 2, 3) for case in cases(contract, seed) if "+" not in case[0]}
    assert len({name for name, _ in alone}) * 3 == len(alone)
