"""Time and memory of finding a cause among many leaves: taken by the driver, or summed up by Spark.

    python -m benchmarks.far_leaves [--leaves 100000]

Leaves of three dimensions, of which one segment fell to half. Each way runs in a process of its own, with its peak:
the driver's Python and its JVM, which in local mode holds the executors too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import product

import numpy as np
import pandas as pd
import psutil
from pyspark import SparkContext

from pipelines.contract import Metric
from pipelines.jobs import spread_leaves
from pipelines.platform import spark as sparks

_WAYS = {"driver": 10**9, "spark": 0}
_DIMS = ["branch", "brand", "colour"]


def leaves(count: int, seed: int = 3) -> pd.DataFrame:
    """About so many leaves as gold sums them; branch = branch1, brand = brand2 fell to half."""
    side = max(4, round(count ** (1 / 3)))
    sizes = (side, side, -(-count // side**2))
    values = [[f"{name}{i}" for i in range(size)] for name, size in zip(_DIMS, sizes, strict=True)]
    frame = pd.DataFrame(list(product(*values)), columns=_DIMS)
    rng = np.random.default_rng(seed)
    before = rng.lognormal(5, 0.5, len(frame)).round()
    now = rng.poisson(before * np.where((frame["branch"] == "branch1") & (frame["brand"] == "brand2"), 0.5, 1.0)) * 1.0
    return frame.assign(a=now, n=now, a_h=before, n_h=before)


def measured(way: str, count: int) -> dict[str, object]:
    """One search in this process."""
    spark = sparks.session(None, "benchmark", memory="1g")
    # On the executors' side from the start, as gold is.
    sums = spark.createDataFrame(leaves(count)).persist()
    sums.count()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    metric = Metric(name="m", title="m", kind="count")
    started = time.monotonic()
    found = spread_leaves.explain(sums, metric, _DIMS, "count", None, 1.0, most_leaves=_WAYS[way])
    seconds = time.monotonic() - started
    jvm = psutil.Process(SparkContext._gateway.proc.pid)  # type: ignore[union-attr]
    answer = {
        "way": way,
        "leaves": sums.count(),
        "seconds": round(seconds, 1),
        "python_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "python_before_mb": before // 1024,
        "jvm_mb": jvm.memory_info().rss // 2**20,
        "cause": found.causes[0].words,
    }
    sparks.stop(spark)
    return answer


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--way", choices=sorted(_WAYS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(measured(asked.way, asked.leaves)))
        return
    print(f"{'way':8} {'leaves':>9} {'seconds':>8} {'Python before':>14} {'Python peak':>12} {'JVM':>8}  cause")
    for way in _WAYS:
        command = [sys.executable, "-m", "benchmarks.far_leaves", "--way", way, "--leaves", str(asked.leaves)]
        said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        print(
            f"{said['way']:8} {said['leaves']:9,} {said['seconds']:8.1f} {said['python_before_mb']:11,} MB "
            f"{said['python_mb']:9,} MB {said['jvm_mb']:5,} MB  {said['cause']}"
        )


if __name__ == "__main__":
    main()
