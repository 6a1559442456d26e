"""What a contract's expressions promise, on Spark in ANSI mode: null on the worst values, never an error."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines.contract.expressions import check
from pipelines.contract.pattern import fault

COLUMNS = {"text": "string", "whole": "integer", "number": "number", "flag": "boolean", "moment": "timestamp"}
MOST = 2**63 - 1
# The first row has the greatest values, the second the least, then zeros and nothing at all.
ROWS = [
    ("9" * 40, MOST, 1.7e308, True),
    ("-1e400", -MOST - 1, -1.7e308, False),
    ("", 0, 0.0, False),
    (None, None, None, None),
    ("\\x00é(", 7, math.nan, True),
    ("12", -1, math.inf, True),
]


@pytest.mark.parametrize(
    ("sql", "first", "third"),
    [
        ("whole + 1", None, 1),
        ("whole - number * number", -math.inf, 0.0),
        ("whole * whole", None, 0),
        ("-whole", -MOST, 0),
        ("whole / 0", None, None),
        ("whole / whole", 1.0, None),
        ("whole % 0", None, None),
        ("abs(whole)", MOST, 0),
        ("round(whole, 1)", MOST, 0),
        ("round(number, 2)", 1.7e308, 0.0),
        ("cast(text as bigint)", None, None),
        ("cast(text as double) * 2", 2e40, None),
        ("cast(number as bigint)", None, 0),
        ("cast(moment as string)", "2026-11-18 15:00:00", "2026-11-18 15:00:00"),
        ("case when whole > 5 then whole + 5 else number end", None, 0.0),
        ("coalesce(nullif(whole, 0), whole + 1)", MOST, 1),
        ("greatest(whole * 2, 3)", 3, 3),
        ("if(flag, length(text), 0)", 40, 0),
    ],
)
def test_no_value_makes_an_expression_fail(spark: SparkSession, sql, first, third):
    rows = spark.createDataFrame(ROWS, "text string, whole long, number double, flag boolean").withColumn(
        "moment", F.lit("2026-11-18 15:00:00").cast("timestamp")
    )
    found = [row[0] for row in rows.coalesce(1).select(F.expr(check(sql, COLUMNS, "here").sql)).collect()]
    assert len(found) == len(ROWS)
    assert (found[0], found[2]) == (first, third)


@given(pattern=st.text(alphabet=r"ab0,<>=!?:P#&^$.|*+()[]{}\-dZN", max_size=9))
def test_pattern_that_is_accepted_compiles_in_java_too(spark: SparkSession, pattern):
    if fault(pattern) is None:
        spark._jvm.java.util.regex.Pattern.compile(pattern)
