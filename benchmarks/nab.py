"""NAB by NAB's own scorer: the record detector, one setting for all files and all three profiles.

    python -m benchmarks.nab CHECKOUT

CHECKOUT is a clone of numenta/NAB; nothing in it is changed. Its scorer needs an older pandas: without `--python` an
environment with numpy<2 pandas<2.2 scipy<1.13 is made in a temporary folder. An alert is a score of 1, all else 0, so
the scorer's optimiser has nothing to choose. Beside it: NAB's published figures of others are ARTime 74.9 / 65.2 /
80.4, Numenta HTM 70.1 / 63.2 / 74.3. Laws and limit here have seen all files; `benchmarks.nab_crossfit` has the rest.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import nab_corpus
from benchmarks.goals import Goal, publish
from benchmarks.nab_corpus import Counts, File, Ints
from pipelines.detect import record

NAME = "pulseiq"
GOALS = {"standard": 78.0, "reward_low_FP_rate": 69.5, "reward_low_FN_rate": 83.0}
_OLD = ("numpy<2", "pandas<2.2", "scipy<1.13")
# What run.py of NAB does with --optimize --score --normalize, in a results folder of our own.
_SCORER = """
import sys
from nab.runner import Runner
import json, os
root, results, name = sys.argv[1:]
labels = os.path.join(root, "labels", "combined_windows.json")
profiles = os.path.join(root, "config", "profiles.json")
thresholds = os.path.join(results, "thresholds.json")
if __name__ == "__main__":
    runner = Runner(os.path.join(root, "data"), results, labels, profiles, thresholds, 1)
    runner.initialize()
    runner.optimize([name])
    with open(thresholds) as file:
        runner.score([name], json.load(file))
    runner.normalize()
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, print beside the goals, keep; 0 when all are met."""
    parser = argparse.ArgumentParser(description="The record detector by NAB's own scorer.")
    parser.add_argument("checkout", type=Path, help="a clone of numenta/NAB")
    parser.add_argument("--python", type=Path, help="an interpreter with numpy<2 pandas<2.2 scipy<1.13")
    chosen = parser.parse_args(arguments)
    files = nab_corpus.load(chosen.checkout)
    alerts = [record.judge(each.material).alerts for each in files]
    with tempfile.TemporaryDirectory() as folder:
        python = chosen.python or _environment(Path(folder) / "scorer")
        official = _official(chosen.checkout.resolve(), python, Path(folder) / "results", files, alerts)
    total = reduce(add, map(nab_corpus.counts, files, alerts), Counts())
    own = {profile: nab_corpus.score(total, profile) for profile in GOALS}
    difference = max(abs(official[profile] - own[profile]) for profile in GOALS)
    points = sum(each.scored for each in files)
    return publish(
        "nab",
        "python -m benchmarks.nab CHECKOUT",
        [
            *(Goal(f"D1 {profile}", round(official[profile], 3), goal) for profile, goal in GOALS.items()),
            Goal("D1 standard, stretch", round(official["standard"], 3), 80.0),
            Goal("windows found", total.found),
            Goal("windows", total.windows),
            Goal("points per false alert", round(points / max(total.false, 1))),
            Goal("largest difference to the scorer of the cross-fit", round(difference, 9), 1e-6, at_most=True),
        ],
        {
            "limit in points": record.LIMIT,
            "laws": [asdict(law) for law in record.LAWS],
            "files": {each.name: asdict(nab_corpus.counts(each, at)) for each, at in zip(files, alerts, strict=True)},
        },
    )


def _official(
    checkout: Path, python: Path, results: Path, files: Sequence[File], alerts: Sequence[Ints]
) -> dict[str, float]:
    for file, points in zip(files, alerts, strict=True):
        fired = np.zeros(len(file.window))
        fired[points] = 1.0
        inside = (file.window >= 0).astype(int)
        folder = results / NAME / file.family
        folder.mkdir(parents=True, exist_ok=True)
        columns = {
            "timestamp": file.timestamps,
            "value": file.material.value,
            "anomaly_score": fired,
            "label": inside,
        }
        pd.DataFrame(columns).to_csv(folder / f"{NAME}_{Path(file.name).name}", index=False)
    shutil.copytree(checkout / "results" / "null", results / "null")
    script = results / "score.py"
    script.write_text(_SCORER)
    command = [python, script, checkout, results, NAME]
    ended = subprocess.run(command, env={"PYTHONPATH": str(checkout)}, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.stderr.write(ended.stderr)
        raise SystemExit(f"NAB's scorer ended with {ended.returncode}")
    found: dict[str, float] = json.loads((results / "final_results.json").read_text())[NAME]
    return found


def _environment(folder: Path) -> Path:
    """An environment that NAB's scorer runs in; the checkout is not installed, its folder is on the path."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *_OLD], check=True)
    return python


if __name__ == "__main__":
    sys.exit(main())
