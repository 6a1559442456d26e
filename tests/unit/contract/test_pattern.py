"""Patterns that Python and Java read alike pass; others are refused before a stream meets them."""

from __future__ import annotations

import pytest

from pipelines.contract.pattern import fault


@pytest.mark.parametrize("pattern", ["^[0-9]+$", r"^a{2,3}\{[^\]]\[$", "(?i)a|b*+", r"[\[&-]", "", "é+"])
def test_portable(pattern):
    assert fault(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        ("(a", "missing ), unterminated subpattern at position 0"),
        ("(?P<n>a)", "'(?P' is not portable"),
        (r"a\Z", r"'\Z' is not portable"),
        ("{a}", "'{' needs a backslash where it is no count"),
        ("a{,3}", "'{' needs a backslash where it is no count"),
        ("[a[b]", "in '[a[b]', '[', ']' and '&&' need a backslash"),
        ("[]a]", "in '[]a]', '[', ']' and '&&' need a backslash"),
        ("[[a]", "Possible nested set at position 1"),
    ],
)
def test_refused(pattern, wrong):
    assert fault(pattern) == wrong
