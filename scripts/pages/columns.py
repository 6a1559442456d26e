"""Columns of the lake's tables, out of the catalog that Terraform registers; a test keeps that true to the code.

A product's own columns are told by their sort, so that the page is everybody's and not the shop's.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from pages.blocks import Facts, table
from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.jobs.cost_report import LayerCost
from pipelines.jobs.maintenance import Cared

CATALOG = Path(__file__).resolve().parents[2] / "terraform" / "stacks" / "platform" / "catalog.json"
# Tables that jobs write and that nobody registers: their rows are these classes', after these columns.
_OF_JOBS: Mapping[str, tuple[tuple[str, ...], type]] = {
    "cost": (("day string", "events bigint"), LayerCost),
    "maintenance": (("at timestamp",), Cared),
}
# The tables whose columns follow from the contract; elsewhere a column of the same name is PulseIQ's.
_WITH_OWN = ("silver", "held", "gold")
_TYPES = {str: "string", int: "bigint", float: "double", bool: "boolean"}
_NOT_KEPT = "grown_"


def catalog() -> dict[str, Any]:
    """Product -> its tables, topics and schemas."""
    found: dict[str, Any] = json.loads(CATALOG.read_text(encoding="utf-8"))
    return found


def columns(name: str) -> Facts:
    """Columns of one table with their types."""
    if name in _OF_JOBS:
        first, row = _OF_JOBS[name]
        listed = [*first, *(f"{field} {_TYPES[kind]}" for field, kind in _kept(row))]
        return Facts(("column", "type", "meaning"), tuple(_pair(each) for each in listed))
    contract = contracts.load("shop")
    rows: dict[str, tuple[str, str]] = {}
    for each in catalog()[contract.product]["tables"][name]:
        column, kind = each.split(" ")
        own = _own(contract, column) if name in _WITH_OWN else None
        rows.setdefault(own or column, _pair(each) if own is None else (own, _kind_of(own, kind)))
    return Facts(("column", "type", "meaning"), tuple(rows.values()))


def metric_structs() -> str:
    """Kind of a metric -> its struct in gold, as the committed contracts have them."""
    found: dict[str, dict[str, None]] = {}
    for contract in contracts.load_all():
        listed = catalog()[contract.product]["tables"]["gold"]
        kinds = dict(each.split(" ") for each in listed)
        for metric in contract.metrics:
            parts = kinds[metric.name].removeprefix("struct<").removesuffix(">")
            found.setdefault(metric.kind, {})[parts] = None
    rows = [(f"`{kind}`", ", or ".join(f"`{parts}`" for parts in found[kind])) for kind in sorted(found)]
    return table(("kind", "parts"), rows)


def _kept(row: type) -> Iterator[tuple[str, type]]:
    hints = get_type_hints(row)
    for field in dataclasses.fields(row):
        if not field.name.startswith(_NOT_KEPT):
            yield field.name, hints[field.name]


def _pair(column: str) -> tuple[str, str]:
    name, kind = column.split(" ")
    return f"`{name}`", f"`{kind}`"


def _own(contract: Contract, column: str) -> str | None:
    """In words what sort of column of a product's own it is; None for one that all products have."""
    if column in contract.dimensions:
        return "each dimension"
    if column in contract.columns:
        return "each field of the newest schemas"
    return "each metric" if column in {metric.name for metric in contract.metrics} else None


def _kind_of(own: str, kind: str) -> str:
    return "a struct" if own == "each metric" else "by the schema" if own.startswith("each field") else f"`{kind}`"
