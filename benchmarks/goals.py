"""Figures beside their goals: a table for people, JSON for the repository, an exit code for make.

Every scorecard ends in `publish`; benchmarks/results/NAME.json is written by nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Goal:
    """One figure and what it should be: at least `goal`, or at most where `at_most`; reported only where it is None."""

    name: str
    figure: float
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure is as good as the goal; a figure that is no number never is."""
        if self.goal is None:
            return True
        return self.figure <= self.goal if self.at_most else self.figure >= self.goal

    @property
    def words(self) -> str:
        """The goal as people read it."""
        return "-" if self.goal is None else f"{'at most' if self.at_most else 'at least'} {self.goal:g}"


def table(goals: Sequence[Goal]) -> str:
    """One line a figure."""
    wide = max(len(each.name) for each in goals)
    return "\n".join(
        f"{each.name:<{wide}}  {each.figure:>9.4g}  {each.words:<15}  {'met' if each.met else 'MISSED'}"
        if each.goal is not None
        else f"{each.name:<{wide}}  {each.figure:>9.4g}  {each.words}"
        for each in goals
    )


def publish(
    name: str, command: str, goals: Sequence[Goal], details: Mapping[str, Any] | None = None, folder: Path = RESULTS
) -> int:
    """Print the table and write `NAME.json`; 0 when every goal is met, else 1.

    Args:
        name: of the scorecard, and of its file.
        command: that reproduces the figures, with its seeds.
        goals: figures in the order they are read.
        details: what else belongs to the result, such as a row per instance; plain JSON.
    """
    print(table(goals))
    result = {
        "name": name,
        "command": command,
        "goals": [{**asdict(each), "figure": _number(each.figure), "met": each.met} for each in goals],
        **({"details": details} if details else {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2, sort_keys=False, allow_nan=False) + "\n")
    return 0 if all(each.met for each in goals) else 1


def _number(figure: float) -> float | None:
    """The figure as JSON has it, which knows no NaN."""
    return figure if math.isfinite(figure) else None
