"""Files become records: every line one, whatever is in it."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import orjson
import pytest

from pipelines import contract as contracts
from pipelines.errors import UsageError
from pipelines.ingest.files import records, refuse_foreign

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


def test_a_binary_file_is_refused_before_anything_is_sent() -> None:
    for product in ("shop", "weblog"):
        with pytest.raises(UsageError, match=r"none of its first \d+ lines is a .* begins with .*; nothing was sent"):
            refuse_foreign(Path(sys.executable).resolve(), contracts.load(product))


@pytest.mark.parametrize(
    ("product", "form", "wanted"),
    [
        ("shop", "JSON object", "give a file of events, one JSON object a line, plain or gzip"),
        ("weblog", "line of an access log", "give an access log in the combined format, plain or gzip"),
    ],
)
def test_a_file_without_one_event_among_its_first_lines_is_refused(
    tmp_path: Path, product: str, form: str, wanted: str
) -> None:
    file = tmp_path / "list.json.gz"
    file.write_bytes(gzip.compress(b"[1, 2]\n" * 100 + b"{}\n"))
    with pytest.raises(UsageError) as refused:
        refuse_foreign(file, contracts.load(product))
    found = "line 1 begins with '[1, 2]'; nothing was sent"
    assert refused.value.what == f"{file}: none of its first 100 lines is a {form}: {found}"
    assert refused.value.hint == wanted


def test_one_event_among_the_first_lines_lets_a_file_through(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"broken\n" * 99 + b"{}\n")
    refuse_foreign(file, contracts.load("shop"))
    refuse_foreign(LOG, contracts.load("weblog"))


def test_an_event_longer_than_what_is_looked_at_is_one(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(orjson.dumps({"text": "x" * 200_000}))
    refuse_foreign(file, contracts.load("shop"))


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")])
def test_an_empty_file_is_let_through(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "empty"
    file.write_bytes(content)
    refuse_foreign(file, contracts.load("shop"))
