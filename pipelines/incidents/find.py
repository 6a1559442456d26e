"""One evaluation: the series frame of finished windows and the baseline in, evidence and incidents out. Pure.

What the leaves of an incident are is asked of the caller, who knows where they are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from pipelines.contract import Contract, Metric
from pipelines.detect import DETECTOR_VERSION
from pipelines.detect.alerts import alerts as alerts_of
from pipelines.detect.evaluate import evaluate
from pipelines.explain import Explanation, Kind, explain
from pipelines.incidents.assemble import assemble
from pipelines.incidents.record import Incident

# How a metric's leaves are explained.
EXPLAINED_AS: dict[str, Kind] = {
    "count": "count",
    "distinct": "count",
    "ratio": "ratio",
    "quantile": "ratio",
    "sum": "sum",
    "mean": "amount",
}


@dataclass(frozen=True)
class Asked:
    """Whose leaves are wanted: a metric's, over windows (their starts, UTC), beside `history` [start, end).

    `expected_total` is what the whole metric was expected to sum up to, `usual` the threshold of a quantile's slow
    events; None where the baseline does not say.
    """

    metric: Metric
    windows: tuple[datetime, ...]
    history: tuple[datetime, datetime]
    expected_total: float | None
    usual: float | None


ExplanationOf = Callable[[Asked], Explanation]


@dataclass(frozen=True)
class Findings:
    """What one evaluation says: the windows that it judged (UTC, without zone), the evidence, the incidents."""

    windows: tuple[datetime, ...]
    evidence: pd.DataFrame
    incidents: list[Incident]


def by_leaves(contract: Contract, leaves_of: Callable[[Asked], pd.DataFrame]) -> ExplanationOf:
    """Explanations from frames of leaves, as `pipelines.explain.explain` takes them."""

    def explained(asked: Asked) -> Explanation:
        leaves = leaves_of(asked)
        dims = [name for name in contract.dimensions if name in leaves.columns]
        return explain(leaves, dims, EXPLAINED_AS[asked.metric.kind])

    return explained


def usual_of(learnt: pd.DataFrame) -> dict[str, float]:
    """Thresholds of quantile series by name, that their frame is to be read with."""
    known = learnt.dropna(subset=["usual"])
    return dict(zip(known["series"].astype(str), known["usual"].astype(float), strict=True))


def find(
    contract: Contract,
    frame: pd.DataFrame,
    learnt: pd.DataFrame,
    facts: pd.DataFrame,
    results: pd.DataFrame,
    explanation_of: ExplanationOf,
    confirmed_until: datetime,
) -> Findings:
    """Judge every window of the frame.

    Args:
        contract: the product.
        frame: series frame of the windows since the baseline's `until`, read with `usual_of(learnt)`.
        learnt: the baseline, of one run.
        facts, results: what refine and the gate know of the same windows and of those before; see `assemble`.
        explanation_of: says which leaves of a metric that moved are the cause.
        confirmed_until: windows that end by then (UTC) no longer change.
    """
    windows = tuple(each.to_pydatetime() for each in sorted(frame["window_start"].unique()))
    evidence = evaluate(frame, learnt, contract)
    return found_in(contract, windows, evidence, learnt, facts, results, explanation_of, confirmed_until)


def found_in(
    contract: Contract,
    windows: tuple[datetime, ...],
    evidence: pd.DataFrame,
    learnt: pd.DataFrame,
    facts: pd.DataFrame,
    results: pd.DataFrame,
    explanation_of: ExplanationOf,
    confirmed_until: datetime,
) -> Findings:
    """As `find`, of windows that were judged: with their evidence, and the baseline of each metric as a whole."""

    def explained(metric: Metric, start: datetime, end: datetime) -> Explanation:
        return explanation_of(asked(contract, _whole(evidence, metric), learnt, metric, start, end))

    incidents = assemble(
        contract,
        alerts_of(evidence, contract),
        evidence,
        facts,
        results,
        explained,
        windows=windows,
        confirmed_until=confirmed_until.astimezone(UTC).replace(tzinfo=None),
        detector_version=str(DETECTOR_VERSION),
        dims={str(name): dict(dims) for name, dims in zip(learnt["series"], learnt["dims"], strict=True)},
    )
    return Findings(windows, evidence, incidents)


def asked(
    contract: Contract, whole: pd.DataFrame, learnt: pd.DataFrame, metric: Metric, start: datetime, end: datetime
) -> Asked:
    """A metric's leaves over [start, end) (UTC, without zone), with what the whole of it was expected to be.

    `whole` has window_start and expected of the whole metric's windows.
    """
    windows = pd.date_range(start, end, freq=contract.window, inclusive="left")
    own = whole[whole["window_start"].isin(windows)] if len(whole) else whole
    whole = learnt[learnt["series"] == metric.name]
    first = learnt.iloc[0]
    return Asked(
        metric=metric,
        windows=tuple(each.to_pydatetime().replace(tzinfo=UTC) for each in windows),
        history=(_utc(first["history_start"]), _utc(first["until"])),
        expected_total=float(own["expected"].sum()) if len(own) else None,
        usual=float(whole["usual"].iloc[0]) if len(whole) else None,
    )


def _whole(evidence: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    return evidence[(evidence["series"] == metric.name) & (evidence["test"] == "point")]


def _utc(moment: pd.Timestamp) -> datetime:
    return moment.tz_localize("UTC").to_pydatetime()
