"""SQL in a contract: a small language over one event, checked without a database and made safe to run.

Only what is listed here is allowed, and types must fit, because Spark in ANSI mode ends a stream on a bad cast, an
overflow or a division by zero: arithmetic and casts are rewritten into the forms that give null instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pipelines.contract.pattern import fault
from pipelines.errors import ContractError

Kind = Literal["string", "integer", "number", "boolean", "timestamp", "null"]

_NUMBERS = ("integer", "number")
_ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "try_add",
    exp.Sub: "try_subtract",
    exp.Mul: "try_multiply",
    exp.Div: "try_divide",
    exp.Mod: "try_mod",
}
_ALLOWED = (
    "and or not = != < <= > >= <=> in between like rlike is null, + - * / %, case, if, coalesce, nullif, greatest, "
    "least, abs, round, lower, upper, trim, length, concat, cast to string, bigint or double"
)


@dataclass(frozen=True)
class Expression:
    """A checked expression: SQL that cannot fail on any event, what it gives, and the literals each column meets."""

    sql: str
    kind: Kind
    compared: tuple[tuple[str, str], ...]


def check(sql: str, columns: Mapping[str, Kind], place: str) -> Expression:
    """Check one expression over one event.

    Args:
        columns: the columns it may read, and what they hold.
        place: file and path, for messages.

    Raises:
        ContractError: it does not parse, names an unknown column, uses what is not allowed, or mixes types.
    """
    try:
        parsed = [each for each in sqlglot.parse(sql, dialect="spark") if each is not None]
    except (SqlglotError, RecursionError) as error:
        reason = str(error).splitlines()[0].split(". Line")[0].split(" for <class")[0]
        raise ContractError(f"{place}: not SQL: {reason}: {sql}", hint="write an expression over one event") from error
    if len(parsed) != 1:
        raise ContractError(f"{place}: not one expression: {sql!r}", hint="write one expression over one event")
    checker = _Checker(columns, place, sql)
    kind = checker.kind_of(parsed[0])
    return Expression(_safe(parsed[0]).sql(dialect="spark", comments=False), kind, tuple(checker.compared))


def renamed(sql: str, names: Mapping[str, str]) -> str:
    """The same expression with its columns under other names."""
    tree = sqlglot.parse_one(sql, dialect="spark")
    return tree.transform(
        lambda node: exp.column(names[node.name]) if isinstance(node, exp.Column) and node.name in names else node
    ).sql(dialect="spark")


def columns_in(sql: str) -> frozenset[str]:
    """Names of the columns that an expression reads."""
    return frozenset(node.name for node in sqlglot.parse_one(sql, dialect="spark").find_all(exp.Column))


class _Checker:
    def __init__(self, columns: Mapping[str, Kind], place: str, sql: str) -> None:
        self._columns, self._place, self._sql = columns, place, sql
        self.compared: list[tuple[str, str]] = []

    def refuse(self, reason: str, hint: str) -> ContractError:
        return ContractError(f"{self._place}: {reason}: {self._sql}", hint=hint)

    def kind_of(self, node: exp.Expr) -> Kind:
        for types, judge in _JUDGES:
            if isinstance(node, types):
                return judge(self, node)
        raise self.refuse(f"'{_word(node)}' cannot be used", f"allowed over one event: {_ALLOWED}")

    def column(self, node: exp.Expr) -> Kind:
        if node.args.get("table") or node.name not in self._columns:
            known = ", ".join(sorted(self._columns))
            raise ContractError(f"{self._place}: no column '{node.sql(dialect='spark')}'", hint=f"one of: {known}")
        return self._columns[node.name]

    def literal(self, node: exp.Expr) -> Kind:
        if isinstance(node, exp.Boolean):
            return "boolean"
        if isinstance(node, exp.Null):
            return "null"
        if node.args.get("is_string"):
            return "string"
        if not math.isfinite(float(node.name)) or len(node.name) > 30:
            raise self.refuse("a number too large to compute with", "write a smaller one")
        return "integer" if node.name.isdigit() else "number"

    def inner(self, node: exp.Expr) -> Kind:
        return self.kind_of(node.this)

    def logic(self, node: exp.Expr) -> Kind:
        for each in _operands(node):
            self.expect(each, ("boolean",), "a condition")
        return "boolean"

    def comparison(self, node: exp.Expr) -> Kind:
        self.same(_operands(node))
        return "boolean"

    def null_test(self, node: exp.Expr) -> Kind:
        self.kind_of(node.this)
        if not isinstance(node.expression, exp.Null | exp.Boolean):
            raise self.refuse("'is' goes with null, true or false", "compare with =")
        return "boolean"

    def pattern(self, node: exp.Expr) -> Kind:
        for each in _operands(node):
            self.expect(each, ("string",), "text")
        if not isinstance(node.expression, exp.Literal):
            raise self.refuse("a pattern must be written out", "give it as text in quotes")
        if isinstance(node, exp.RegexpLike) and (wrong := fault(node.expression.name)):
            raise self.refuse(f"not a regular expression: {wrong}", "correct the pattern")
        return "boolean"

    def arithmetic(self, node: exp.Expr) -> Kind:
        kinds = [self.expect(each, _NUMBERS, "a number") for each in _operands(node)]
        return "number" if isinstance(node, exp.Div) or "number" in kinds else "integer"

    def rounding(self, node: exp.Expr) -> Kind:
        places = node.args.get("decimals")
        # Rounded to tens, the greatest integers overflow.
        if places is not None and not (isinstance(places, exp.Literal) and places.name.isdigit()):
            raise self.refuse("'round' takes decimal places written out, none below zero", "write round(x, 2)")
        return self.expect(node.this, _NUMBERS, "a number")

    def text(self, node: exp.Expr) -> Kind:
        for each in _operands(node):
            self.expect(each, ("string",), "text")
        return "integer" if isinstance(node, exp.Length) else "string"

    def first_of(self, node: exp.Expr) -> Kind:
        return self.same(_operands(node))

    def case(self, node: exp.Expr) -> Kind:
        branches = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        if node.args.get("this") is not None and isinstance(node, exp.Case):
            raise self.refuse("'case x when' cannot be used", "write 'case when x = ... then'")
        values = []
        for branch in branches:
            self.expect(branch.this, ("boolean",), "a condition")
            values.append(branch.args["true"])
        otherwise = node.args.get("default") or node.args.get("false")
        return self.same([*values, *([otherwise] if otherwise is not None else [])])

    def cast_to(self, node: exp.Expr) -> Kind:
        self.kind_of(node.this)
        name = node.args["to"].sql(dialect="spark").upper()
        kinds: dict[str, Kind] = {"STRING": "string", "BIGINT": "integer", "DOUBLE": "number"}
        if name not in kinds:
            raise self.refuse(f"cast to {name.lower()} cannot be used", "string, bigint or double")
        return kinds[name]

    def expect(self, node: exp.Expr, kinds: tuple[str, ...], words: str) -> Kind:
        kind = self.kind_of(node)
        if kind not in kinds and kind != "null":
            raise self.refuse(f"'{node.sql(dialect='spark')}' is {kind}, expected {words}", "correct the expression")
        return kind

    def same(self, nodes: list[exp.Expr]) -> Kind:
        """The kind that all of them have; numbers of both kinds go together."""
        kinds = [kind for kind in map(self.kind_of, nodes) if kind != "null"]
        classes = {"number" if kind in _NUMBERS else kind for kind in kinds}
        if len(classes) > 1:
            shown = ", ".join(node.sql(dialect="spark") for node in nodes[:3])
            raise self.refuse(f"{' and '.join(sorted(classes))} do not go together ({shown})", "compare like with like")
        columns = [node.name for node in nodes if isinstance(node, exp.Column)]
        texts = [node.name for node in nodes if isinstance(node, exp.Literal) and node.is_string]
        self.compared += [(column, text) for column in columns for text in texts]
        if not kinds:
            return "null"
        return "number" if "number" in kinds else kinds[0]


_Judge = Callable[[_Checker, exp.Expr], Kind]
_JUDGES: tuple[tuple[tuple[type[exp.Expr], ...], _Judge], ...] = (
    ((exp.Column,), _Checker.column),
    ((exp.Literal, exp.Boolean, exp.Null), _Checker.literal),
    ((exp.Paren,), _Checker.inner),
    ((exp.And, exp.Or, exp.Not), _Checker.logic),
    ((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.Between), _Checker.comparison),
    ((exp.Is,), _Checker.null_test),
    ((exp.Like, exp.RegexpLike), _Checker.pattern),
    ((*_ARITHMETIC, exp.Neg, exp.Abs), _Checker.arithmetic),
    ((exp.Round,), _Checker.rounding),
    ((exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Concat), _Checker.text),
    ((exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least), _Checker.first_of),
    ((exp.Case, exp.If), _Checker.case),
    ((exp.Cast, exp.TryCast), _Checker.cast_to),
)


def _in(checker: _Checker, node: exp.Expr) -> Kind:
    if not node.expressions or not all(isinstance(each, exp.Literal | exp.Neg) for each in node.expressions):
        raise checker.refuse("'in' needs a list of values", "write them out")
    checker.same([node.this, *node.expressions])
    return "boolean"


_JUDGES = (((exp.In,), _in), *_JUDGES)


def _operands(node: exp.Expr) -> list[exp.Expr]:
    """Every expression directly below a node."""
    return list(node.iter_expressions())


def _word(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return str(node.name)
    return node.sql_name().lower() if isinstance(node, exp.Func) else type(node).__name__.lower()


def _safe(tree: exp.Expr) -> exp.Expr:
    """The same expression in forms that give null where ANSI mode would raise, from the leaves up."""
    root = exp.Paren(this=tree.copy())
    for node in reversed(list(root.this.bfs())):
        safe = _safe_node(node)
        if safe is not node:
            node.replace(safe)
    result: exp.Expr = root.this
    return result


def _safe_node(node: exp.Expr) -> exp.Expr:
    if type(node) in _ARITHMETIC:
        return exp.func(_ARITHMETIC[type(node)], node.this, node.expression, dialect="spark")
    if isinstance(node, exp.Neg) and not isinstance(node.this, exp.Literal):
        return exp.func("try_subtract", exp.Literal.number(0), node.this, dialect="spark")
    if isinstance(node, exp.Abs):
        below = exp.func("try_subtract", exp.Literal.number(0), node.this.copy(), dialect="spark")
        return exp.func("greatest", node.this, below, dialect="spark")
    if isinstance(node, exp.Cast):
        return exp.TryCast(this=node.this, to=node.args["to"], safe=True)
    return node
