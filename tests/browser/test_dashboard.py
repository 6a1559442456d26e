"""The web app in a real Chromium, on a lake with an open incident: looks, keyboard, forms, live changes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.incidents import responses
from pipelines.incidents.responses import Response
from tests.browser.visit import Open, Visit, running
from tests.simulated_lake import Simulated, judged_now, settings_of, small, without_services


@dataclass(frozen=True)
class Site:
    """A running app and the lake behind it."""

    address: str
    made: Simulated

    @property
    def incident(self) -> str:
        return f"{self.address}/incidents/{self.made.incidents[0].incident_id}"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return small(tmp_path_factory.mktemp("lake"))


def run(made: Simulated) -> Iterator[Site]:
    app, _ = without_services(made)
    with running(app) as address:
        yield Site(address, made)


@pytest.fixture(scope="module")
def site(lake: Simulated) -> Iterator[Site]:
    """One that nobody writes to."""
    yield from run(lake)


@pytest.fixture
def own_site(lake: Simulated, tmp_path: Path) -> Iterator[Site]:
    """A copy that may be written to."""
    shutil.copytree(lake.settings.home, tmp_path / "lake")
    copy = Simulated(settings_of(tmp_path / "lake"), lake.contract, lake.incidents, lake.until)
    judged_now(copy.lake, copy.contract, copy.until, copy.until, copy.until, 24)
    yield from run(copy)


def check_quiet(visit: Visit) -> None:
    """As the visit's own, but that leaving a page ends its stream of events is no fault."""
    visit.faults = [each for each in visit.faults if "/events net::ERR_ABORTED" not in each]
    visit.check_quiet()


PAGES = {
    "now": "/",
    "incidents": "/incidents",
    "incident": "",
    "series": "/series/conversion_rate?days=7",
    "quality": "/quality",
    "pipeline": "/pipeline",
    "api": "/api",
    "missing": "/incidents/none",
    "sign-in": "/sign-in",
}


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_quiet_fits_and_can_be_read(open_page: Open, site: Site, theme, width, name):
    address = site.incident if name == "incident" else f"{site.address}{PAGES[name]}"
    visit = open_page(address, theme=theme, width=width)
    visit.page.wait_for_timeout(150)
    if name == "missing":
        visit.faults = [each for each in visit.faults if "404" not in each]
    visit.check_quiet()
    visit.check_fits()
    visit.check_accessible()
    visit.screenshot(f"dashboard-{name}-{width}-{theme}")


def test_the_first_screen_answers_what_where_and_how_bad(open_page: Open, site: Site):
    page = open_page(site.address).page
    assert page.locator("h1").inner_text() == "Changed behaviour"
    assert "Conversion rate" in page.locator(".headline").inner_text()
    assert "device=ios" in page.locator(".headline").inner_text()
    assert page.locator(".metric canvas").count() == 2
    assert page.locator("[data-chart=conversion_rate]").get_attribute("aria-label").startswith("Conversion rate, ")
    assert page.locator(".metric .level").count() == 1


def test_a_chart_is_drawn_and_reads_out_the_window_under_the_pointer(open_page: Open, site: Site):
    page = open_page(f"{site.address}/series/conversion_rate").page
    box = page.locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 40)
    assert "of" in page.locator(".readout").inner_text()
    colours = page.evaluate(
        """() => {
          const canvas = document.querySelector('canvas'), seen = new Set();
          const bytes = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          for (let i = 0; i < bytes.length; i += 4) if (bytes[i + 3]) seen.add(bytes.slice(i, i + 3).join());
          return seen.size;
        }"""
    )
    assert colours > 20


def test_all_can_be_reached_and_used_by_keyboard(open_page: Open, site: Site):
    visit = open_page(site.address)
    stops = visit.tab_stops()
    assert stops[0] == "a: Skip to content"
    assert [each for each in stops if each.startswith("a: Conversion rate")]
    assert len(stops) == len(set(stops)) or stops.count("a: Conversion rate") <= 2
    page = visit.page
    page.goto(site.address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/incidents/*")
    assert "Conversion rate" in page.locator("h1").inner_text()


def test_a_click_goes_down_the_tree_and_back(open_page: Open, site: Site):
    page = open_page(site.incident).page
    page.get_by_role("link", name="eu-west", exact=True).click()
    page.get_by_role("link", name="ios", exact=True).click()
    assert page.locator(".trail b").inner_text() == "device = ios"
    page.get_by_role("link", name="everywhere").click()
    assert page.locator(".trail b").inner_text() == "everywhere"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_word_is_kept_and_shown(open_page: Open, own_site: Site, scripts):
    visit = open_page(own_site.incident, java_script_enabled=scripts)
    visit.page.fill("input[name=actor]", "Ada <b>")
    visit.page.fill("textarea", "looking <script>alert(1)</script>")
    visit.page.get_by_role("button", name="Acknowledge").click()
    visit.page.wait_for_url("**#said")
    assert "acknowledged by Ada <b>" in visit.page.locator(".verdict").inner_text()
    assert "looking <script>" in visit.page.locator(".course").inner_text()
    check_quiet(visit)
    kept = responses.read(own_site.made.lake, "shop")
    assert [(each.action, each.actor) for each in kept] == [("acknowledge", "Ada <b>")]


def test_a_change_in_the_lake_reaches_an_open_page(open_page: Open, own_site: Site):
    visit = open_page(own_site.address)
    visit.page.locator(".live.on").wait_for()
    visit.page.wait_for_timeout(500)
    found = own_site.made.incidents[0].incident_id
    word = Response(datetime.now(UTC), found, "false alarm", "Ada", "a test")
    responses.keep(own_site.made.lake, "shop", word)
    visit.page.get_by_role("heading", name="Normal").wait_for(timeout=15_000)
    assert visit.page.locator("canvas").count() == 2
    check_quiet(visit)


def test_a_page_is_not_replaced_under_somebody_who_writes(open_page: Open, own_site: Site):
    page = open_page(own_site.incident).page
    page.locator(".live.on").wait_for()
    page.fill("textarea", "half a sentence")
    found = own_site.made.incidents[0].incident_id
    responses.keep(own_site.made.lake, "shop", Response(datetime.now(UTC), found, "acknowledge", "Ada"))
    page.wait_for_timeout(5000)
    assert page.input_value("textarea") == "half a sentence"
    page.fill("textarea", "")
    page.locator("textarea").blur()
    page.locator(".verdict", has_text="acknowledged by Ada").wait_for(timeout=15_000)
