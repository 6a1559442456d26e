"""Expectations that a product adds to the audit: the file `expectations.yaml` beside its contract, if there is one.

What is written here is judged when PulseIQ audits a layer; what must hold of every batch in the stream is a check of
`metrics.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field as Limited
from pydantic import ValidationError, model_validator

from pipelines.contract.expressions import Kind, check
from pipelines.contract.form import Frozen
from pipelines.contract.yaml_file import read_yaml
from pipelines.errors import ContractError

FILE = "expectations.yaml"

_STATISTICS = ("share", "mean", "median", "least", "greatest", "unique_share")
_HINT = "see docs/cookbook/add-an-expectation.md"


class Reference(Frozen):
    """That values of `column` occur in `to` of the events `among` (SQL) of the same week; both columns of silver."""

    column: str
    to: str
    among: str = "true"


class Expected(Frozen):
    """One expectation: where it looks, one thing that is measured there, and the bounds of that.

    `share` is a condition, `mean`, `median`, `least`, `greatest` and `unique_share` a value, all SQL over one row.
    """

    name: str
    layer: Literal["bronze", "silver", "gold"]
    where: str = "true"
    share: str | None = None
    mean: str | None = None
    median: str | None = None
    least: str | None = None
    greatest: str | None = None
    unique_share: str | None = None
    refers: Reference | None = None
    column: str | None = None
    by: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    minimum_rows: int = Limited(default=30, ge=1)
    severity: Literal["critical", "warning"] = "critical"
    owner: str
    why: str

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        given = [name for name in (*_STATISTICS, "refers") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_STATISTICS)}, refers")
        if self.min is None and self.max is None:
            raise ValueError("an expectation needs 'min', 'max' or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("'min' is more than 'max', so that nothing passes")
        if self.refers is not None and (self.layer != "silver" or self.by):
            raise ValueError("'refers' goes with layer silver and without 'by'")
        return self

    @property
    def measured(self) -> tuple[str, str]:
        """What is measured and its SQL."""
        for name in _STATISTICS:
            if (sql := getattr(self, name)) is not None:
                return name, sql
        assert self.refers is not None
        return "refers", self.refers.column


def read(folder: Path, columns: Mapping[str, Mapping[str, Kind]]) -> tuple[Expected, ...]:
    """The expectations of a contract's folder, their SQL made safe; none where there is no file.

    Args:
        folder: the contract's.
        columns: columns and what they hold, by layer.

    Raises:
        ContractError: the message names file, place and reason.
    """
    file = folder / FILE
    if not file.is_file():
        return ()
    given = read_yaml(file)
    listed = given.get("expectations")
    if set(given) != {"expectations"} or not isinstance(listed, list):
        raise ContractError(f"{file}: expected one key, 'expectations', with a list", hint=_HINT)
    found: list[Expected] = []
    for i, each in enumerate(listed):
        place = f"{file}: expectations[{i}]"
        expected = _safe(_model(each, place), columns, place)
        if expected.name in {other.name for other in found}:
            raise ContractError(f"{place}: two expectations '{expected.name}'", hint="rename one of them")
        found.append(expected)
    return tuple(found)


def _model(given: Any, place: str) -> Expected:
    try:
        return Expected.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join((place, *map(str, first["loc"])))
        words = {"missing": "missing", "extra_forbidden": "unknown key"}
        message = words.get(first["type"], first["msg"].removeprefix("Value error, "))
        raise ContractError(f"{where}: {message}", hint=_HINT) from error


def _safe(expected: Expected, columns: Mapping[str, Mapping[str, Kind]], place: str) -> Expected:
    known = columns[expected.layer]
    safe: dict[str, Any] = {"where": _condition(expected.where, known, f"{place}.where")}
    for name in expected.by:
        _column(name, known, f"{place}.by")
    measured, sql = expected.measured
    if expected.refers is not None:
        for name in (expected.refers.column, expected.refers.to):
            _column(name, known, f"{place}.refers")
        among = _condition(expected.refers.among, known, f"{place}.refers.among")
        safe["refers"] = expected.refers.model_copy(update={"among": among})
    elif measured == "share":
        safe["share"] = _condition(sql, known, f"{place}.share")
    else:
        expression = check(sql, known, f"{place}.{measured}")
        if measured != "unique_share" and expression.kind not in ("integer", "number"):
            raise ContractError(f"{place}.{measured}: gives {expression.kind}, expected a number", hint="correct it")
        safe[measured] = expression.sql
    return expected.model_copy(update=safe)


def _condition(sql: str, known: Mapping[str, Kind], place: str) -> str:
    expression = check(sql, known, place)
    if expression.kind != "boolean":
        raise ContractError(f"{place}: gives {expression.kind}, expected a condition", hint="compare it")
    return expression.sql


def _column(name: str, known: Mapping[str, Kind], place: str) -> None:
    if name not in known:
        raise ContractError(f"{place}: no column '{name}'", hint=f"one of: {', '.join(sorted(known))}")
