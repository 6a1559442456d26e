"""Blocks of a page that are made: where they stand in the text, and what of an old one is kept.

    <!-- made: columns silver -->
    ...
    <!-- end -->

Everything outside of them is a person's. Knows no kind of fact: a maker is given the words behind its name.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_BLOCK = re.compile(r"<!-- made: (?P<words>[^>]+?) -->\n(?P<old>.*?)<!-- end -->", re.DOTALL)
_CELL = re.compile(r"(?<!\\)\|")


class WrongMarkError(Exception):
    """A mark names no maker, has no end, or its maker does not know its words."""


@dataclass(frozen=True)
class Facts:
    """A table whose last column a person writes: its heads, and its rows without that cell."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Maker = Callable[..., str | Facts]


def made(text: str, makers: Mapping[str, Maker]) -> tuple[str, list[str]]:
    """The page with every block made anew, and the rows whose last cell is empty.

    Raises:
        WrongMarkError: a block that nobody makes, or one without an end.
    """
    missing: list[str] = []

    def replace(found: re.Match[str]) -> str:
        name, *words = found["words"].split()
        if name not in makers:
            raise WrongMarkError(f"nothing makes '{name}', known are {', '.join(sorted(makers))}")
        try:
            block = makers[name](*words)
        except (KeyError, TypeError) as error:
            raise WrongMarkError(f"'{found['words']}' cannot be made: {error}") from error
        if isinstance(block, Facts):
            kept = _last_cells(found["old"])
            rows = [(*row, kept.get(row[0], "")) for row in block.rows]
            missing.extend(f"{' '.join(words)} {row[0]}" for row in rows if not row[-1])
            block = table(block.heads, rows)
        return f"<!-- made: {found['words']} -->\n{block.strip()}\n<!-- end -->"

    if len(_BLOCK.findall(text)) != text.count("<!-- made:"):
        raise WrongMarkError("a block has no <!-- end -->")
    return _BLOCK.sub(replace, text), missing


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; cells are Markdown already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("|" + "|".join(_padded(cell, line is lines[1]) for cell in line) + "|" for line in lines)


def escaped(text: str) -> str:
    """Text as a cell: on one line, no bar that would end it, and no tag but in code."""
    parts = " ".join(text.split()).replace("|", r"\|").split("`")
    return "`".join(each if i % 2 else each.replace("<", r"\<") for i, each in enumerate(parts))


def filled(text: str) -> str:
    """A paragraph in lines as long as those that people write."""
    return textwrap.fill(" ".join(text.split()), 119, break_long_words=False, break_on_hyphens=False)


def _padded(cell: str, rule: bool) -> str:
    return cell if rule else f" {cell} " if cell else " "


def _last_cells(old: str) -> dict[str, str]:
    """First cell -> last cell of the rows of a table."""
    found = {}
    for line in old.splitlines():
        cells = [each.strip() for each in _CELL.split(line)[1:-1]]
        if len(cells) > 1:
            found[cells[0]] = cells[-1]
    return found
