"""A real Chromium for the tests of pages: themes, widths, and a network that ends at this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from pipelines.errors import SetupError
from tests.browser.chromium import chromium

# It asserts, and pytest rewrites only test files unasked.
pytest.register_assert_rewrite("tests.browser.visit")

from tests.browser.visit import THEMES, WIDTHS, Open, Theme, Visit, opened, served  # noqa: E402


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, headless, able to reach this machine's own address and no other."""
    try:
        with chromium() as browser:
            yield browser
    except SetupError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """`open_page(url, theme="light", width=1440)` -> Visit, loaded and at rest."""
    with ExitStack() as contexts:

        def open_(url: str, **more: Any) -> Visit:
            return contexts.enter_context(opened(browser, url, **more))

        yield open_


@pytest.fixture(params=THEMES)
def theme(request: pytest.FixtureRequest) -> Theme:
    """Each colour scheme that a reader may have asked the system for."""
    return request.param


@pytest.fixture(params=WIDTHS, ids=lambda width: f"{width}px")
def width(request: pytest.FixtureRequest) -> int:
    """Each width, in CSS pixels, that pages must be readable at."""
    return request.param


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """`serve(folder)` -> address of a server that gives out its files."""
    with ExitStack() as servers:
        yield lambda folder: servers.enter_context(served(folder))
