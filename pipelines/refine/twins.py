"""What becomes of dropped records: duplicates, or quarantine where the twin that was kept is held."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.platform.kafka import OffsetRange
from pipelines.platform.settings import Settings
from pipelines.platform.tables import Tables
from pipelines.refine import dropped
from pipelines.refine.facts import POSITION
from pipelines.refine.held import REJECTED
from pipelines.refine.operators import Operators
from pipelines.refine.positions import within

TWIN_HELD = "twin_held"


class Twins:
    """The dropped records of one product's batches."""

    def __init__(self, settings: Settings, contract: Contract, tables: Tables) -> None:
        self._settings = settings
        self._contract = contract
        self._tables = tables

    def dropped(self, spark: SparkSession, kept: Callable[[], pa.Table], read: Operators) -> pa.Table:
        """Positions, ids, arrival and kind of the records that were read and are not among the kept positions.

        Raises:
            StateError: they are not as many as Spark's operator dropped.
        """
        found = dropped.NONE
        if read.duplicates:
            missing = dropped.missing(kept(), read.offsets)
            found = dropped.read_again(spark, self._settings, self._contract, missing)
        if len(found) != read.duplicates:
            raise StateError(
                f"refine: {read.duplicates} duplicates dropped, {len(found)} found",
                hint="start again; if it repeats, rebuild with `pulseiq replay`",
            )
        return found

    def of_held(
        self,
        found: pa.Table,
        parts: Mapping[str, DataFrame],
        offsets: tuple[OffsetRange, ...],
        decided: tuple[OffsetRange, ...],
    ) -> tuple[DataFrame | None, pa.Table]:
        """Dropped records whose twin was ever held, with quarantine's columns but the batch's; and the others.

        The former go to quarantine: if the held batch is rejected they are all that is left of the event. They go there
        after a release too, or a replay, which knows of every release from its start, would put them elsewhere.
        """
        if not len(found):
            return None, found
        ids = self._ids_ever_held(parts, decided)
        twins = parts["held"].sparkSession.createDataFrame(found).join(ids, "event_id", "left_semi")
        positions = {tuple(row) for row in twins.select(POSITION).collect()}
        if not positions:
            return None, found
        others = [tuple(row.values()) not in positions for row in found.select(POSITION).to_pylist()]
        told = {
            "event_type": F.lit(None).cast("string"),
            "event_time": F.lit(None).cast("timestamp"),
            "reason": F.lit(TWIN_HELD),
            "detail": F.lit("a record with the same event_id is in a held batch"),
        }
        return dropped.with_bytes(twins.withColumns(told), self._settings, offsets), found.filter(pa.array(others))

    def _ids_ever_held(self, parts: Mapping[str, DataFrame], decided: tuple[OffsetRange, ...]) -> DataFrame:
        """`event_id` of what is or was held, in the batch's parts and in the tables."""
        spark = parts["held"].sparkSession
        rows = {name: [part, self._tables.read(spark, name)] for name, part in parts.items()}
        found = rows["held"]
        if decided:
            # A replay puts these at once where a person's decision sent them.
            rejected = [each.where(F.col("reason") == REJECTED) for each in rows["quarantine"]]
            found += [each.where(within(decided)) for each in (*rows["silver"], *rejected)]
        return reduce(DataFrame.union, [each.select("event_id") for each in found]).distinct()
