"""The commands that the pages show: fenced blocks of a shell, and code within sentences that begins like a command.

Takes apart and judges nothing; `tests/unit/docs` parses each, `tests/integration/cookbook` runs those of the cookbook.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COOKBOOK = ROOT / "docs" / "cookbook"

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_OURS = re.compile(r"(pulseiq|make|scripts/[a-z-]+|python -m [a-z_.]+)( |$)")
_JOINED = {"&&", "||", "|", ";"}


@dataclass(frozen=True)
class Shown:
    """One command as a page shows it: its words, variables set before it, and whether it stands in a block."""

    words: tuple[str, ...]
    given: tuple[str, ...] = ()
    in_block: bool = True

    def __str__(self) -> str:
        return shlex.join((*self.given, *self.words))


def pages() -> list[Path]:
    """Every page for people."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> list[Shown]:
    """Every command of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    found: list[tuple[int, Shown]] = []
    for block in _FENCE.finditer(text):
        if block[2] in ("sh", "console"):
            lines = list(_lines(block[3], prompt=block[2] == "console"))
            found += [(block.start(), each) for line in lines for each in _split(line, in_block=True)]
    # What is fenced holds no spans; blanked out, so that places stay.
    prose = _FENCE.sub(lambda block: " " * len(block[0]), text)
    for span in _SPAN.finditer(prose):
        line = " ".join(span[1].split())
        if _OURS.match(line):
            found += [(span.start(), each) for each in _split(line, in_block=False)]
    return [shown for _, shown in sorted(found, key=lambda each: each[0])]


def blocks(page: Path, language: str) -> list[str]:
    """The texts of a page's fenced blocks in a language."""
    return [block[3] for block in _FENCE.finditer(page.read_text(encoding="utf-8")) if block[2] == language]


def _lines(block: str, *, prompt: bool) -> Iterator[str]:
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        line = line.strip()
        if prompt and not line.startswith("$ "):
            continue  # What the command prints.
        if line and not line.startswith("#"):
            yield line.removeprefix("$ ")


def _split(line: str, *, in_block: bool) -> Iterator[Shown]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in _JOINED:
            words.append(word)
            continue
        given = [each for each in words if re.match(r"[A-Z_]+=", each)] if words else []
        given = given[: next((i for i, each in enumerate(words) if each not in given), len(words))]
        if words[len(given) :]:
            yield Shown(tuple(words[len(given) :]), tuple(given), in_block)
        words = []
