"""The lake again, from Kafka: after the bucket was lost, or when a checkpoint and its tables no longer agree.

A rebuild decides nothing again: what the gate held and what people released or rejected is read from the decisions.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.jobs import baseline
from pipelines.jobs.live import Live
from pipelines.platform import aws, kafka
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.spark import session

Echo = Callable[[str], object]


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
    """Remove a product's tables and checkpoints, then fill them again."""
    with Live(session(settings, f"replay-{contract.product}"), settings, contract):
        remove_lake(settings, contract)
    fill(settings, contract, echo)


def remove_lake(settings: Settings, contract: Contract) -> None:
    """Delete every object of a product's tables and checkpoints."""
    for prefix in (f"{contract.product}/", f"_checkpoints/{contract.product}/"):
        aws.delete_prefix(settings, settings.lake_bucket, prefix)


def fill(settings: Settings, contract: Contract, echo: Echo = print) -> None:
    """Run bronze and refine over everything in Kafka, then the baseline if there is enough to learn one from."""
    total = records_of(settings, contract)
    echo(f"{contract.product}: rebuilding the lake from {total:,} records in Kafka")
    spark = session(settings, f"rebuild-{contract.product}")
    with Live(spark, settings, contract, ("bronze", "refine")) as running:
        running.start(once=True)
        running.drain()
    try:
        echo(f"{contract.product}: {baseline.run(spark, settings, contract)}")
    except StateError as error:
        # Of a product this young there was none before either.
        echo(f"{contract.product}: no baseline yet: {error}")
