"""Row rules of the shop, one folder for each case: `input.yaml` is a record, `expected.yaml` what becomes of it.

In `input.yaml`, `value` is the text as it is sent; `put` replaces marks in it by bytes (`hex`) or by a text repeated
`times` times, for what cannot or should not be written out. A refused record's `expected.yaml` has the reason and the
detail, an accepted one's those of its columns that matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import Row, SparkSession

from pipelines import contract as contracts
from pipelines.refine import rules
from tests.spark.refine.records import ARRIVED, Record, frame

CASES = Path(__file__).parents[1] / "cases"
FIRST_OFFSET = 2**33


@dataclass(frozen=True)
class Case:
    """A folder under `cases/`."""

    name: str
    record: Record
    expected: dict[str, Any]


def read_case(folder: Path) -> Case:
    given = yaml.safe_load((folder / "input.yaml").read_text(encoding="utf-8"))

    def sent(text: str | None) -> bytes | None:
        value = None if text is None else text.encode()
        for mark, how in given.get("put", {}).items():
            put = bytes.fromhex(how["hex"]) if "hex" in how else how["text"].encode() * how["times"]
            value = value and value.replace(mark.encode(), put)
        return value

    headers = {name: text.encode() for name, text in given.get("headers", {}).items()}
    expected = yaml.safe_load((folder / "expected.yaml").read_text(encoding="utf-8"))
    record = Record(sent(given["value"]), sent(given["key"]), headers=headers)
    return Case(f"{folder.parent.name}/{folder.name}", record, expected)


ALL = [read_case(folder) for folder in sorted(CASES.glob("*/*"))]
BY_NAME = {case.name: (FIRST_OFFSET + i, case) for i, case in enumerate(ALL)}


@pytest.fixture(scope="module")
def judged(spark: SparkSession) -> dict[int, Row]:
    """Offset -> what `classify` says of every case, all in one frame."""
    records = frame(spark, [case.record for case in ALL], "shop.events", FIRST_OFFSET)
    rows = rules.classify(records, contracts.load("shop")).collect()
    assert len(rows) == len(ALL)
    return {row["kafka_offset"]: row for row in rows}


def names(kind: str) -> list[str]:
    return [case.name for case in ALL if case.name.startswith(f"{kind}/")]


def test_every_reason_has_a_case():
    documented = rules.__doc__.split("Reasons: ")[1].rstrip(".\n").replace("\n", " ").split(", ")
    assert {case.expected["reason"] for case in ALL if case.name.startswith("quarantine/")} == set(documented)


@pytest.mark.parametrize("name", names("quarantine"))
def test_refused_with_reason_and_detail(judged, name):
    offset, case = BY_NAME[name]
    row = judged[offset]
    assert {"reason": row["reject_reason"], "detail": row["reject_detail"]} == case.expected


@pytest.mark.parametrize("name", names("accepted"))
def test_accepted_with_its_columns(judged, name):
    offset, case = BY_NAME[name]
    row = judged[offset].asDict()
    assert (row["reject_reason"], row["reject_detail"]) == (None, None)
    assert {column: row[column] for column in case.expected} == {
        column: value.replace(tzinfo=None) if column == "event_time" else value
        for column, value in case.expected.items()
    }


def test_every_record_comes_back_as_it_was_sent(judged):
    for offset, case in BY_NAME.values():
        row = judged[offset]
        # Not through `==`: a difference in eight megabytes would be printed in full.
        assert bytes(row["kafka_value"] or b"") == (case.record.value or b""), case.name
        assert (row["kafka_value"] is None) == (case.record.value is None), case.name
        assert (row["kafka_key"] and bytes(row["kafka_key"])) == case.record.key, case.name
        assert (row["kafka_topic"], row["kafka_partition"]) == ("shop.events", 3)
        assert row["arrived_at"] == ARRIVED.replace(tzinfo=None)
