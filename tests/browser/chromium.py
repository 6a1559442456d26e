"""A real Chromium, headless, that reaches this machine's own address and no other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from pipelines.errors import SetupError

# As scripts/chromium looks for it, and brings it.
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, until the context ends.

    Raises:
        SetupError: there is none on PATH.
    """
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise SetupError("no Chromium on PATH", hint="make test-browser, or sudo apt install chromium")
    arguments = ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--disable-background-networking"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses root otherwise.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
