"""Curves for people: a series' name into its parts, a curve's rows into points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC

import pandas as pd

from pipelines.api.model import Curve, MetricNow, Point
from pipelines.api.refusal import UnknownError
from pipelines.contract import Contract, Metric
from pipelines.detect.grid import series_name

_NAME = re.compile(r"([a-z][a-z0-9_]*)(?:\{(.*)\})?", re.DOTALL)


def split(contract: Contract, series: str) -> tuple[Metric, dict[str, str]]:
    """Metric and dimension values of `metric` or `metric{dimension=value,...}`.

    Raises:
        UnknownError: no metric or dimension of the product is meant.
    """
    found = _NAME.fullmatch(series)
    metric = next((each for each in contract.metrics if found and each.name == found[1]), None)
    if found is None or metric is None:
        known = ", ".join(each.name for each in contract.metrics)
        raise UnknownError(f"'{series[:80]}' is no series of {contract.product}", hint=f"one of: {known}")
    dims: dict[str, str] = {}
    if found[2]:
        # A value may hold commas; what follows one that is no `dimension=` belongs to it.
        borders = "|".join(re.escape(name) for name in contract.dimensions)
        for part in re.split(rf",(?=(?:{borders})=)", found[2]):
            name, equals, value = part.partition("=")
            if not equals or name not in contract.dimensions:
                raise UnknownError(
                    f"'{part[:80]}' in '{series[:80]}' names no dimension",
                    hint=f"write {metric.name}{{dimension=value}} with one of: {', '.join(contract.dimensions)}",
                )
            dims[name] = value
    return metric, dims


def curve_of(contract: Contract, metric: Metric, dims: Mapping[str, str], rows: pd.DataFrame, *, banded: bool) -> Curve:
    """A curve from its rows; see `pipelines.jobs.curves`."""
    return Curve(
        series=series_name(metric.name, dims),
        metric=metric.name,
        title=metric.title,
        unit=metric.unit,
        kind=metric.kind,
        window_seconds=int(contract.window.total_seconds()),
        banded=banded,
        points=tuple(_point(each) for each in rows.itertuples(index=False)),
    )


def metric_now(contract: Contract, metric: Metric, rows: pd.DataFrame, abnormal: bool) -> MetricNow:
    """A metric with its last judged window."""
    curve = curve_of(contract, metric, {}, rows, banded=True)
    last = next((each for each in reversed(curve.points) if each.judged and each.value is not None), None)
    known = last is not None and last.value is not None and last.expected
    return MetricNow(
        name=metric.name,
        title=metric.title,
        unit=metric.unit,
        last=last,
        deviation=last.value / last.expected - 1 if known else None,  # type: ignore[operator,union-attr]
        abnormal=abnormal,
        curve=curve,
    )


def _point(row: object) -> Point:
    at = row.window_start  # type: ignore[attr-defined]
    return Point(
        at=at.to_pydatetime().replace(tzinfo=UTC),
        value=float(row.value),  # type: ignore[attr-defined]
        expected=float(row.expected),  # type: ignore[attr-defined]
        low=float(row.low),  # type: ignore[attr-defined]
        high=float(row.high),  # type: ignore[attr-defined]
        judged=bool(row.judged),  # type: ignore[attr-defined]
        fired=bool(row.fired),  # type: ignore[attr-defined]
    )
