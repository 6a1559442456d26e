"""The page: self-contained, honest about its state, and no field of an event is ever more than text on it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from quality.report import page
from tests.unit.quality.report import sample

TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "style",
        "body",
        "a",
        "header",
        "div",
        "p",
        "svg",
        "path",
        "nav",
        "main",
    ),
    *("h1", "h2", "h3", "small", "code", "section", "ul", "li", "rect", "span", "table", "thead", "tbody", "tr", "th"),
    *("td", "article", "dl", "dt", "dd", "strong", "pre", "figure", "figcaption", "polygon", "polyline", "details"),
    *("summary", "bdi", "footer"),
}


class Tags(HTMLParser):
    """Every element and attribute of a page, its comments, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.comments, self.data = set(), set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        self.data.append(data)


def test_what_events_say_is_text_and_nothing_else():
    found = Tags(page.render(sample.report(), data_docs=True))
    assert found.tags <= TAGS
    assert not {name for name in found.attributes if name.startswith("on")}
    assert found.comments == []
    text = "".join(found.data)
    assert text.count("<script>alert('injected')</script>") >= 6
    assert "[U+202E]evil[U+202C] [U+200B]zero [U+001B][31mred[U+0000] {{ 7 * 7 }} <!--" in text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\x00\x1b]", text)


def test_the_page_is_one_file_and_asks_for_nothing():
    text = page.render(sample.report(), data_docs=False)
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", text)
    assert not re.search(r"@import|url\(", text)
    assert "<script" not in text


def test_a_held_batch_comes_with_its_failed_check_and_the_commands():
    text = "".join(Tags(page.render(sample.report(), data_docs=True)).data)
    for part in (
        "1 batch with 11,952 events held: waiting for you",
        "app_version=5.3.0: 46 (239 rows)",
        'pulseiq quality held release shop 41 --reason "',
        'pulseiq quality held reject shop 41 --reason "',
        "Released by ada <b> at 2026-11-26 06:07 UTC",
    ):
        assert part in text
    assert "held release shop 12" not in text


@pytest.mark.parametrize("audited", [True, False])
def test_without_an_audit_the_page_says_so(audited):
    text = page.render(sample.report(audited=audited), data_docs=False)
    assert ("No audit was run yet" in text) is not audited


def test_a_product_without_any_table_has_a_page():
    text = "".join(Tags(page.render(sample.report(quiet=True), data_docs=False)).data)
    for part in ("No batch in the last 24 hours", "No batch was held", "No event was refused", "Detect has judged no"):
        assert part in text


def test_the_headline_is_the_worst_that_is_known():
    made = sample.report()
    assert page.headline(made)[1] == "bad"
    decided = replace(made, held=made.held[1:])
    assert page.headline(decided) == ("Nothing is held; the last audit found bad data", "bad")
    unaudited = replace(decided, audit=None)
    assert page.headline(unaudited) == ("Nothing is held; some expectations do not pass", "warn")
    clean = replace(unaudited, promotions=replace(made.promotions, batches={"promote": 40}))
    assert page.headline(clean)[1] == "good"


def test_the_headline_tells_what_was_rejected_in_the_reported_time():
    made = replace(sample.report(), audit=None)
    batch = made.held[1]
    rejected = replace(batch, state="rejected", rows=1_075)
    old = replace(rejected, decided=replace(batch.decided, at=sample.SINCE - timedelta(minutes=1)))
    clean = replace(made, promotions=replace(made.promotions, batches={"promote": 40}))
    told = ("Nothing is held; 1,075 events were rejected by a person", "warn")
    assert page.headline(replace(clean, held=(rejected, old))) == told
    assert page.headline(replace(clean, held=(batch, old)))[1] == "good"
    sentence = page.headline(replace(made, held=(made.held[0], replace(rejected, rows=1))))[0]
    assert sentence.endswith("held: waiting for you; 1 event was rejected by a person")
