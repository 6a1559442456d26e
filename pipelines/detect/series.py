"""One series as it comes, in a frame or a CSV file, and what is wrong with it: the file, the line, what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.detect.grid import Floats, Times
from pipelines.detect.signals import LEAST
from pipelines.errors import UsageError, no_file

_FORM = "give a CSV file with the columns timestamp,value or timestamp,numerator,denominator, one row a window"
# A line of a file is a row of the frame after the header, counted from one.
_FIRST_LINE = 2


def read(path: Path) -> pd.DataFrame:
    """A CSV file as text, with its header, for `values` to check.

    Raises:
        UsageError: there is no such file, or it is no CSV.
    """
    if not path.is_file():
        raise no_file(path, _FORM)
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8")
    except pd.errors.EmptyDataError:
        raise UsageError(f"{path}: the file is empty", hint=_FORM) from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no CSV: {str(error).strip()}", hint=_FORM) from None


def values(frame: pd.DataFrame, where: str) -> tuple[Times, Floats]:
    """Timestamps and values, (points,) each, of a frame with `value`, or with `numerator` and `denominator`.

    A ratio of nothing to nothing is unknown, and is taken for the one before it.

    Raises:
        UsageError: a column is missing, a field cannot be read, time stands still or goes back, or the series is too
            short to have a range.
    """
    ratio = {"numerator", "denominator"} <= set(frame.columns)
    missing = {"timestamp", *([] if ratio else ["value"])} - set(frame.columns)
    if missing:
        found = ", ".join(map(str, frame.columns)) or "none"
        raise UsageError(f"{where}: no column {' and '.join(sorted(missing))}; the columns are: {found}", hint=_FORM)
    time = _times(frame["timestamp"], where)
    if ratio:
        value = _ratio(_numbers(frame["numerator"], where), _numbers(frame["denominator"], where), where)
    else:
        value = _numbers(frame["value"], where)
    if len(time) <= LEAST:
        raise UsageError(
            f"{where}: {len(time)} rows are too short a history, expected at least {LEAST + 1}",
            hint="give an earlier beginning",
        )
    return time, value


def points_a_day(time: Times) -> int:
    """Points a day, at least 1, by the usual step of the first points: later ones must not change what was said."""
    steps = np.diff(time[: LEAST + 1]) / np.timedelta64(1, "s")
    return max(1, round(86_400 / float(np.median(steps))))


def _times(column: pd.Series[str], where: str) -> Times:
    time = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    if time.isna().any():
        raise _refused(column, int(np.argmax(time.isna())), where, "is no time", "times such as 2026-11-18 15:00:00")
    steps = time.diff().dt.total_seconds().to_numpy()[1:]
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        what = "is the time of the line before too" if steps[row - 1] == 0 else "is earlier than the line before"
        raise _refused(column, row, where, what, "sort the rows by time, one row for each time")
    return np.asarray(time.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]"))


def _numbers(column: pd.Series[str], where: str) -> Floats:
    number = np.array(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    bad = ~np.isfinite(number)
    if bad.any():
        raise _refused(column, int(np.argmax(bad)), where, "is no finite number", "fill the gap, or leave the row out")
    return np.asarray(number)


def _ratio(numerator: Floats, denominator: Floats, where: str) -> Floats:
    if not len(denominator):
        return denominator
    if denominator[0] == 0:
        raise UsageError(
            f"{where}: line {_FIRST_LINE}: denominator is 0 in the first row, so nothing is known to take its place",
            hint="begin with a window that has events",
        )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(denominator == 0, np.nan, numerator / denominator)
    return np.array(pd.Series(ratio).ffill(), dtype=np.float64)


def _refused(column: pd.Series[str], row: int, where: str, what: str, hint: str) -> UsageError:
    return UsageError(f"{where}: line {row + _FIRST_LINE}: {column.name} '{column.iloc[row]}' {what}", hint=hint)
