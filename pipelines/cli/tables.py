"""How answers for people are printed: no cell of a table is cut, on a narrow terminal, in a file or in a pipe."""

from __future__ import annotations

import re
import sys
from io import TextIOBase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Of what is no terminal: rich takes 80 columns for it, and a row is to be one line.
_ENDLESS = 100_000
# On less, columns that are never to be folded would leave the others nothing, and be cut themselves.
_ROOMY = 80


def console() -> Console:
    """Standard output; where it is no terminal, as wide as what is printed, without the blanks that fill columns up."""
    from rich.console import Console

    terminal = Console(highlight=False)
    if terminal.is_terminal:
        return terminal
    return Console(file=_Trimmed(), width=_ENDLESS, highlight=False)  # type: ignore[arg-type]  # it only writes


def whole(table: RenderableType) -> RenderableType:
    """The same table; what is too long for its column goes on in the next line."""
    from rich.table import Table

    assert isinstance(table, Table)
    roomy = console().width >= _ROOMY
    for column in table.columns:
        column.overflow = "fold"
        column.no_wrap = column.no_wrap and roomy
    return table


class _Trimmed(TextIOBase):
    """Standard output, whatever it is by then; lines end with their last sign."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # it is a plain attribute there
        """That of standard output: frames are drawn with the signs that it has."""
        return sys.stdout.encoding

    def write(self, text: str) -> int:
        sys.stdout.write(re.sub(r" +(?=\n)", "", text))
        return len(text)

    def flush(self) -> None:
        sys.stdout.flush()
