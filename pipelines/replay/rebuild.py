"""The lake again, from Kafka: after the bucket was lost, or when a checkpoint and its tables no longer agree.

A rebuild decides nothing again: what the gate held and what people released or rejected is read from the decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.jobs import baseline, detect_state
from pipelines.jobs.live import Live
from pipelines.platform import aws, kafka
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.spark import session

Echo = Callable[[str], object]

# What Kafka does not bring back: what was judged by which baseline, what people were told, and what they said of it.
# Not ticks: every window since the baseline is judged anew.
KEPT = ("baseline", "curves", "evidence", "incidents", "outbox", "responses")


def rebuild_all(settings: Settings, echo: Echo = print) -> list[str]:
    """Rebuild every product that has records in Kafka and no lake; returns their names."""
    rebuilt = []
    for contract in contracts.load_all():
        if Lake(settings).exists(contract.product, "batches") or not records_of(settings, contract):
            continue
        # A driver that was writing when the lake was lost may have left pieces of tables in the new bucket.
        from_kafka(settings, contract, echo)
        rebuilt.append(contract.product)
    return rebuilt


def records_of(settings: Settings, contract: Contract) -> int:
    """Records that Kafka holds for a product; 0 when its topics do not exist."""
    present = kafka.topics(settings)
    return sum(
        end - kafka.beginning_offsets(settings, topic).get(partition, 0)
        for topic in (contract.topic, contract.redrive_topic)
        if topic in present
        for partition, end in kafka.end_offsets(settings, topic).items()
    )


def from_kafka(settings: Settings, contract: Contract, echo: Echo = print) -> None:
    """Remove what Kafka brings back of a product's tables, and its checkpoints, then fill them again."""
    with Live(session(settings, f"replay-{contract.product}"), settings, contract):
        remove_lake(settings, contract, keep=KEPT)
    fill(settings, contract, echo)


def remove_lake(settings: Settings, contract: Contract, keep: Collection[str] = ()) -> None:
    """Delete every object of a product's tables but those to `keep`, and of its checkpoints."""
    tables = aws.folders(settings, settings.lake_bucket, f"{contract.product}/")
    kept = {f"{contract.product}/{name}/" for name in keep}
    for prefix in (*[each for each in tables if each not in kept], f"_checkpoints/{contract.product}/"):
        aws.delete_prefix(settings, settings.lake_bucket, prefix)


def fill(settings: Settings, contract: Contract, echo: Echo = print) -> None:
    """Run bronze and refine over everything in Kafka, then the baseline if there is enough to learn one from.

    Where a baseline was kept, its history stays as long as it was: later windows were judged by it, and still are.
    """
    total = records_of(settings, contract)
    echo(f"{contract.product}: rebuilding the lake from {total:,} records in Kafka")
    spark = session(settings, f"rebuild-{contract.product}")
    with Live(spark, settings, contract, ("bronze", "refine")) as running:
        running.start(once=True)
        running.drain()
    try:
        known = detect_state.newest_baseline(Lake(settings), contract, before=datetime.now(UTC))
        echo(f"{contract.product}: {baseline.run(spark, settings, contract, known[0] if known else None)}")
    except StateError as error:
        # Of a product this young there was none before either.
        echo(f"{contract.product}: no baseline yet: {error}")
