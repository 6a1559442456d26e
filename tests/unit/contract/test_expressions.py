"""Expressions of a contract: checked over one event, and rewritten so that no event can make them fail."""

from __future__ import annotations

import pytest

from pipelines.contract.expressions import check, renamed
from pipelines.errors import ContractError

COLUMNS = {
    "name": "string",
    "amount": "integer",
    "speed": "number",
    "ok": "boolean",
    "event_time": "timestamp",
}


@pytest.mark.parametrize(
    ("sql", "safe", "kind"),
    [
        ("amount / speed", "TRY_DIVIDE(amount, speed)", "number"),
        ("amount + amount * 2", "TRY_ADD(amount, TRY_MULTIPLY(amount, 2))", "integer"),
        ("amount - speed", "TRY_SUBTRACT(amount, speed)", "number"),
        ("amount % 7", "TRY_MOD(amount, 7)", "integer"),
        ("-amount", "TRY_SUBTRACT(0, amount)", "integer"),
        ("-5", "-5", "integer"),
        ("abs(amount)", "GREATEST(amount, TRY_SUBTRACT(0, amount))", "integer"),
        ("cast(name as bigint)", "TRY_CAST(name AS BIGINT)", "integer"),
        ("cast(name as double) * 2", "TRY_MULTIPLY(TRY_CAST(name AS DOUBLE), 2)", "number"),
        ("name in ('a', 'b') and not ok", "name IN ('a', 'b') AND NOT ok", "boolean"),
        ("case when ok then amount else 0.5 end", "CASE WHEN ok THEN amount ELSE 0.5 END", "number"),
        ("coalesce(name, 'none')", "COALESCE(name, 'none')", "string"),
        ("length(name) > 3 -- a remark", "LENGTH(name) > 3", "boolean"),
        ("name rlike '^a+$'", "name RLIKE '^a+$'", "boolean"),
    ],
)
def test_rewritten_into_forms_that_give_null_where_spark_would_raise(sql, safe, kind):
    expression = check(sql, COLUMNS, "here")
    assert (expression.sql.upper(), expression.kind) == (safe.upper(), kind)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("count(*)", "'count' cannot be used"),
        ("rand() < 0.5", "'rand' cannot be used"),
        ("current_timestamp()", "cannot be used"),
        ("sum(amount) over ()", "'window' cannot be used"),
        ("explode(array(1))", "'explode' cannot be used"),
        ("java_method('java.lang.System', 'exit', 1)", "'java_method' cannot be used"),
        ("raise_error('x')", "cannot be used"),
        ("t.amount", "no column 't.amount'"),
        ("Amount", "no column 'Amount'"),
        ("name + 1", "'name' is string, expected a number"),
        ("not amount", "'amount' is integer, expected a condition"),
        ("event_time > 5", "number and timestamp do not go together"),
        ("case name when 'a' then 1 end", "'case x when' cannot be used"),
        ("round(amount, -1)", "'round' takes decimal places written out, none below zero"),
        ("round(speed, amount)", "'round' takes decimal places written out, none below zero"),
        ("name like name", "a pattern must be written out"),
        ("name in (select 1)", "'in' needs a list of values"),
        ("", "not one expression"),
    ],
)
def test_refused_with_its_place(sql, reason):
    with pytest.raises(ContractError) as refused:
        check(sql, COLUMNS, "metrics.yaml: metrics.m.value")
    assert str(refused.value).startswith("metrics.yaml: metrics.m.value: ")
    assert reason in str(refused.value)


def test_nesting_without_end_is_refused_and_ends_no_process():
    with pytest.raises(ContractError, match="not SQL"):
        check("(" * 20_000 + "1" + ")" * 20_000, COLUMNS, "here")


def test_literals_are_known_by_the_column_that_they_meet():
    expression = check("name = 'a' or 'b' = name or name in ('c', 'd') or speed > 1", COLUMNS, "here")
    assert set(expression.compared) == {("name", "a"), ("name", "b"), ("name", "c"), ("name", "d")}


def test_renamed_columns_and_no_texts():
    assert renamed("name = 'name' AND amount > 0", {"name": "e0", "amount": "e1"}) == "e0 = 'name' AND e1 > 0"
