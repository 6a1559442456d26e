"""The parser of access logs, on lines as servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.ingest.combined import agent_family, parse, path_group

LINE = (
    b'203.0.113.9 - - [17/May/2015:10:05:03 +0000] "GET /blog/tags/puppet?flav=rss20 HTTP/1.1" 200 14872 '
    b'"http://www.example.com/" "Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/29.0"'
)


def test_a_line_becomes_an_event_with_all_its_fields() -> None:
    assert parse(LINE, "access.log:7") == {
        "event_id": "access.log:7",
        "event_time": "2015-05-17T10:05:03+00:00",
        "client": "203.0.113.9",
        "status": 200,
        "bytes": 14872,
        "status_class": "2xx",
        "path_group": "/blog/",
        "agent_family": "firefox",
        "method": "GET",
        "path": "/blog/tags/puppet?flav=rss20",
        "protocol": "HTTP/1.1",
        "referrer": "http://www.example.com/",
        "agent": "Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/29.0",
    }


def test_what_the_log_does_not_know_is_absent_and_no_body_is_zero_bytes() -> None:
    event = parse(b'host - - [17/May/2015:10:05:03 -0730] "-" 408 - "-" "-"', "f:1")
    assert event is not None
    assert event["bytes"] == 0
    assert event["event_time"] == "2015-05-17T10:05:03-07:30"
    assert event["path_group"] == event["agent_family"] == "(none)"
    assert not {"method", "path", "protocol", "referrer", "agent"} & set(event)


def test_escaped_quotes_and_backslashes_stay_inside_their_field() -> None:
    event = parse(LINE.replace(b"http://www.example.com/", rb"http://\xe4/\"q\" \\"), "f:1")
    assert event is not None
    assert event["referrer"] == r"http://\xe4/\"q\" \\"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        LINE[:-1],
        LINE + b" and more",
        LINE.replace(b"May", b"Mai"),
        LINE.replace(b"17/May", b"31/Feb"),
        LINE.replace(b"blog", b"bl\xffog"),
    ],
    ids=["empty", "not a log", "agent not closed", "more behind it", "no month", "no such day", "not UTF-8"],
)
def test_a_line_of_another_form_is_no_event(line: bytes) -> None:
    assert parse(line, "f:1") is None


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/", "/"),
        ("/blog/", "/blog/"),
        ("/blog/geekery/x.html?a=/b/", "/blog/"),
        ("/favicon.ico", "/*.ico"),
        ("/style2.CSS?x=1", "/*.css"),
        ("/wp-login", "/*"),
        ("http://www.example.com/blog/x", "/blog/"),
        ("*", "(none)"),
        ("", "(none)"),
    ],
)
def test_path_groups_are_folders_never_single_files(path: str, group: str) -> None:
    assert path_group(path) == group


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "bot"),
        ("Mozilla/5.0 (compatible; Ezooms/1.0; help@moz.com)", "bot"),
        ("Tiny Tiny RSS/1.11 (http://tt-rss.org/)", "feed reader"),
        ("Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0 Safari/537.36", "chrome"),
        ("Mozilla/5.0 (iPad) AppleWebKit/536.26 (KHTML, like Gecko) Version/6.0 Safari/8536.25", "safari"),
        ("Opera/9.80 (Windows NT 6.1) Presto/2.12 Version/12.16", "opera"),
        ("curl/7.19.7", "tool"),
        ("SomethingNew", "other"),
        ("-", "(none)"),
    ],
)
def test_agents_have_families(agent: str, family: str) -> None:
    assert agent_family(agent) == family


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(line: bytes) -> None:
    event = parse(line, "f:1")
    assert event is None or event["event_id"] == "f:1"


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", [b' "', b" [", b"\\", b'"\\"', b" - "])
def test_a_long_line_made_to_confuse_is_read_in_no_time(piece: bytes) -> None:
    assert parse(b"a - - " + piece * 20_000, "f:1") is None
