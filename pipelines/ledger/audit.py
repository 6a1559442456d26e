"""The ledger of a running or finished product: reads the lake through delta-rs and Kafka's offsets, no JVM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.ledger.model import Ledger
from pipelines.ledger.offsets import Partition
from pipelines.ledger.reconcile import Ends, reconcile
from pipelines.platform import kafka
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings

_SPAN = pa.struct(
    [("topic", pa.string()), ("partition", pa.int32()), ("from_offset", pa.int64()), ("until_offset", pa.int64())]
)
# Types of the columns that are not counters, for tables that nobody has written yet.
_TYPES = {
    **dict.fromkeys(("kafka_topic", "topic", "query_id", "event_id", "reason", "redriven_from"), pa.string()),
    **dict.fromkeys(("command_id", "command", "outcome"), pa.string()),
    **dict.fromkeys(("kafka_partition", "partition"), pa.int32()),
    "arrived_at": pa.timestamp("us", tz="UTC"),
    "late": pa.bool_(),
    "offsets": pa.list_(_SPAN),
}


def audit(
    settings: Settings,
    contract: Contract,
    end_offsets: Mapping[str, Mapping[int, int]] | None = None,
    *,
    instead: Mapping[str, pa.Table] | None = None,
) -> Ledger:
    """Compare every offset Kafka holds with the lake.

    Args:
        settings: where lake and Kafka are.
        contract: names the product, its topics and its de-duplication horizon.
        end_offsets: per topic and partition one past the last record; asked of Kafka when left out, which is what
            a running stream needs, because it must be asked after the tables have been read.
        instead: rows to take for those of a table, by its name: what the ledger would be with them.

    Raises:
        ServiceError: Kafka or the lake cannot be reached.
        StateError: a table lacks a column of the ledger.
    """
    lake = Lake(settings)

    def read(table: str, columns: Sequence[str]) -> pa.Table:
        if instead and table in instead:
            return instead[table].select(list(columns))
        try:
            found = lake.read(contract.product, table, columns=list(columns))
        except (KeyError, pa.ArrowInvalid) as error:
            raise StateError(
                f"table {table} of {contract.product} cannot be read as refine writes it: {error}",
                hint=f"rebuild the lake with `pulseiq replay {contract.product}`",
            ) from error
        return found if found.num_columns else _without_rows(columns)

    return reconcile(
        contract.product,
        read,
        lambda: _kafka_ends(settings, contract, end_offsets),
        horizon=contract.dedup_horizon,
        redrive_topic=contract.redrive_topic,
    )


def _kafka_ends(settings: Settings, contract: Contract, end_offsets: Mapping[str, Mapping[int, int]] | None) -> Ends:
    found: dict[Partition, tuple[int, int]] = {}
    present = kafka.topics(settings)
    for topic in (contract.topic, contract.redrive_topic):
        if topic not in present:
            continue
        ends = kafka.end_offsets(settings, topic) if end_offsets is None else end_offsets.get(topic, {})
        begins = kafka.beginning_offsets(settings, topic)
        found.update({(topic, partition): (begins.get(partition, 0), end) for partition, end in ends.items()})
    return found


def _without_rows(columns: Sequence[str]) -> pa.Table:
    """What an absent table holds."""
    return pa.schema([(name, _TYPES.get(name, pa.int64())) for name in columns]).empty_table()
