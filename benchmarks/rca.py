"""Root causes on RiskLoc's synthetic data, judged by RiskLoc's own evaluator, beside RiskLoc itself.

    python -m benchmarks.rca PATH [--cache FOLDER]

PATH is a checkout of shaido987/riskloc (MIT). Its generator draws the S data (48,000 leaves, 5 dimensions) and the L
data (36,000 leaves, 4 dimensions) with the seeds of its paper, into FOLDER or a temporary one. F1 is micro over exact
elements. Constants were chosen on instances 1-40; 41-100 stand apart. Times are the work of one core (the process' CPU
time; nothing here runs on two): ours from the frame of leaves to the causes, RiskLoc's from the same frame, one right
after the other.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.goals import Goal, publish
from pipelines.errors import UsageError
from pipelines.explain import Cause, locate

COUNT = 100
TUNED = 40
# RiskLoc's arguments for the data sets of its paper; the generator draws one instance after the other from one seed.
DATA = {
    "S": ("--seed", "121"),
    "L": (
        *("--seed", "122", "--dims", "10", "24", "10", "15", "--noise-level", "0.0", "0.1"),
        *("--anomaly-severity", "0.5", "1.0", "--anomaly-deviation", "0.0", "0.0"),
        *("--num-anomaly", "1", "5", "--num-anomaly-elements", "1", "1", "--only-last-layer"),
    ),
}


@dataclass(frozen=True)
class Instance:
    """Leaves with columns real and predict, and the label: `a=a1&b=b2;c=c3`."""

    data: str
    number: int
    leaves: pd.DataFrame
    label: str

    @property
    def dims(self) -> list[str]:
        """The dimension columns."""
        return [name for name in self.leaves.columns if name not in ("real", "predict")]


@dataclass(frozen=True)
class Score:
    """How many elements were named rightly, wrongly, not at all, and in how many seconds of one core."""

    data: str
    number: int
    right: int
    wrong: int
    missed: int
    seconds: float
    beside: float | None = None


class RiskLoc:
    """Its checkout: generator, evaluator and method."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        if not (checkout / "generate_dataset.py").is_file():
            raise UsageError(f"{checkout}: no generate_dataset.py", hint="give a checkout of shaido987/riskloc")
        sys.path.append(str(checkout))
        from algorithms.riskloc import riskloc
        from utils.evaluation import root_cause_postprocessing, score_root_causes

        self._riskloc, self._named, self._score = riskloc, root_cause_postprocessing, score_root_causes

    def instances(self, data: str, folder: Path) -> Iterator[Instance]:
        """The instances of a data set, drawn into the folder unless they are there."""
        labels = folder / data / "injection_info.csv"
        if not labels.is_file() or len(pd.read_csv(labels)) < COUNT:
            generator = self._checkout / "generate_dataset.py"
            names = ("--num", str(COUNT), "--dataset-name", data, "--data-root", str(folder.resolve()))
            command = [sys.executable, str(generator.resolve()), *names, *DATA[data]]
            subprocess.run(command, cwd=self._checkout, check=True, stdout=subprocess.DEVNULL)
        for number, row in enumerate(pd.read_csv(labels).head(COUNT).itertuples(), start=1):
            yield Instance(data, number, pd.read_csv(folder / data / f"{row.timestamp}.csv"), str(row.set))

    def judged(self, named: Sequence[str], label: str) -> tuple[int, int, int]:
        """Its evaluator: true positives, false positives, false negatives."""
        right, wrong, missed, _ = self._score(list(named), label)
        return int(right), int(wrong), int(missed)

    def names(self, instance: Instance) -> list[str]:
        """The method itself, with its own settings."""
        found = self._riskloc(instance.leaves.copy(), instance.dims)
        return list(map(str, self._named(found, "riskloc")))


def ours(instance: Instance) -> list[str]:
    """The elements that we name, as the evaluator reads them."""
    leaves = instance.leaves.rename(columns={"predict": "expected"}, copy=False)
    # The generator's noise takes a few actual values below zero, which is no amount.
    leaves["actual"] = leaves["real"].clip(lower=0)
    return [element_name(cause) for cause in locate(leaves, instance.dims, "amount")]


