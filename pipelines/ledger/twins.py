"""The same event_id accepted more than once: de-duplication's faults, and the twins that came after its horizon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

EXAMPLES = 5


@dataclass(frozen=True)
class Twins:
    """Accepted events that had been accepted before, by how long before: `within` the horizon or `beyond` it."""

    within_count: int
    within: tuple[str, ...]
    beyond_count: int
    beyond: tuple[str, ...]


def twins(accepted: pa.Table, horizon: timedelta) -> Twins:
    """Find them in rows of `event_id` and `arrived_at`; each later twin is measured from the one just before it.

    A twin without an arrival time counts as within the horizon: nothing excuses it.
    """
    counted = pc.value_counts(accepted["event_id"])
    repeated = counted.filter(pc.greater(counted.field("counts"), 1)).field("values").drop_null()
    if not len(repeated):
        return Twins(0, (), 0, ())
    rows = accepted.filter(pc.is_in(accepted["event_id"], value_set=repeated)).to_pandas()
    rows = rows.sort_values(["event_id", "arrived_at"], kind="stable")
    again = rows["event_id"].eq(rows["event_id"].shift())
    apart = rows["arrived_at"].diff()
    beyond = again & (apart > horizon)
    within = again & ~beyond
    words = "event " + rows["event_id"].astype(str) + " came again " + apart.astype(str) + " later"
    return Twins(
        int(within.sum()), tuple(words[within].head(EXAMPLES)), int(beyond.sum()), tuple(words[beyond].head(EXAMPLES))
    )
