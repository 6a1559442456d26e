"""The ledger over real Kafka offsets and real Delta tables on S3."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.ledger.audit import audit
from pipelines.platform import kafka, settings
from pipelines.platform.lake import storage_options
from pipelines.platform.settings import Settings

pytestmark = pytest.mark.integration

SPAN = pa.struct(
    [("topic", pa.string()), ("partition", pa.int32()), ("from_offset", pa.int64()), ("until_offset", pa.int64())]
)
COUNTERS = ("rows_in", "silver", "quarantine", "duplicates", "held")
BATCHES = pa.schema(
    [
        ("query_id", pa.string()),
        ("batch_id", pa.int64()),
        ("offsets", pa.list_(SPAN)),
        *[(name, pa.int64()) for name in COUNTERS],
    ]
)


@pytest.fixture
def product(services: Any) -> tuple[Settings, Contract]:
    """A product of its own with empty topics and no tables."""
    found = settings.load()
    name = f"ledger_{uuid.uuid4().hex[:8]}"
    contract = contracts.load("shop").model_copy(update={"product": name, "topic": f"{name}.events"})
    kafka.ensure_topics(found, contract)
    return found, contract


def produce(found: Settings, contract: Contract, count: int) -> None:
    producer = kafka.producer(found)
    for number in range(count):
        producer.produce(contract.topic, key=str(number), value=b"{}")
    assert producer.flush(20) == 0


def refine(found: Settings, contract: Contract) -> list[dict[str, Any]]:
    """Tables as refine would leave them after one batch over everything in Kafka: every tenth offset is quarantined."""
    ends = kafka.end_offsets(found, contract.topic)
    positions = [{"partition": p, "offset": o} for p, end in sorted(ends.items()) for o in range(end)]
    write(found, contract, "bronze", [{"topic": contract.topic, **each} for each in positions])
    stamp = {"kafka_topic": contract.topic, "batch_id": 0, "query_id": "q"}
    silver, quarantine = [], []
    for number, each in enumerate(positions):
        row = {**stamp, "kafka_partition": each["partition"], "kafka_offset": each["offset"]}
        if number % 10:
            silver.append({**row, "event_id": str(number), "arrived_at": datetime.now(UTC), "late": False})
        else:
            quarantine.append({**row, "reason": "not_json"})
    write(found, contract, "silver", silver)
    write(found, contract, "quarantine", quarantine)
    spans = [
        {"topic": contract.topic, "partition": p, "from_offset": 0, "until_offset": end} for p, end in ends.items()
    ]
    counters = (len(positions), len(silver), len(quarantine), 0, 0)
    batch = {"query_id": "q", "batch_id": 0, "offsets": spans, **dict(zip(COUNTERS, counters, strict=True))}
    write(found, contract, "batches", [batch], BATCHES)
    return silver


def write(found: Settings, contract: Contract, table: str, rows: list[dict[str, Any]], schema: Any = None) -> None:
    uri = found.table_uri(contract.product, table)
    data = pa.Table.from_pylist(rows, schema=schema)
    if schema is None:
        data = data.append_column("redriven_from", pa.nulls(len(data), pa.string()))
    write_deltalake(uri, data, mode="overwrite", storage_options=storage_options(found))


def test_it_balances_then_notices_what_waits_and_what_is_lost(product: tuple[Settings, Contract]) -> None:
    found, contract = product
    produce(found, contract, 300)
    silver = refine(found, contract)
    ledger = audit(found, contract)
    assert ledger.findings == ()
    assert (ledger.events, ledger.waiting) == (300, 0)
    assert ledger.classes == {"silver": 270, "quarantine": 30, "duplicates": 0, "held": 0}

    produce(found, contract, 7)
    assert audit(found, contract).waiting == 7

    lost = silver.pop(100)
    write(found, contract, "silver", silver)
    broken = audit(found, contract)
    place = f"{contract.topic}[{lost['kafka_partition']}]@{lost['kafka_offset']}"
    assert {finding.kind: finding.examples for finding in broken.findings} == {
        "missing": (place,),
        "counters": ("batch q/0: silver 270, the table holds 269",),
    }


def test_a_product_that_nothing_has_read_yet_waits_as_a_whole(product: tuple[Settings, Contract]) -> None:
    found, contract = product
    produce(found, contract, 20)
    ledger = audit(found, contract)
    assert ledger.balances
    assert (ledger.events, ledger.waiting, ledger.batches) == (0, 20, 0)
