"""NAB out of sample: laws and limit from some of the files, scored on the others.

    python -m benchmarks.nab_crossfit CHECKOUT

Halves: 58 files are split in two by 20 seeds; each half is scored with what the other gave. Families: each of NAB's
seven folders is scored with what the other six gave. Laws are fitted without labels; the limit is the best by the
standard profile on the files that may be seen, steadied over its neighbours. The rules themselves were chosen on all
files, so this is not the figure of a detector that had never seen NAB.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np

from benchmarks import nab_corpus
from benchmarks.goals import Goal, publish
from benchmarks.nab_corpus import Counts, File, Floats, Ints
from pipelines.detect import record, returns, signals
from pipelines.detect.returns import ReturnLaw
from pipelines.detect.signals import RULES

SEEDS = 20
LIMITS = np.geomspace(1500.0, 9000.0, 30)
_STEADY = (0.1, 0.2, 0.4, 0.2, 0.1)


@dataclass(frozen=True)
class Seen:
    """A file's excursions where there is one, (rules, moments), the points of those, and peaks by rule for the fit."""

    file: File
    share: Floats
    at: Ints
    peaks: tuple[Floats, ...]

    @classmethod
    def of(cls, file: File) -> Seen:
        share = np.stack([each.share for each in signals.excursions(file.material)])
        at = np.flatnonzero(share.any(axis=0))
        return cls(file, share[:, at], at, tuple(returns.peaks(row, file.scored_from) for row in share))

    def counts(self, laws: Sequence[ReturnLaw]) -> list[Counts]:
        """What alerts earn at each of `LIMITS`."""
        joined = np.zeros(len(self.file.window))
        joined[self.at] = record.join(np.stack([law.period(row) for law, row in zip(laws, self.share, strict=True)]))
        return [nab_corpus.counts(self.file, record.alerts(joined, limit)) for limit in LIMITS]


@dataclass(frozen=True)
class Fold:
    """What some files taught, and what it is worth on the others."""

    limit: float
    total: Counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, print beside the goals, keep; 0 when all are met."""
    parser = argparse.ArgumentParser(description="The record detector on files of NAB that taught it nothing.")
    parser.add_argument("checkout", type=Path, help="a clone of numenta/NAB")
    chosen = parser.parse_args(arguments)
    files = nab_corpus.load(chosen.checkout)
    seen = [Seen.of(each) for each in files]
    alerts = [record.judge(each.material).alerts for each in files]
    halves = [each for seed in range(SEEDS) for each in _halves(seen, seed)]
    means = np.array([nab_corpus.score(each.total) for each in halves]).reshape(SEEDS, 2).mean(axis=1)
    families = {name: _without(seen, name) for name in sorted({each.family for each in files})}
    left_out = reduce(add, (each.total for each in families.values()))
    return publish(
        "nab-crossfit",
        "python -m benchmarks.nab_crossfit CHECKOUT",
        [
            Goal(f"D2 half of the files, mean of {SEEDS} splits", round(float(means.mean()), 3), 75.0),
            Goal("spread between the splits", round(float(means.std()), 3)),
            Goal("D2 one family left out", round(nab_corpus.score(left_out), 3), 73.0),
            Goal("one family left out, low FP", round(nab_corpus.score(left_out, "reward_low_FP_rate"), 3)),
            Goal("one family left out, low FN", round(nab_corpus.score(left_out, "reward_low_FN_rate"), 3)),
            Goal("difference to NAB's sweeper", nab_corpus.differs(chosen.checkout, files, alerts), 1e-9, at_most=True),
        ],
        {
            "splits": [round(float(each), 2) for each in means],
            "limits of the halves": [round(each.limit) for each in halves],
            "families": {
                name: {
                    "limit": round(fold.limit),
                    "standard": round(nab_corpus.score(fold.total), 2) if fold.total.windows else None,
                    "windows": fold.total.windows,
                    "found": fold.total.found,
                    "false": fold.total.false,
                }
                for name, fold in families.items()
            },
        },
    )


def _halves(seen: Sequence[Seen], seed: int) -> list[Fold]:
    order = np.random.default_rng(seed).permutation(len(seen))
    one, other = ([seen[i] for i in part] for part in np.array_split(order, 2))
    return [_fold(one, other), _fold(other, one)]


def _without(seen: Sequence[Seen], family: str) -> Fold:
    return _fold(
        [each for each in seen if each.file.family != family], [each for each in seen if each.file.family == family]
    )


def _fold(teach: Sequence[Seen], test: Sequence[Seen]) -> Fold:
    points = sum(each.file.scored for each in teach)
    laws = [returns.fit([each.peaks[rule] for each in teach], points) for rule in range(len(RULES))]
    taught = [reduce(add, at) for at in zip(*(each.counts(laws) for each in teach), strict=True)]
    by_limit = np.array([nab_corpus.score(each) for each in taught])
    steady = np.convolve(np.pad(by_limit, len(_STEADY) // 2, mode="edge"), _STEADY, mode="valid")
    best = int(steady.argmax())
    return Fold(float(LIMITS[best]), reduce(add, (each.counts(laws)[best] for each in test)))


if __name__ == "__main__":
    sys.exit(main())
