"""Numbers for people, and foreign text that can only ever be read."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contract.duration import ago
from quality.report import words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, été, 日本, 👍", "plain text, été, 日本, 👍"),
        ("a\u202eb", "a[U+202E]b"),
        ("a\u200bb\ufeff", "a[U+200B]b[U+FEFF]"),
        ("a\nb\t\x00\x1b\x7f", "a[U+000A]b[U+0009][U+0000][U+001B][U+007F]"),
        ("a\u00a0b\u2028", "a[U+00A0]b[U+2028]"),
        ("\ud800", "[U+D800]"),
        ("e" + "\u0301" * 5, "e\u0301\u0301\u0301[U+0301][U+0301]"),
        ("<b>&\"'", "<b>&\"'"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text, shown):
    assert words.visible(text) == shown


@given(st.text())
def test_nothing_hidden_is_left_and_nothing_changes_twice(text):
    shown = words.visible(text)
    assert not any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") for each in shown)
    assert words.visible(shown) == shown


def test_bytes_that_are_no_text_are_shown_and_long_ones_cut():
    assert words.raw_text(b"a\xff", 10) == "a\\xff"
    assert words.raw_text(b"x" * 2000, 4) == "xxxx … 1,996 more bytes"


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 10, "0 %"), (1, 0, words.NONE), (3, 604_710, "< 0.001 %"), (5, 100_000, "0.005 %"), (2, 100, "2.00 %"),
        (1, 3, "33.3 %"), (999_999, 1_000_000, "99.999 %"), (9_999_999, 10_000_000, "99.999 %"), (7, 7, "100 %"),
    ],
)  # fmt: skip
def test_shares_have_the_digits_that_matter_and_never_round_up_to_all(part, whole, shown):
    assert words.share(part, whole) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(1234567.8, "1,234,568"), (380, "380"), (0.12345, "0.123"), (float("nan"), words.NONE)]
)
def test_figures(number, shown):
    assert words.figure(number) == shown


def test_times_are_utc():
    kolkata = timezone(timedelta(hours=5, minutes=30))
    assert words.moment(datetime(2026, 11, 26, 5, 29, tzinfo=kolkata)) == "2026-11-25 23:59"
    assert words.moment(datetime(2026, 11, 26, 5, 29)) == "2026-11-26 05:29"
    assert words.utc(datetime(2026, 11, 26)).tzinfo is UTC


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0 s"), (119, "119 s"), (3600, "60 min"), (90_000, "25 h"), (259_200, "3 days")]
)
def test_ages(seconds, shown):
    assert ago(timedelta(seconds=seconds)) == shown
