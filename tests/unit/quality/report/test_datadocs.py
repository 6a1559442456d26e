"""GX Data Docs ask no other host for anything, miss nothing beside them, and show what events say as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines import contract as contracts
from quality.report import datadocs
from tests.unit.quality.report import sample


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "data-docs"
    return datadocs.build(contracts.load("shop"), sample.events(), folder, at=sample.NOW).parent


def loaded(text: str) -> list[str]:
    """What a browser asks for when it shows a page or a style sheet."""
    return [found[2] or found[4] for found in datadocs._LOADED.finditer(text)]


def test_every_page_is_whole_beside_its_assets(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) == 5, "an index, two suites, two results"
    for page in pages:
        asked = loaded(page.read_text(encoding="utf-8"))
        assert len(asked) > 10
        for address in asked:
            assert address.startswith("data:") or (page.parent / address).is_file(), f"{page.name} asks for {address}"
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"url\((?!['\"]?data:)['\"]?([^)'\"]+)", sheet.read_text(encoding="utf-8")):
            assert (sheet.parent / address).is_file(), f"{sheet.name} asks for {address}"


def test_nobody_is_told_who_reads(site):
    text = "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    assert "utm_" not in text
    assert "amazonaws" not in text
    assert "newsletter" not in text


class Scripts(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.images, self.data = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data):
        self.data.append(data)


def test_values_of_events_are_text(site):
    (page,) = (site / "validations" / "single-events").rglob("*.html")
    found = Scripts(page.read_text(encoding="utf-8"))
    assert [image["src"].rsplit("/", 1)[-1] for image in found.images] == ["logo.png"]
    text = "".join(found.data)
    assert "<script>alert('injected')</script>" in text
    assert "[U+202E]evil" in text
    assert "\u202e" not in text


def test_only_what_is_wrong_fails(site):
    (page,) = (site / "validations" / "single-events").rglob("*.html")
    words = " ".join(" ".join(Scripts(page.read_text(encoding="utf-8")).data).split())
    assert "Unsuccessful Expectations 2 Success Percent" in words


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://example.com/new.js"></script>',
        '<link rel="stylesheet" href="//example.com/new.css">',
        "<style>p { background: url('https://example.com/dot.png') }</style>",
        '<img alt="" src="http://example.com/dot.png">',
    ],
)
def test_an_address_that_no_asset_stands_for_fails_the_build(tag):
    with pytest.raises(ValueError, match=r"example\.com/.*no vendored asset"):
        datadocs.rewritten(f"<html><head>{tag}</head><body></body></html>", "")


def test_links_that_a_reader_may_follow_stay():
    page = '<html><head></head><body><a href="https://greatexpectations.io">GX</a></body></html>'
    assert '<a href="https://greatexpectations.io">' in datadocs.rewritten(page, "")


def test_charts_bring_their_library_only_where_there_is_one():
    tag = '<script src="https://cdn.jsdelivr.net/npm/vega@5"></script>'
    page = "<html><head>" + tag + "</head><body>{}</body></html>"
    assert "vega" not in datadocs.rewritten(page.format(""), "../")
    assert '"../assets/vega/vega.min.js"' in datadocs.rewritten(
        page.format("<script>vegaEmbed('#a', {})</script>"), "../"
    )


def test_every_asset_is_there_with_its_licence():
    for asset in set(datadocs._ASSETS.values()) - {"logo.png"}:
        assert (datadocs._VENDOR / asset).is_file()
        assert (datadocs._VENDOR / asset).with_name("LICENSE").is_file()
