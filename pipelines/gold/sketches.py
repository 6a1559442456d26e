"""Mergeable summaries that gold keeps for what cannot be summed: a log-bucket histogram and an HLL sketch.

Owns the bucket formula, in SQL for writers and in numpy for readers. Two histograms merge by adding their counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datasketches

# Width of a bucket: a quantile read from it is within 2 % of the true one (Masson, Rim, Lee: "DDSketch", 2019).
GROWTH = 1.04
# Bucket of values that have no logarithm (zero and below).
UNDERFLOW = -(2**31)
# lgK of the HLL sketches: 1,024 registers, a relative standard error of about 2.6 %.
HLL_LG_K = 10


def bucket_sql(value: str) -> str:
    """SQL expression for the bucket of a numeric SQL expression; null stays null."""
    return (
        f"CASE WHEN ({value}) > 0 THEN CAST(floor(ln({value}) / {math.log(GROWTH)!r}) AS INT) "
        f"WHEN ({value}) <= 0 THEN {UNDERFLOW} END"
    )


def bucket_value(bucket: int) -> float:
    """Representative value of a bucket: its geometric middle; 0.0 for the underflow bucket."""
    return 0.0 if bucket == UNDERFLOW else GROWTH ** (bucket + 0.5)


def hll(values: Iterable[str] | Iterable[int]) -> datasketches.hll_sketch:
    """The sketch that Spark's `hll_sketch_agg` makes of the same values."""
    import datasketches

    sketch = datasketches.hll_sketch(HLL_LG_K, datasketches.HLL_8)
    for value in values:
        sketch.update(value)
    return sketch


def quantile(histogram: Mapping[int, int], q: float) -> float:
    """The q-quantile (0 < q < 1) of a histogram `bucket -> count`, in the value's unit; NaN when it is empty."""
    total = sum(histogram.values())
    if total == 0:
        return math.nan
    rank = q * (total - 1)
    seen = 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen > rank:
            return bucket_value(bucket)
    return bucket_value(max(histogram))
