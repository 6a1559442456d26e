"""The quality reports in a real browser: whole without a network, quiet, readable, and reachable by keyboard.

Made of the rows that the unit tests use, hostile events included. Screenshots are in reports/screenshots.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import contract as contracts
from quality.report import datadocs, page
from tests.browser.visit import Open, Theme
from tests.unit.quality.report import sample


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole site, and a page of a product without any data beside it."""
    folder = tmp_path_factory.mktemp("site")
    datadocs.build(contracts.load("shop"), sample.events(), folder / "data-docs", at=sample.NOW)
    (folder / "index.html").write_text(page.render(sample.report(), data_docs=True), encoding="utf-8")
    (folder / "quiet.html").write_text(page.render(sample.report(quiet=True), data_docs=False), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["index", "quiet"])
def test_our_page(site: Path, open_page: Open, theme: Theme, width: int, name: str) -> None:
    # As a file, the way `make docs` leaves it.
    visit = open_page((site / f"{name}.html").as_uri(), theme=theme, width=width)
    visit.screenshot(f"quality-{name}-{theme}-{width}")
    visit.check_quiet()
    visit.check_fits()
    visit.check_accessible()
    for each in visit.page.locator("details").all():
        each.evaluate("element => element.open = true")
    visit.screenshot(f"quality-{name}-open-{theme}-{width}")
    visit.check_fits()
    visit.check_accessible()


def test_the_keyboard_reaches_everything_and_opens_samples(site: Path, open_page: Open) -> None:
    visit = open_page((site / "index.html").as_uri())
    stops = visit.tab_stops()
    assert stops[0] == "a: Skip to the content"
    for part in ("a: Held", "pre: Commands for batch 41", "summary: wrong_type", "a: Great Expectations' Data Docs"):
        assert any(stop.startswith(part) for stop in stops), part
    summary = visit.page.locator("summary", has_text="wrong_type")
    summary.focus()
    visit.page.keyboard.press("Enter")
    shown = visit.page.locator("details[open] pre").first
    assert shown.is_visible()
    assert "<script>alert('injected')</script>" in shown.inner_text()


def pages(site: Path) -> list[Path]:
    return sorted((site / "data-docs").rglob("*.html"))


def test_data_docs(site: Path, open_page: Open, theme: Theme, width: int) -> None:
    """Their elements are Great Expectations' own; that they can be read is ours to see to."""
    for file in pages(site):
        visit = open_page(file.as_uri(), theme=theme, width=width)
        visit.page.wait_for_timeout(300)
        visit.screenshot(f"data-docs-{file.stem}-{file.parts[-2][:11]}-{theme}-{width}")
        visit.check_quiet()
        visit.check_fits()
        visit.check_accessible(only=("color-contrast", "html-has-lang", "document-title", "image-alt"))


def test_from_our_page_to_a_failed_expectation_and_back(site: Path, open_page: Open, serve) -> None:
    address = serve(site)
    visit = open_page(f"{address}/index.html")
    visit.page.get_by_role("link", name="GX Data Docs", exact=True).click()
    visit.page.wait_for_load_state()
    # A row of the table of runs, which is no link: the page behind it is opened by its address.
    failed = next(each for each in pages(site) if {"validations", "single-events"} <= set(each.parts))
    visit.page.goto(f"{address}/{failed.relative_to(site).as_posix()}")
    visit.page.wait_for_load_state()
    assert "<script>alert('injected')</script>" in visit.page.inner_text("body")
    visit.page.get_by_role("link", name="PulseIQ: data quality").click()
    assert visit.page.title() == "shop: data quality"
    visit.check_quiet()
