"""How answers for people are printed: no cell of a table is cut, on a narrow terminal, in a file or in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# Of what is no terminal: rich takes 80 columns for it, and a row is to be one line.
_ENDLESS = 100_000
# On less, columns that are never to be folded would leave the others nothing, and be cut themselves.
_ROOMY = 80


def console() -> Console:
    """Standard output; as wide as what is printed where it is no terminal."""
    from rich.console import Console

    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(width=_ENDLESS, highlight=False)


def whole(table: RenderableType) -> RenderableType:
    """The same table; what is too long for its column goes on in the next line."""
    from rich.table import Table

    assert isinstance(table, Table)
    roomy = console().width >= _ROOMY
    for column in table.columns:
        column.overflow = "fold"
        column.no_wrap = column.no_wrap and roomy
    return table
