"""The held batches of a product as the lake has them. What they are made of is `held`'s."""

from __future__ import annotations

import pyarrow.compute as pc

from pipelines.platform.lake import Lake
from quality.held import COLUMNS, HeldBatch, held_batches


def stopped(lake: Lake, product: str) -> list[HeldBatch]:
    """Every held batch, newest first, with its checks and what was decided."""
    batches = lake.read(product, "batches", list(COLUMNS["batches"]), pc.field("held") > 0)
    if not batches.num_rows:
        return []
    # Every batch leaves its results behind; only those of the held ones are worth the way.
    of_held = pc.field("batch_id").isin(batches["batch_id"].unique().to_pylist())
    results = lake.read(product, "quality_results", list(COLUMNS["quality_results"]), of_held)
    return held_batches(batches, results, lake.read(product, "command_log", list(COLUMNS["command_log"])))
