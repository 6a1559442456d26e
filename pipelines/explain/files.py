"""Leaves from a CSV file, refused with the line and column where something is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.errors import UsageError, no_file
from pipelines.explain.gains import Kind
from pipelines.explain.leaves import COLUMNS


def read_leaves(file: Path, dims: Sequence[str], kind: Kind) -> pd.DataFrame:
    """The dimension columns, as text, and `COLUMNS[kind]`, as numbers from 0 up; other columns are left out.

    Raises:
        UsageError: no such file, not a table, a column missing or named twice, no dimension, a value that is no number.
    """
    if not dims:
        raise UsageError(f"{file}: no dimension is named", hint="name columns, as in --dims branch,brand")
    wanted = (*dims, *COLUMNS[kind])
    twice = [name for name in wanted if wanted.count(name) > 1]
    if twice:
        raise UsageError(f"{file}: column '{twice[0]}' is asked for twice", hint="name each dimension once")
    table = _table(file)
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise UsageError(
            f"{file}: line 1 has no column '{missing[0]}', it has {', '.join(map(str, table.columns))}",
            hint=f"leaves of kind {kind} need {', '.join(wanted)}",
        )
    if not len(table):
        raise UsageError(f"{file}: no line below the header", hint="give one line per combination of dimension values")
    return table[list(dims)].assign(**{name: _numbers(file, name, table[name]) for name in COLUMNS[kind]})


def _table(file: Path) -> pd.DataFrame:
    """All cells as text; a row's line in the file is its index and two."""
    if not file.is_file():
        raise no_file(file, "give a CSV file with a header")
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = str(error).strip().replace("\n", " ")
        raise UsageError(f"{file}: not a CSV table: {reason}", hint="give UTF-8 text with a header line") from error
    cells = table.fillna("")
    # An empty line has one empty cell, or as many as there are columns; none of it is a leaf.
    return cells[(cells != "").any(axis=1)]


def _numbers(file: Path, name: str, column: pd.Series[str]) -> pd.Series[float]:
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    wrong = column.index[~(np.isfinite(numbers) & (numbers >= 0))]
    if len(wrong):
        found = f"'{column[wrong[0]]}'" if column[wrong[0]] else "nothing"
        raise UsageError(
            f"{file}: line {wrong[0] + 2}, column {name}: {found} is not a number from 0 up",
            hint="correct the line, or leave it out",
        )
    return numbers
