"""Products other than the shop through the same rules: a made-up one with nested events, and a real access log."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from pipelines import contract as contracts
from pipelines.ingest import files
from pipelines.refine import reading, rules
from tests.data.kiosk import generate as kiosk
from tests.spark.refine.records import Record, frame

DATA = Path(__file__).parents[2] / "data"
MADE = list(kiosk.events(2_000))


@pytest.fixture(scope="module")
def sold(spark: SparkSession) -> list[Row]:
    """The ticket machines' events as `classify` sees them, in order, with id and time straight from the bytes."""
    contract = contracts.load(DATA / "kiosk")
    records = frame(spark, [Record(made.value, made.key) for made in MADE], "kiosk.events")
    timed = reading.with_event_time(records, contract).withColumnRenamed("event_time", "quick_time")
    quick = timed.select("offset", rules.event_id_of(records, contract).alias("quick_id"), "quick_time")
    judged = rules.classify(records, contract)
    return judged.join(quick, judged["kafka_offset"] == quick["offset"]).orderBy("offset").collect()


def test_events_of_an_unknown_product_are_judged_by_its_contract_alone(sold):
    assert [row["reject_reason"] for row in sold] == [made.reason for made in MADE]


def test_nested_values_defaults_and_upgrades_reach_their_columns(sold):
    whole = [(made, row) for made, row in zip(MADE, sold, strict=True) if made.reason is None]
    assert [row["payment_cents"] for _, row in whole] == [made.cents for made, _ in whole]
    assert {row["schema_version"] for _, row in whole} == {1, 2}
    assert {row["tender"] for _, row in whole} == {"card", "cash", "none"}
    assert {row["line"] for _, row in whole} == set("123456789")
    first = whole[0][1]
    assert (first["event_type"], first["station"], first["firmware"]) == ("sale", "Altstadt", "9.2-beta")
    assert first["event_time"].isoformat() == "2026-11-18T14:56:40"


def test_id_is_the_hash_of_what_the_contract_names(sold):
    expected = hashlib.sha256("\x1f".join(("K0024", "1795013800000", "0")).encode()).hexdigest()
    assert sold[0]["event_id"] == expected
    accepted = [row for row in sold if row["reject_reason"] is None]
    assert all(row["event_id"] == row["quick_id"] for row in accepted)
    assert all(row["event_time"] == row["quick_time"] for row in accepted)
    assert len({row["event_id"] for row in accepted}) == len(accepted)


def test_generated_file_is_the_same_every_time(tmp_path: Path):
    kiosk.write(tmp_path / "a.ndjson", 3_000)
    kiosk.write(tmp_path / "b.ndjson", 3_000)
    content = (tmp_path / "a.ndjson").read_bytes()
    assert content == (tmp_path / "b.ndjson").read_bytes()
    assert content.splitlines()[2_000:] == [made.value for made in kiosk.events(3_000)][2_000:]
    contract = contracts.load(DATA / "kiosk")
    sent = [(record.key, record.value) for record in files.records(tmp_path / "a.ndjson", contract)]
    whole = [made for made in kiosk.events(3_000) if made.reason is None]
    assert {(made.key, made.value) for made in whole} <= set(sent)


def test_requests_of_a_real_log_are_accepted(spark):
    contract = contracts.load("weblog")
    lines = list(files.records(DATA / "weblog" / "access.log.gz", contract))
    records = frame(spark, [Record(line.value, line.key) for line in lines], "weblog.events")
    quick = records.select("offset", rules.event_id_of(records, contract).alias("quick_id"))
    judged = rules.classify(records, contract)
    rows = judged.join(quick, judged["kafka_offset"] == quick["offset"]).collect()
    accepted = [row for row in rows if row["reject_reason"] is None]
    assert len(rows) == 10_000
    assert len(accepted) >= 9_990
    assert all(row["reject_detail"] for row in rows if row["reject_reason"] is not None)
    assert all(row["event_id"] == row["quick_id"] for row in accepted)
    assert len({row["event_id"] for row in accepted}) == len(accepted)
    assert not any(row["late"] for row in rows)
    assert Counter(row["status_class"] for row in accepted).most_common(1)[0][0] == "2xx"
    days = {row["event_time"].date().isoformat() for row in accepted}
    assert days == {"2015-05-17", "2015-05-18", "2015-05-19", "2015-05-20"}
