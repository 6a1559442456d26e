"""The commands that decide a held batch, release and reject: ordinary transactions beside the running stream.

A command's id is made from the batch it decides, and every append carries it: sent twice, or killed half way and sent
again, the rows are where they belong once. Of two different words on one batch the first stands: it is the one that
the decisions topic has first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.errors import StateError, UsageError
from pipelines.gold.partial_sums import partial_sums
from pipelines.platform.kafka import OffsetRange
from pipelines.platform.settings import Settings
from pipelines.refine import tables as columns
from pipelines.refine.commands import CommandLog
from pipelines.refine.decisions import Decision, DecisionLog

Word = Literal["release", "reject"]

# Why a rejected row is in quarantine, the same whether a command or a replay put it there.
REJECTED = "rejected"
REJECTED_DETAIL = "a person rejected the held batch it was in"

_DONE = {"release": "released", "reject": "rejected"}
_VERDICT = {"release": "promote", "reject": "quarantine"}


@dataclass(frozen=True)
class Decided:
    """What a command did: its id, and how many held rows it moved."""

    command_id: str
    rows: int


def release(
    spark: SparkSession, settings: Settings, contract: Contract, batch_id: int, *, actor: str, reason: str
) -> Decided:
    """Append a held batch to silver and gold, and write down who did it and why.

    Raises:
        UsageError: no such batch is held, a reason is missing, or the batch was decided before.
    """
    return _Command(spark, settings, contract, "release").decide(batch_id, actor=actor, reason=reason)


def reject(
    spark: SparkSession, settings: Settings, contract: Contract, batch_id: int, *, actor: str, reason: str
) -> Decided:
    """Append a held batch to quarantine, and write down who did it and why. Raises as `release` does."""
    return _Command(spark, settings, contract, "reject").decide(batch_id, actor=actor, reason=reason)


def check_reason(reason: str) -> None:
    """Refuse a decision that says nothing of why."""
    if not reason.strip():
        raise UsageError("--reason: is empty", hint='write why you decide so, as --reason "new price list"')


class _Command:
    """One word on one held batch."""

    def __init__(self, spark: SparkSession, settings: Settings, contract: Contract, word: Word) -> None:
        self._spark, self._settings, self._contract, self._word = spark, settings, contract, word
        self._tables = columns.tables(spark, settings, contract)
        # A command may be the first to write since a column came to a table.
        self._tables.ensure()
        self._log = CommandLog(settings, contract)

    def decide(self, batch_id: int, *, actor: str, reason: str) -> Decided:
        check_reason(reason)
        product = self._contract.product
        query_id, offsets = _held_batch(self._tables.read(self._spark, "batches"), product, batch_id)
        done = self._log.of_batch(query_id, batch_id)
        if done is not None:
            word, who, at = _DONE[done["command"]], done["actor"], f"{done['at']:%Y-%m-%d %H:%M:%S} UTC"
            raise UsageError(
                f"batch {batch_id} of {product} was {word} by {who} at {at}: {done['reason']}",
                hint=f"pulseiq quality held list {product} --all",
            )
        command_id = f"command:{self._word}:{query_id}:{batch_id}"
        held = self._tables.read(self._spark, "held")
        held = held.where((F.col("query_id") == query_id) & (F.col("batch_id") == batch_id))
        held = held.withColumn("query_id", F.lit(command_id)).persist()
        try:
            rows = held.count()
            if not rows:
                raise StateError(
                    f"batch {batch_id} is marked as held but has no rows", hint=f"pulseiq ledger {product}"
                )
            # The word comes before the deed: a rebuild after a crash in between does what was asked.
            said = self._say(Decision(self._word, query_id, batch_id, _VERDICT[self._word], offsets, actor, reason))
            self._move(held, command_id)
        finally:
            held.unpersist()
        target = {"command": self._word, "target_query_id": query_id, "target_batch_id": batch_id}
        who = {"actor": said.actor, "reason": said.reason}
        self._log.append({"command_id": command_id, **target, **who, "rows": rows, "outcome": "done"})
        return Decided(command_id, rows)

    def _say(self, decision: Decision) -> Decision:
        """The first word on the batch, which is this one where nobody spoke before; raises where it was another."""
        log = DecisionLog(self._settings, self._contract)
        said = _first(log.read(), decision)
        if said is None:
            log.append(decision)
            # Somebody else may have spoken in the meantime.
            said = _first(log.read(), decision)
            assert said is not None, "the broker acknowledged a decision that it does not have"
        if said.kind != decision.kind:
            product, batch = self._contract.product, decision.batch_id
            raise UsageError(
                f"{said.actor} began to {said.kind} batch {batch} of {product} at {said.at}: {said.reason}",
                hint=f'finish it: pulseiq quality held {said.kind} {product} {batch} --reason "{said.reason}"',
            )
        return said

    def _move(self, held: DataFrame, command_id: str) -> None:
        if self._word == "reject":
            reason = {"reason": F.lit(REJECTED), "detail": F.lit(REJECTED_DETAIL)}
            rows = held.withColumns(reason).select(self._tables.columns("quarantine"))
            self._tables.append("quarantine", rows, command_id, 0)
            return
        silver = held.select(self._tables.columns("silver"))
        gold = partial_sums(silver, self._contract, by=("batch_id", "query_id"))
        self._tables.append_all({"silver": silver, "gold": gold}, command_id, 0)


def _first(decisions: list[Decision], like: Decision) -> Decision | None:
    """The first word on a batch among decisions, oldest first. A rebuilt lake's batches have other query ids."""
    said = (
        each
        for each in decisions
        if each.kind in _DONE and (each.query_id, each.batch_id) == (like.query_id, like.batch_id)
    )
    return next(said, None)


def _held_batch(batches: DataFrame, product: str, batch_id: int) -> tuple[str, tuple[OffsetRange, ...]]:
    found = (
        batches.where((F.col("batch_id") == batch_id) & (F.col("held") > 0)).orderBy(F.col("batch_time").desc()).first()
    )
    if found is None:
        raise UsageError(f"product {product} holds no batch {batch_id}", hint=f"pulseiq quality held list {product}")
    return found["query_id"], tuple(OffsetRange(**each.asDict()) for each in found["offsets"])
