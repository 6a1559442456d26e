"""Figures beside their goals, as every scorecard prints and keeps them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from benchmarks.goals import Goal, publish


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("recall", 0.9, 0.9), True),
        (Goal("recall", 0.89, 0.9), False),
        (Goal("delay", 2, 2, at_most=True), True),
        (Goal("delay", 3, 2, at_most=True), False),
        (Goal("seconds", 5), True),
        (Goal("recall", math.nan, 0.9), False),
        (Goal("delay", math.nan, 2, at_most=True), False),
    ],
)
def test_a_goal_is_met_when_the_figure_is_as_good(goal: Goal, met: bool) -> None:
    assert goal.met is met


def test_one_missed_goal_is_the_exit_code_and_stands_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    goals = [Goal("precision", 0.95, 0.9), Goal("delay, windows", 3, 2, at_most=True), Goal("worlds", 40)]
    goals.append(Goal("worst delay, windows", math.nan))
    assert publish("incidents", "python -m benchmarks.incidents", goals, {"seeds": [1, 2]}, tmp_path) == 1
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in printed] == ["met", "MISSED", "-", "-"]
    kept = json.loads((tmp_path / "incidents.json").read_text())
    assert [each["met"] for each in kept["goals"]] == [True, False, True, True]
    assert kept["goals"][-1]["figure"] is None
    assert kept["details"] == {"seeds": [1, 2]}
    assert publish("incidents", "python -m benchmarks.incidents", goals[:1], folder=tmp_path) == 0
