"""Silver and gold again, out of bronze, for a stretch of event time: rebuilt, compared, verified, swapped in.

Decides nothing again, see `recorded`. It holds refine's lease, so a running stream makes it refuse. A stretch that is
already what bronze says is left alone: a replay that broke off is finished by the same command.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.storagelevel import StorageLevel

from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.gold.partial_sums import partial_sums
from pipelines.ledger.audit import audit
from pipelines.ledger.model import Ledger
from pipelines.ledger.tally import EXTRA_COLUMNS, POSITION_COLUMNS
from pipelines.platform.lake import Lake
from pipelines.platform.lease import Lease
from pipelines.platform.settings import Settings
from pipelines.platform.tables import checkpoint_query_id
from pipelines.refine import tables as refined
from pipelines.refine.batch import QUERY
from pipelines.refine.commands import COMMAND_LOG, CommandLog
from pipelines.refine.facts import POSITION
from pipelines.refine.rules import classify
from pipelines.replay import checksums
from pipelines.replay.checksums import Checksum
from pipelines.replay.recorded import Stretch, accepted_by_the_stream, released, settled

Echo = Callable[[str], object]
Layer = Literal["silver", "gold"]

_OF_LEDGER = (*POSITION_COLUMNS, *EXTRA_COLUMNS["silver"], "event_id", "arrived_at")


@dataclass(frozen=True)
class Replayed:
    """What one stretch held before and holds now; `swapped` is False where that is the same, or with `check`."""

    stretch: Stretch
    silver: tuple[Checksum, Checksum]
    gold: tuple[Checksum, Checksum]
    swapped: bool
    findings: dict[str, int]

    @property
    def same(self) -> bool:
        """Whether the tables already held what was rebuilt."""
        return self.silver[0] == self.silver[1] and self.gold[0] == self.gold[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        named = {name: {"before": asdict(was), "rebuilt": asdict(now)} for name, (was, now) in self._layers()}
        return {"stretch": str(self.stretch), **named, "swapped": self.swapped, "findings": self.findings}

    def __str__(self) -> str:
        state = "swapped in" if self.swapped else "the same as before" if self.same else "differs, not swapped in"
        sums = "; ".join(
            f"{name} {now}" + ("" if was == now else f" (was {was})") for name, (was, now) in self._layers()
        )
        left = ", ".join(f"{kind} {n}" for kind, n in self.findings.items()) or "balances"
        return f"{self.stretch}: {state}; {sums}; ledger: {left}"

    def _layers(self) -> list[tuple[str, tuple[Checksum, Checksum]]]:
        return [("silver", self.silver), ("gold", self.gold)]


def rebuild(
    spark: SparkSession,
    settings: Settings,
    contract: Contract,
    stretches: Iterable[Stretch],
    *,
    layer: Layer = "silver",
    check: bool = False,
    actor: str,
    reason: str,
    echo: Echo = print,
) -> list[Replayed]:
    """Rebuild each stretch and swap it in, one after the other.

    Args:
        layer: `silver` rebuilds silver from bronze and gold from that; `gold` only gold, from silver as it is.
        check: compare and verify, change nothing.
        actor, reason: kept in `command_log`.

    Raises:
        StateError: the stream runs; bronze or a record of decisions is missing; the contract refuses what it accepted;
            the ledger would balance less than before. Nothing of that stretch is changed then.
    """
    done = []
    with Lease(settings, f"{contract.product}-{QUERY}") as lease:
        replay = _Replay(spark, settings, contract, layer)
        for stretch in stretches:
            lease.check()
            done.append(replay.of(stretch.checked(contract), check=check, actor=actor, reason=reason))
            echo(f"{contract.product}: {done[-1]}")
    return done


class _Replay:
    """The tables of one product, made if they are gone."""

    def __init__(self, spark: SparkSession, settings: Settings, contract: Contract, layer: Layer) -> None:
        self._spark, self._settings, self._contract, self._layer = spark, settings, contract, layer
        self._lake = Lake(settings)
        self._tables = refined.tables(spark, settings, contract)
        self._log = CommandLog(settings, contract)
        self._query_id = self._owner()
        self._take_up(["silver", "gold"])

    def _owner(self) -> str:
        for name in ("bronze", "batches"):
            if not self._lake.exists(self._contract.product, name):
                raise StateError(
                    f"{self._contract.product} has no {name}: there is nothing to replay from",
                    hint=f"pulseiq replay {self._contract.product} --from kafka",
                )
        found = checkpoint_query_id(self._settings, self._contract.product, QUERY)
        if found is None:
            raise StateError(
                f"{self._contract.product}: refine has no checkpoint, so nobody could go on from what is rebuilt",
                hint=f"pulseiq replay {self._contract.product} --from kafka",
            )
        return found

    def _take_up(self, names: Iterable[str]) -> None:
        """Make tables that are gone, as refine left them: its query's, with its last batch in."""
        lost = [name for name in names if not self._lake.exists(self._contract.product, name)]
        self._tables.ensure()
        batches = self._read("batches").where(F.col("query_id") == self._query_id)
        last = batches.agg(F.max("batch_id").alias("last")).first()
        assert last is not None
        if lost and last["last"] is not None:
            for name in lost:
                # A stream that died before it committed its last batch does that batch again: it must be known here.
                self._tables.append_local(name, [], self._query_id, last["last"])
            self._tables.claim(self._query_id)

    def of(self, stretch: Stretch, *, check: bool, actor: str, reason: str) -> Replayed:
        logged = self._logged()
        ours = settled(logged)
        stored_silver = self._read("silver").where(f"{stretch.condition('event_time')} AND {ours}")
        stored_gold = self._read("gold").where(f"{stretch.condition('window_start')} AND {ours}")
        rebuilt = stored_silver if self._layer == "gold" else self._from_bronze(stretch)
        rebuilt = rebuilt.persist(StorageLevel.MEMORY_AND_DISK)
        gold = None
        try:
            silver = rebuilt if self._layer == "gold" else self._accepted(rebuilt)
            gold = partial_sums(silver, self._contract, by=("batch_id", "query_id"))
            gold = gold.persist(StorageLevel.MEMORY_AND_DISK)
            sums = (
                (checksums.of_silver(stored_silver), checksums.of_silver(silver)),
                (checksums.of_gold(stored_gold, self._contract), checksums.of_gold(gold, self._contract)),
            )
            ledger = self._verify(stretch, ours, silver)
            found = Replayed(stretch, *sums, swapped=False, findings={f.kind: f.count for f in ledger.findings})
            if not check and not found.same:
                self._swap(stretch, ours, {"silver": silver, "gold": gold}, found)
                self._record(found, actor, reason)
                return Replayed(stretch, *sums, swapped=True, findings=found.findings)
            return found
        finally:
            if gold is not None:
                gold.unpersist()
            rebuilt.unpersist()

    def _from_bronze(self, stretch: Stretch) -> DataFrame:
        """Silver's rows as they were first written, classified by position; with a `reject_reason` that must be null.

        One frame, because planning the rules again for each question takes longer than a small stretch itself.
        """
        records = self._read("bronze")
        if stretch.start is not None:
            # An accepted event is never further ahead of its arrival than that.
            earliest = stretch.start - self._contract.future_tolerance
            records = records.where(Stretch(earliest).condition("timestamp"))
        records = records.dropDuplicates(["topic", "partition", "offset"])
        positions = accepted_by_the_stream(self._read)
        events = classify(records.withColumn("arrived_at", F.col("timestamp")), self._contract).join(
            positions, POSITION
        )
        names = self._tables.columns("silver")
        let_through = released(self._read).select(names).withColumn("reject_reason", F.lit(None).cast("string"))
        rows = events.select(*names, "reject_reason").unionByName(let_through)
        return rows.where(f"({stretch.condition('event_time')}) OR reject_reason IS NOT NULL")

    def _accepted(self, rebuilt: DataFrame) -> DataFrame:
        """The rows as silver has them; StateError where the contract refuses one."""
        refused = rebuilt.where("reject_reason IS NOT NULL").select(*POSITION, "reject_reason").limit(1).collect()
        if refused:
            row = refused[0]
            raise StateError(
                f"the contract now refuses ({row['reject_reason']}) what it accepted when it arrived, e.g. "
                f"{row['kafka_topic']}[{row['kafka_partition']}]@{row['kafka_offset']}; a replay decides nothing again",
                hint="replay with the contract of that time, or let the old rows stand",
            )
        return rebuilt.drop("reject_reason")

    def _verify(self, stretch: Stretch, ours: str, silver: DataFrame) -> Ledger:
        """The ledger with the rebuilt rows in place; StateError where it balances less than it does now."""
        other = self._read("silver").where(f"NOT (({stretch.condition('event_time')}) AND {ours})")
        names = list(_OF_LEDGER)
        rows: pa.Table = other.select(names).unionByName(silver.select(names)).toArrow()
        now = audit(self._settings, self._contract)
        then = audit(self._settings, self._contract, instead={"silver": rows})
        before = {finding.kind: finding.count for finding in now.findings}
        worse = [f for f in then.findings if f.count > before.get(f.kind, 0)]
        if worse:
            told = "; ".join(f"{each.kind} {each.count}, e.g. {each.examples[0]}" for each in worse)
            raise StateError(
                f"{stretch}: with the rebuilt rows the ledger would not balance: {told}; nothing was swapped in",
                hint=f"pulseiq ledger {self._contract.product}; Kafka may have what bronze lost: replay --from kafka",
            )
        return then

    def _swap(self, stretch: Stretch, ours: str, parts: dict[str, DataFrame], found: Replayed) -> None:
        """One transaction a table; killed in between, the same command finds the other one different and goes on."""
        times = {"silver": "event_time", "gold": "window_start"}
        changed = {"silver": found.silver, "gold": found.gold}
        for name, rows in parts.items():
            if changed[name][0] == changed[name][1]:
                continue
            where = f"{stretch.condition(times[name])} AND {ours}"
            writer = rows.select(self._tables.columns(name)).write.format("delta").mode("overwrite")
            writer.option("replaceWhere", where).save(self._tables.uri(name))

    def _record(self, found: Replayed, actor: str, reason: str) -> None:
        entry = {
            "command_id": f"command:replay:{uuid.uuid4().hex}",
            "command": "replay",
            "target_query_id": self._query_id,
            "actor": actor,
            "reason": f"{found.stretch}: {reason}",
            "rows": found.silver[1].rows,
            "outcome": "done",
        }
        self._log.append(entry)

    def _logged(self) -> set[str]:
        done = self._read("command_log").where("outcome = 'done'").select("command_id").collect()
        return {row["command_id"] for row in done}

    def _read(self, name: str) -> DataFrame:
        if name == "command_log" and not self._lake.exists(self._contract.product, name):
            return self._spark.createDataFrame([], COMMAND_LOG)
        uri = self._settings.table_uri(self._contract.product, name)
        return self._spark.read.format("delta").load(uri)
