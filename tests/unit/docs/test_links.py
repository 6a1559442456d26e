"""Every link of a page leads somewhere: to a file or folder of the repository, and to a heading where it names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documented import ROOT, pages

_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, made as GitHub makes them."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page: Path, text: str) -> list[str]:
    found = []
    for link in _LINK.findall(_FENCED.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue  # An address elsewhere; nothing here may ask for it.
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_a_link_to_nowhere_is_found() -> None:
    page = ROOT / "docs" / "reference" / "tables.md"
    text = "[a](nothing.md) [b](#nothing) [c](cost.md#prices) [d](#silver) [e](../../README.md#nothing)"
    assert broken(page, text) == ["nothing.md", "#nothing", "../../README.md#nothing"]


def test_every_page_of_the_reference_is_linked_from_another() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in pages()
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
    }
    folder = ROOT / "docs" / "reference"
    assert [page.name for page in sorted(folder.glob("*.md")) if page.resolve() not in linked] == []
