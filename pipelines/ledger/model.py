"""The ledger as a result: how many events are in which class, and what does not add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Findings that break the balance, and what each means to the person who reads it.
MEANING: Mapping[str, str] = {
    "missing": "in Kafka and refined, but in no table",
    "double": "in more than one table, or twice in one",
    "misplaced": "in a table under a batch that did not read them",
    "unaccounted": "in a table, but no batch and no record in Kafka explains them",
    "unlogged": "written by a command that is not in command_log: killed half way, run it again",
    "half decided": "held batches that a release or a rejection moved only in part",
    "missing in bronze": "in Kafka and behind bronze's end, but not in bronze",
    "double in bronze": "twice in bronze",
    "counters": "a batch's or a command's own counters differ from what the tables hold",
    "ranges": "offset ranges of batches that leave a gap, overlap, or reach beyond Kafka's end",
    "re-driven twice": "quarantined records that two records of the redrive topic take the place of",
    "doubled events": "the same event_id twice in silver within the horizon that de-duplication promises",
}


@dataclass(frozen=True)
class Finding:
    """One kind of imbalance: how many cases, and the first of them."""

    kind: str
    count: int
    examples: tuple[str, ...]

    @property
    def meaning(self) -> str:
        """The kind in words."""
        return MEANING[self.kind]


@dataclass(frozen=True)
class PartitionEnds:
    """How far one partition goes: audited from `begin`, up to where refine, bronze and Kafka are."""

    topic: str
    partition: int
    begin: int
    refine: int
    bronze: int
    kafka: int


@dataclass(frozen=True)
class Ledger:
    """Where the events of a product are.

    `events` are Kafka's records that refine has finished, the sum of `classes` (silver, quarantine, duplicates, held).
    A released event counts as silver, a rejected one as quarantine. A re-driven event keeps its first place and has the
    class of its newest record, which is no event of its own. `late` and `redriven` are parts of silver.
    `late_twins` are events accepted twice because the second came after the horizon: reported, not an imbalance.
    `in_flight` rows belong to a batch that is being written.
    """

    product: str
    partitions: tuple[PartitionEnds, ...]
    events: int
    classes: Mapping[str, int]
    reasons: Mapping[str, int]
    late: int
    released: int
    rejected: int
    redriven: int
    late_twins: int
    late_twin_examples: tuple[str, ...]
    in_flight: int
    batches: int
    findings: tuple[Finding, ...]

    @property
    def balances(self) -> bool:
        """True when every event has exactly one place and every counter agrees."""
        return not self.findings

    @property
    def waiting(self) -> int:
        """Records in Kafka that refine has not finished yet."""
        return sum(max(each.kafka - each.refine, 0) for each in self.partitions)

    def to_dict(self) -> dict[str, Any]:
        """The ledger as plain values for JSON."""
        findings = [{**asdict(finding), "meaning": finding.meaning} for finding in self.findings]
        return {**asdict(self), "findings": findings, "balances": self.balances, "waiting": self.waiting}
