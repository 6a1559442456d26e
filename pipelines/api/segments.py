"""The tree of dimensions under an incident: leaves -> what was seen and expected per value of each dimension. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from pipelines.api.model import Segment, Segments
from pipelines.contract import Metric
from pipelines.explain.leaves import overall, sides

# Values of a dimension that are shown, those that changed most first.
_MOST = 12


def prepared(leaves: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """Leaves with columns actual, expected and, for ratios and quantiles, n (events behind them)."""
    if metric.kind not in ("ratio", "quantile"):
        return leaves
    names = ("numerator", "denominator", "history_numerator", "history_denominator")
    columns = leaves[list(names)].to_numpy(dtype=float).T
    actual, expected = sides(columns, overall(*columns[2:].sum(axis=1)))
    return leaves.assign(actual=actual, expected=expected, n=leaves["denominator"])


def level(
    leaves: pd.DataFrame,
    metric: Metric,
    dims: Sequence[str],
    within: Mapping[str, str],
    causes: Sequence[Mapping[str, str]],
) -> Segments:
    """One level of the tree.

    Args:
        leaves: from `prepared`.
        dims: dimensions in the order that they are shown in.
        within: the segment that one has gone down to.
        causes: segments that are marked on the way to them.
    """
    whole = float((leaves["actual"] - leaves["expected"]).sum())
    inside = leaves
    for name, value in within.items():
        inside = inside[inside[name] == value]
    parts = {}
    for name in dims:
        if name in within or inside[name].nunique() < 2:
            continue
        sums = inside.groupby(name)[_columns(inside)].sum()
        order = (sums["actual"] - sums["expected"]).abs().sort_values(ascending=False, kind="stable").index[:_MOST]
        parts[name] = tuple(
            _segment(name, str(value), sums.loc[value], whole, _leads_to({**within, name: str(value)}, causes))
            for value in order
        )
    unit = {"ratio": "events", "quantile": "slow events"}.get(metric.kind, metric.unit)
    return Segments(
        within=dict(within),
        unit=unit,
        total=_segment("", "", inside[_columns(inside)].sum(), whole, False),
        parts=parts,
    )


def _segment(dimension: str, value: str, sums: pd.Series, whole: float, in_cause: bool) -> Segment:
    actual, expected = float(sums["actual"]), float(sums["expected"])
    n = float(sums.get("n", 0.0))
    return Segment(
        dimension=dimension,
        value=value,
        actual=actual,
        expected=expected,
        change=actual / expected - 1 if expected > 0 else None,
        share=(actual - expected) / whole if whole else None,
        rate=actual / n if n else None,
        expected_rate=expected / n if n else None,
        in_cause=in_cause,
    )


def _columns(leaves: pd.DataFrame) -> list[str]:
    return [name for name in ("actual", "expected", "n") if name in leaves.columns]


def _leads_to(place: Mapping[str, str], causes: Sequence[Mapping[str, str]]) -> bool:
    """Whether a cause lies in this segment, named by dimensions of the cause alone."""
    return any(cause and place.items() <= cause.items() for cause in causes)
