"""Files become records: every line one, whatever is in it."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from pipelines import contract as contracts
from pipelines.errors import UsageError
from pipelines.ingest.files import records

DATA = Path(__file__).parents[2] / "data"
LOG = DATA / "weblog" / "access.log.gz"


def test_every_line_of_the_real_log_is_a_record_and_only_the_broken_one_has_no_key() -> None:
    weblog = contracts.load("weblog")
    found = list(records(LOG, weblog))
    assert [record.line for record in found] == list(range(1, 10_001))
    broken = [record for record in found if record.key is None]
    assert [record.line for record in broken] == [8899]
    assert broken[0].value.startswith(b"46.118.127.106 - - [20/May/2015:12:05:17 +0000]")
    events = [orjson.loads(record.value) for record in found if record.key is not None]
    assert len({event["event_id"] for event in events}) == 9_999
    assert len({event["path_group"] for event in events}) < 50
    assert sum(event["status"] >= 400 for event in events) == 220


def test_a_plain_copy_of_a_log_has_the_same_events_as_the_compressed_one(tmp_path: Path) -> None:
    weblog = contracts.load("weblog")
    plain = tmp_path / "access.log"
    plain.write_bytes(gzip.decompress(LOG.read_bytes()))
    assert [(r.key, r.value) for r in records(plain, weblog)] == [(r.key, r.value) for r in records(LOG, weblog)]


def test_json_lines_keep_their_bytes_and_take_their_key_from_the_contract(tmp_path: Path) -> None:
    lines = [
        b'{"event_type": "transaction",  "user_id": "u-1"}',
        b'{"event_type": "system_metric", "host": "h-1", "user_id": "u-1"}',
        b'{"event_type": "unheard_of", "user_id": "u-1"}',
        b'{"event_type": ["transaction"]}',
        b'{"broken": ',
        b"",
        b"[1, 2]",
        b"\xff\xfe",
        b'{"event_type": "transaction", "user_id": 7}',
    ]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\r\n".join(lines))
    found = list(records(file, contracts.load("shop")))
    assert [record.value for record in found] == lines
    assert [record.key for record in found] == [b"u-1", b"h-1", None, None, None, None, None, None, b"7"]


def test_a_line_end_at_the_end_of_the_file_is_no_line(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"{}\n\n")
    assert [record.value for record in records(file, contracts.load("shop"))] == [b"{}", b""]


def test_a_compressed_file_that_breaks_off_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "access.log.gz"
    file.write_bytes(LOG.read_bytes()[:50_000])
    with pytest.raises(UsageError, match=r"access\.log\.gz: cannot be read"):
        list(records(file, contracts.load("weblog")))
