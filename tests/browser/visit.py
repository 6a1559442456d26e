"""What any page can be asked in a real browser: is it quiet, does it fit, can it be read and reached by keyboard.

Knows no page and starts no browser: `chromium` does.
"""

from __future__ import annotations

import functools
import http.server
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, Route

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
# A small phone and a desk's screen.
WIDTHS = (360, 1440)

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "reports" / "screenshots"
_AXE = Path(__file__).with_name("axe") / "axe.min.js"
_LOCAL = re.compile(r"^(file:|data:|blob:|about:|(https?|wss?)://127\.0\.0\.1[:/])")
_MAX_TAB_STOPS = 400


@dataclass
class Visit:
    """A page that was opened, and all that went wrong on it since."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def check_quiet(self) -> None:
        """Nothing failed to load, nothing was asked of the outside, nothing was complained of on the console."""
        assert self.faults == [], self.faults

    def check_fits(self) -> None:
        """The page does not scroll sideways; names what sticks out where it does."""
        found = self.page.evaluate(
            """() => {
              const root = document.documentElement, width = root.clientWidth;
              if (root.scrollWidth <= width) return [];
              const right = e => Math.round(e.getBoundingClientRect().right);
              const out = [...document.body.querySelectorAll('*')].filter(e => right(e) > width + 1);
              const names = out.slice(-5).map(e => `${e.tagName}.${e.className}: ${right(e)}`);
              return [`${root.scrollWidth} px wide, ${width} there are`, ...names];
            }"""
        )
        assert found == [], found

    def check_accessible(self, *, only: tuple[str, ...] = ()) -> None:
        """No violation of WCAG 2.2 A and AA that axe can find, contrast among them, in the theme that is on.

        `only` names rules of axe, for pages whose elements are made by others; say why where you do.
        """
        # Not by a script element: a page's own policy may forbid those.
        self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate(
            """async (only) => {
              const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
              const result = await axe.run(document, {runOnly: only.length ? only : tags, resultTypes: ['violations']});
              return result.violations.map(v => `${v.id}: ${v.help}: ` + v.nodes.slice(0, 3).map(
                n => n.target.join(' ') + (n.any[0] ? ` (${n.any[0].message})` : '')).join('; '));
            }""",
            list(only),
        )
        assert found == [], found

    def tab_stops(self) -> list[str]:
        """What the Tab key reaches, in order, as `tag: text`; fails where a stop cannot be seen to have the focus."""
        self.page.evaluate("document.activeElement && document.activeElement.blur()")
        stops: list[str] = []
        for _ in range(_MAX_TAB_STOPS):
            self.page.keyboard.press("Tab")
            stop = self.page.evaluate(_FOCUSED)
            if stop is None or stop["again"]:
                return stops
            assert stop["visible"], f"the focus is on {stop['name']} and cannot be seen"
            stops.append(stop["name"])
        raise AssertionError(f"the Tab key did not come round within {_MAX_TAB_STOPS} stops")

    def screenshot(self, name: str, folder: Path = SCREENSHOTS) -> Path:
        """The whole page as NAME.png, for a person to look at."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path


# Whether focus shows is asked of what the browser would paint: an outline, or a shadow that is there only with it.
_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const again = e.hasAttribute('data-tab-seen');
  e.setAttribute('data-tab-seen', '');
  const style = getComputedStyle(e), box = e.getBoundingClientRect();
  const painted = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
  const label = e.getAttribute('aria-label') || e.textContent || e.getAttribute('name') || '';
  return {again, visible: painted && box.width > 0 && box.height > 0,
          name: `${e.tagName.toLowerCase()}: ${label.trim().replace(/\\s+/g, ' ').slice(0, 80)}`};
}"""


Open = Callable[..., Visit]


def listen(visit: Visit) -> None:
    """Note what goes wrong on a visit, and keep it from the outside."""
    page, faults = visit.page, visit.faults

    def gate(route: Route) -> None:
        if _LOCAL.match(route.request.url):
            route.continue_()
        else:
            faults.append(f"asked the outside: {route.request.url}")
            route.abort("blockedbyclient")

    page.context.route("**/*", gate)
    page.on(
        "console", lambda said: faults.append(f"console: {said.text}") if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("requestfailed", lambda asked: faults.append(f"failed: {asked.url} {asked.failure}"))
    page.on("response", lambda got: faults.append(f"{got.status}: {got.url}") if got.status >= 400 else None)
    page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))


@contextmanager
def opened(
    browser: Browser, url: str, *, theme: Theme = "light", width: int = 1440, height: int = 900, **more: Any
) -> Iterator[Visit]:
    """A page of its own, loaded and at rest, until the context ends."""
    context = browser.new_context(
        color_scheme=theme,
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
        timezone_id="Asia/Kolkata",  # Neither UTC nor whole hours from it: a local time would show.
        **more,
    )
    try:
        visit = Visit(context.new_page())
        listen(visit)
        visit.page.goto(url, wait_until="load")
        yield visit
    finally:
        context.close()


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of a web app, until the context ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=10)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server that gives out a folder's files, until the context ends."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
