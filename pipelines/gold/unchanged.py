"""What a contract must not change under sums that are there: the window they are of, and what they are grouped by."""

from __future__ import annotations

from datetime import timedelta

import pyarrow.compute as pc

from pipelines.contract import Contract
from pipelines.contract.duration import in_words
from pipelines.errors import StateError
from pipelines.platform.lake import Lake

# Columns of gold that hold text and are no dimension.
_NOT_DIMENSIONS = {"query_id"}
_HINT = "put {what} back, or let the changed contract be a product of another name: {product} and its history stay"


def refuse_changed(lake: Lake, contract: Contract) -> None:
    """StateError where gold was summed up by another window, or by a dimension that the contract has no more.

    Sums of two windows cannot be told apart by who reads them, and a segment's history ends where its dimension does.
    One that nothing was summed up by has no history.
    """
    columns = lake.columns(contract.product, "gold")
    gone = [
        name
        for name, kind in columns.items()
        if kind == "string"
        and name not in _NOT_DIMENSIONS
        and name not in contract.dimensions
        and _has_values(lake, contract.product, name)
    ]
    if gone:
        names = ", ".join(gone)
        raise StateError(
            f"{contract.product}: gold is grouped by {names}, and the contract's dimensions are "
            f"{', '.join(contract.dimensions)}",
            hint=_HINT.format(what=names, product=contract.product),
        )
    first = next((rows for rows in lake.stream(contract.product, "gold", ["window_seconds"]) if rows.num_rows), None)
    before = contract.window if first is None else timedelta(seconds=int(first.column(0)[0].as_py()))
    if before != contract.window:
        raise StateError(
            f"{contract.product}: gold holds windows of {in_words(before)}, and the contract's window is "
            f"{in_words(contract.window)}",
            hint=_HINT.format(what=f"window: {in_words(before)}", product=contract.product),
        )


def _has_values(lake: Lake, product: str, dimension: str) -> bool:
    found = lake.stream(product, "gold", [dimension], pc.field(dimension).is_valid())
    return any(rows.num_rows for rows in found)
