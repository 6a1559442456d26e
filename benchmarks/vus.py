"""VUS-PR of the continuous evidence on the 14 NAB series that TSB-AD shares with NAB's checkout.

    python -m benchmarks.vus CHECKOUT

TSB-AD took 23 series of NAB for its evaluation. These 14 are in it whole and with NAB's own windows; of the others,
part is cut off or relabelled there. As there, a series loses its first row, labels keep their places and end before
the last row of a window, and the longest buffer is the series' period. On these 14, TSB-AD's published results are POLY
.376, KShapeAD .350, Sub-PCA .331, each of which sees the whole series; `standing` sees the past alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import nab_corpus
from benchmarks.goals import Goal, publish
from benchmarks.nab_corpus import File
from benchmarks.volume import period, vus_pr
from pipelines.detect.signals import Material
from pipelines.detect.standing import standing

SHARED = (
    "artificialWithAnomaly/art_increase_spike_density.csv",
    "artificialWithAnomaly/art_load_balancer_spikes.csv",
    "realAWSCloudwatch/ec2_cpu_utilization_5f5533.csv",
    "realAdExchange/exchange-3_cpm_results.csv",
    "realKnownCause/ambient_temperature_system_failure.csv",
    "realKnownCause/cpu_utilization_asg_misconfiguration.csv",
    "realKnownCause/ec2_request_latency_system_failure.csv",
    "realKnownCause/nyc_taxi.csv",
    "realKnownCause/rogue_agent_key_hold.csv",
    "realTraffic/TravelTime_451.csv",
    "realTraffic/occupancy_6005.csv",
    "realTraffic/speed_6005.csv",
    "realTraffic/speed_t4013.csv",
    "realTweets/Twitter_volume_FB.csv",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Score, print beside the goal, keep; 0 when it is met."""
    parser = argparse.ArgumentParser(description="VUS-PR of the continuous evidence.")
    parser.add_argument("checkout", type=Path, help="a clone of numenta/NAB")
    chosen = parser.parse_args(arguments)
    found = {each.name: _volume(each) for each in nab_corpus.load(chosen.checkout) if each.name in SHARED}
    return publish(
        "vus",
        "python -m benchmarks.vus CHECKOUT",
        [
            Goal("D3 mean VUS-PR, causal", round(float(np.mean([*found.values()])), 4), 0.41),
            Goal("median", round(float(np.median([*found.values()])), 4)),
            Goal("series", len(found), len(SHARED)),
        ],
        {"series": {name: round(volume, 4) for name, volume in found.items()}},
    )


def _volume(file: File) -> float:
    value = file.material.value[1:]
    labels = np.zeros(len(value), dtype=np.int64)
    for number in range(len(file.limits)):
        inside = np.flatnonzero(file.window == number)
        labels[inside[0] : inside[-1]] = 1
    return vus_pr(labels, standing(Material.of(value, file.material.per_day)), period(value))


if __name__ == "__main__":
    sys.exit(main())
