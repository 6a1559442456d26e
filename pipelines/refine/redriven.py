"""Corrected events on their way back: the headers that say whose place they take, and what follows from them.

Only records of the redrive topic are believed: on the product's own topic anybody may send such headers.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.contract import Contract

# Where the event stood at first, and the quarantined record that this one is in the place of: `topic/partition/offset`.
# They differ for an event that is re-driven again.
FIRST, FROM = "pulseiq-first", "pulseiq-from"
# The command that sent it.
COMMAND = "pulseiq-command"
# The id was accepted before, in a batch that a person rejected: de-duplication knows it and must not drop it for that.
KNOWN = "pulseiq-known"


def taken_from(records: DataFrame, contract: Contract) -> Column:
    """The quarantined record's position as text, null for a record that is no re-driven one."""
    return _header(records, contract, FROM)


def is_known(records: DataFrame, contract: Contract) -> Column:
    """Whether de-duplication has seen the event's id in a batch that was rejected since."""
    return _header(records, contract, KNOWN).isNotNull()


def first_position(records: DataFrame, contract: Contract) -> Column:
    """Where the event stood at first, as text: the record's own position unless it is a re-driven one."""
    return F.coalesce(_header(records, contract, FIRST), F.concat_ws("/", "topic", "partition", "offset"))


def _header(records: DataFrame, contract: Contract, name: str) -> Column:
    if "headers" not in records.columns:
        return F.lit(None).cast("string")
    found = F.get(F.filter("headers", lambda header: header["key"] == name), F.lit(0))
    return F.when(F.col("topic") == contract.redrive_topic, found["value"].cast("string"))
