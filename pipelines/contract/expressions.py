"""SQL in a contract: parsed without a database, so that a wrong one is refused before any engine starts."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pipelines.errors import ContractError

_REFUSED = (exp.Query, exp.AggFunc, exp.Window, exp.Star, exp.DDL, exp.DML, exp.Command)


def columns_of(sql: str, place: str) -> set[str]:
    """Names of the columns that an expression over one row reads.

    Raises:
        ContractError: it does not parse, or is more than an expression over one row; the message begins with `place`.
    """
    try:
        parsed = sqlglot.parse_one(sql, dialect="spark")
    except SqlglotError as error:
        reason = str(error).splitlines()[0].split(". Line")[0]
        raise ContractError(f"{place}: not SQL: {reason}: {sql}", hint="write an expression over one event") from error
    if isinstance(parsed, _REFUSED) or parsed.find(*_REFUSED) is not None:
        raise ContractError(f"{place}: more than an expression over one event: {sql}", hint="no query, no aggregate")
    return {column.name for column in parsed.find_all(exp.Column)}
