"""The instruments themselves: a page with each fault must be caught, or no other browser test means anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.visit import Open

_GOOD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>A page</title><link rel=icon href=data:,><main><h1>Title</h1>{}</main>"
)


@pytest.fixture
def visit(tmp_path: Path, open_page: Open, serve: Callable[[Path], str]):
    """Opens a page with something in it, at a phone's width."""
    address = serve(tmp_path)

    def open_(inside: str):
        (tmp_path / "index.html").write_text(_GOOD.format(inside), encoding="utf-8")
        return open_page(f"{address}/index.html", width=360)

    return open_


def test_a_page_without_faults_passes(visit):
    good = visit('<p>Text</p><a href="#x">First</a> <button>Second</button>')
    good.check_quiet()
    good.check_fits()
    good.check_accessible()
    assert good.tab_stops() == ["a: First", "button: Second"]


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ('<img alt="" src="missing.png">', "404"),
        ('<img alt="" src="http://example.com/a.png">', "asked the outside"),
        ("<script>fetch('https://example.com/beacon').catch(() => 0)</script>", "asked the outside"),
        ("<script>console.error('lost')</script>", "console: lost"),
        ("<script>null.x</script>", "script: "),
        ("<script>alert('injected')</script>", "dialog: injected"),
    ],
)
def test_what_fails_or_complains_is_noted(visit, inside, said):
    faulty = visit(inside)
    faulty.page.wait_for_timeout(100)
    with pytest.raises(AssertionError, match=said):
        faulty.check_quiet()


def test_what_sticks_out_is_named(visit):
    with pytest.raises(AssertionError, match="500 px wide"):
        visit('<div style="width:500px;margin-left:-8px">wide</div>').check_fits()


@pytest.mark.parametrize(
    ("inside", "rule"),
    [('<p style="color:#bbb">pale</p>', "color-contrast"), ("<img src=data:,>", "image-alt"), ("<input>", "label")],
)
def test_what_cannot_be_read_is_named(visit, inside, rule):
    with pytest.raises(AssertionError, match=rule):
        visit(inside).check_accessible()


def test_a_focus_that_cannot_be_seen_is_named(visit):
    with pytest.raises(AssertionError, match="cannot be seen"):
        visit('<a href="#x" style="outline:none">Hidden</a>').tab_stops()
