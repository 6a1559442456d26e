"""Root causes of sparse ratios: about 200 leaves, failures in the tens, by the code path of all other kinds.

    python -m benchmarks.sparse [--real PATH]

The cases are drawn by `benchmarks.sparse_ratios`; seeds from 1000 on were looked at while the scan was made, lower ones
never. With a checkout of shaido987/riskloc (MIT) at PATH, RobustSpot's real faults in it are explained too: failures of
video streams, one minute against the four before it, as its own reader takes them. F1 is micro over exact elements.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.goals import Goal, publish
from benchmarks.sparse_ratios import DIMS, draw
from pipelines.errors import UsageError
from pipelines.explain import explain

HELD_OUT = range(1, 201)
TUNED = range(1000, 1100)
_HISTORY = 4
_PARTS = ["numerator", "denominator"]


@dataclass(frozen=True)
class Score:
    """Elements of one case: named rightly, wrongly, not at all; and whether the ranked list's first three hold one."""

    right: int
    wrong: int
    missed: int
    top: bool


def judged(leaves: pd.DataFrame, dims: Iterable[str], truth: list[dict[str, str]]) -> Score:
    """The score of one case."""
    found = explain(leaves, list(dims), "ratio")
    named = [cause.elements for cause in found.causes]
    right = sum(each in named for each in truth)
    top = any(cause.elements in truth for cause in found.ranked[:3])
    return Score(right, len(named) - right, len(truth) - right, top)


def drawn(seeds: Iterable[int]) -> list[Score]:
    """Scores of drawn cases."""
    cases = map(draw, seeds)
    return [judged(each.leaves, DIMS, [dict(element) for element in each.truth]) for each in cases]


def real(checkout: Path) -> Iterator[Score]:
    """Scores of RobustSpot's faults; in its files `value` counts failures, `cnt` all, `min` is the minute's start."""
    folder = checkout / "data" / "RS"
    if not (folder / "anomaly.yaml").is_file():
        raise UsageError(f"{folder}: no anomaly.yaml", hint="give a checkout of shaido987/riskloc")
    for case in yaml.safe_load((folder / "anomaly.yaml").read_text(encoding="utf-8")):
        rows = pd.read_csv(folder / f"{case['data']}.csv").rename(columns={"value": "numerator", "cnt": "denominator"})
        dims = [name for name in rows.columns if name not in ("min", *_PARTS)]
        rows[dims] = rows[dims].astype(str)
        at = case["timestamp"]
        before = rows["min"].isin([at - 60 * ago for ago in range(1, _HISTORY + 1)])
        now, past = (rows[part].groupby(dims)[_PARTS].sum() for part in (rows["min"] == at, before))
        leaves = now.join(past.add_prefix("history_"), how="outer").fillna(0).reset_index()
        causes = case["cause"] if isinstance(case["cause"], list) else [case["cause"]]
        yield judged(leaves, dims, [{name: str(value) for name, value in each.items()} for each in causes])


def f1(found: list[Score]) -> float:
    """Micro F1 over the elements of all cases."""
    right = sum(each.right for each in found)
    return 2 * right / max(2 * right + sum(each.wrong + each.missed for each in found), 1)


def top(found: list[Score]) -> float:
    """Part of the cases whose ranked list begins with a right element among its first three."""
    return sum(each.top for each in found) / max(len(found), 1)


def main() -> int:
    """0 when every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, metavar="PATH", help="a checkout of shaido987/riskloc")
    args = parser.parse_args()
    held_out, tuned = drawn(HELD_OUT), drawn(TUNED)
    goals = [
        Goal(f"drawn: F1, seeds {HELD_OUT[0]}-{HELD_OUT[-1]}, held out", f1(held_out), 0.75),
        Goal("drawn: right element among the first three, held out", top(held_out)),
        Goal(f"drawn: F1, seeds {TUNED[0]}-{TUNED[-1]}, looked at", f1(tuned)),
    ]
    name, command = "sparse", "python -m benchmarks.sparse"
    if args.real:
        found = list(real(args.real))
        # A file of its own: a run without the real faults must not take their figures away.
        name, command = "sparse-real", f"{command} --real PATH"
        goals += [
            Goal(f"real: F1, RobustSpot's {len(found)} faults", f1(found), 0.75),
            Goal("real: right element among the first three", top(found)),
        ]
    return publish(name, command, goals)


if __name__ == "__main__":
    sys.exit(main())
