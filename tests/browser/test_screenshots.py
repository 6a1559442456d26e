"""`scripts/screenshots` takes each page at both widths and in both themes, and says which page complained."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.visit import ROOT, THEMES, WIDTHS


def screenshots(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "screenshots"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=300)


def width_of(picture: Path) -> int:
    """As the file's own header says it."""
    head = picture.read_bytes()[:24]
    assert head.startswith(b"\x89PNG\r\n")
    (width,) = struct.unpack(">I", head[16:20])
    return int(width)


def test_a_page_is_taken_at_each_width_and_in_each_theme(browser: Browser, tmp_path: Path) -> None:
    del browser  # Where there is none, this fails with what to do, as all others.
    done = screenshots("--simulated", "--page", "incidents", "--into", str(tmp_path))
    assert done.returncode == 0, done.stderr
    taken = {picture.stem: width_of(picture) for picture in tmp_path.glob("*.png")}
    assert taken == {f"incidents-{theme}-{width}": width for theme in THEMES for width in WIDTHS}
    light, dark = (tmp_path / f"incidents-{theme}-360.png" for theme in THEMES)
    assert light.read_bytes() != dark.read_bytes()


def test_a_page_that_is_not_there_is_refused_with_those_that_are(browser: Browser, tmp_path: Path) -> None:
    del browser
    done = screenshots("--simulated", "--page", "nothing", "--into", str(tmp_path))
    assert done.returncode == 2
    assert "known are now, incidents, incident, series, quality, pipeline, quality-report" in done.stderr
    assert list(tmp_path.iterdir()) == []
