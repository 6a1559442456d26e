"""From evidence to alerts: open when a test fires, stay open while evidence is notable, close after quiet windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipelines.contract import Contract
from pipelines.detect import exempt
from pipelines.detect.grid import Mask

ALERTS = (
    "metric", "series", "direction", "start", "end", "open", "p_value", "tests", "effect", "words", "opened", "planned",
)  # fmt: skip
# Windows without notable evidence that close an alert.
QUIET_WINDOWS = 3


def stayed_away(tests: Sequence[str]) -> bool:
    """Whether an alert by these tests says that events stayed away, and nothing of the value that they would have."""
    return set(tests) == {"missing"}


def active(fired: Mask, notable: Mask) -> Mask:
    """Windows in which an alert is open, (windows,): looks back only."""
    out = np.zeros_like(fired)
    is_open, quiet = False, 0
    for t in range(len(fired)):
        if fired[t]:
            is_open, quiet = True, 0
        elif is_open:
            quiet = 0 if notable[t] else quiet + 1
            is_open = quiet < QUIET_WINDOWS
        out[t] = is_open
    return out


def alerts(evidence: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Alerts of an evidence frame.

    Args:
        evidence: from `evaluate`, a contiguous stretch of windows.
        contract: gives the window's length and the planned events.

    Returns:
        One row per alert: metric, series, direction, start (where the deviation began), end (of the last window with
        notable evidence, exclusive), open (not yet closed at the last window), p_value (smallest), tests (fired, as a
        tuple), effect and words of the row with the smallest p-value, opened (end of the first window in which a test
        fired), planned (name of the event that explains all of its windows, empty where none does). Sorted by start,
        then series.
    """
    columns = list(ALERTS)
    if not len(evidence):
        return pd.DataFrame(columns=columns)
    step = pd.Timedelta(contract.window)
    first, last = evidence["window_start"].min(), evidence["window_start"].max()
    length = int((last - first) / step) + 1
    position = ((evidence["window_start"] - first) / step).round().astype(int)
    rows: list[dict[str, object]] = []
    evidence = evidence.assign(
        planned=exempt.plans(contract.sensitivity, evidence, int(contract.window.total_seconds()))
    )
    firing = evidence.loc[evidence["fired"], ["series", "direction", "planned"]].drop_duplicates()
    for series, direction, planned in firing.itertuples(index=False):
        own = evidence[
            (evidence["series"] == series) & (evidence["direction"] == direction) & (evidence["planned"] == planned)
        ]
        at = position[own.index].to_numpy()
        fired, notable = np.zeros(length, dtype=bool), np.zeros(length, dtype=bool)
        fired[at[own["fired"].to_numpy()]] = True
        notable[at[(own["p_value"] <= 0.01).to_numpy()]] = True
        is_open = active(fired, notable)
        for begin, stop in _runs(is_open):
            inside = own[(at >= begin) & (at < stop)]
            fires = inside[inside["fired"]]
            peak = fires.loc[fires["p_value"].idxmin()]
            # The earliest of many estimates would be too early.
            early = fires.sort_values(["window_start", "p_value"]).iloc[0]
            strong = np.flatnonzero((fired | notable)[begin:stop]) + begin
            rows.append(
                {
                    "metric": peak["metric"],
                    "series": series,
                    "direction": direction,
                    "start": min(early["since"], peak["since"]),
                    "end": first + step * (int(strong.max()) + 1),
                    "open": bool(stop == length and is_open[-1]),
                    "p_value": float(peak["p_value"]),
                    "tests": tuple(sorted(fires["test"].unique())),
                    "effect": float(peak["effect"]),
                    "words": peak["words"],
                    "opened": early["window_start"] + step,
                    "planned": planned,
                }
            )
    return pd.DataFrame(rows, columns=columns).sort_values(["start", "series"], ignore_index=True)


def _runs(mask: Mask) -> list[tuple[int, int]]:
    """Stretches of True as (first, after last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