def element_name(cause: Cause) -> str:
    """`a=a1&b=b2`, dimensions in the order of their names."""
    return "&".join(f"{name}={value}" for name, value in sorted(cause.elements.items()))


def timed(named: Callable[[Instance], list[str]], instance: Instance) -> tuple[list[str], float]:
    """What is named, and the seconds of work that it took."""
    started = time.process_time()
    found = named(instance)
    return found, time.process_time() - started


def scores(riskloc: RiskLoc, data: str, folder: Path, beside: int) -> Iterator[tuple[Score, Score | None]]:
    """Our score of each instance; RiskLoc's too for the first `beside`."""
    for instance in riskloc.instances(data, folder):
        if instance.number == 1:
            ours(instance)  # What is imported and made ready once is not an instance's time.
        named, seconds = timed(ours, instance)
        theirs = None
        if instance.number <= beside:
            other, took = timed(riskloc.names, instance)
            theirs = Score(data, instance.number, *riskloc.judged(other, instance.label), took)
        yield (
            Score(data, instance.number, *riskloc.judged(named, instance.label), seconds, theirs and theirs.seconds),
            theirs,
        )


def f1(found: Sequence[Score]) -> float:
    """Micro F1 over the elements of all instances."""
    right = sum(each.right for each in found)
    return 2 * right / max(2 * right + sum(each.wrong + each.missed for each in found), 1)


def goals(mine: Sequence[Score], theirs: Sequence[Score]) -> list[Goal]:
    """The scorecard of both data sets."""
    rows: list[Goal] = []
    for data, goal in (("S", 0.96), ("L", 0.995)):
        own = [each for each in mine if each.data == data]
        other = [each for each in theirs if each.data == data]
        took = [each.seconds for each in own]
        ratios = [each.beside / each.seconds for each in own if each.beside is not None]
        total = sum(each.seconds for each in other) / sum(each.seconds for each in own[: len(other)])
        rows += [
            Goal(f"{data}: F1, instances 1-{COUNT}", f1(own), goal),
            Goal(f"{data}: F1, instances 1-{TUNED}, tuned on", f1(own[:TUNED])),
            Goal(f"{data}: F1, instances {TUNED + 1}-{COUNT}, no constant chosen on", f1(own[TUNED:])),
            Goal(f"{data}: F1, instances 1-{len(other)}", f1(own[: len(other)])),
            Goal(f"{data}: RiskLoc's F1, instances 1-{len(other)}", f1(other)),
            Goal(
                f"{data}: seconds an instance, mean", float(np.mean(took)), 0.08 if data == "S" else None, at_most=True
            ),
            Goal(f"{data}: seconds an instance, largest", float(np.max(took))),
            Goal(f"{data}: times faster than RiskLoc, all pairs together", total, 60 if data == "S" else None),
            Goal(f"{data}: times faster than RiskLoc, median of pairs", float(np.median(ratios))),
            Goal(f"{data}: times faster than RiskLoc, smallest of pairs", float(np.min(ratios))),
        ]
    return rows


def main() -> int:
    """0 when every goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="a checkout of shaido987/riskloc")
    parser.add_argument("--cache", type=Path, help="where the drawn instances are kept; 0.2 GB")
    parser.add_argument("--beside", type=int, default=12, help="instances of each set that RiskLoc runs on too")
    args = parser.parse_args()
    riskloc = RiskLoc(args.path)
    mine: list[Score] = []
    theirs: list[Score] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.cache or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for data in DATA:
            for own, other in scores(riskloc, data, folder, args.beside):
                mine.append(own)
                theirs += [other] if other else []
                print(
                    f"{data} {own.number:>3}  {own.seconds:.3f} s  {f1(mine):.3f}",
                    end="\r",
                    file=sys.stderr,
                    flush=True,
                )
    details: dict[str, Any] = {"ours": [asdict(each) for each in mine], "riskloc": [asdict(each) for each in theirs]}
    return publish("rca", "python -m benchmarks.rca PATH", goals(mine, theirs), details)


if __name__ == "__main__":
    sys.exit(main())
