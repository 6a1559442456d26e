"""`pulseiq evaluate leaves` names the causes of a change in a file, and what is wrong with a file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from pipelines.cli.main import build
from pipelines.errors import UsageError


def sales(folder: Path) -> Path:
    """Four hundred leaves, of which those in the north on the phone lost half."""
    rng = np.random.default_rng(4)
    rows = [
        (region, device, store) for region in ("north", "south") for device in ("web", "phone") for store in "abcdef"
    ]
    frame = pd.DataFrame(rows, columns=["region", "device", "store"]).assign(expected=rng.lognormal(5, 1, len(rows)))
    factor = np.where((frame["region"] == "north") & (frame["device"] == "phone"), 0.5, 1.0)
    frame["actual"] = (frame["expected"] * factor * rng.normal(1, 0.02, len(rows))).round(2)
    file = folder / "sales.csv"
    frame.to_csv(file, index=False)
    return file


def evaluated(*arguments: str) -> Result:
    return CliRunner().invoke(build(), ["evaluate", "leaves", *arguments])


def test_the_segment_that_lost_half_is_named_with_its_figures(tmp_path: Path) -> None:
    said = evaluated(str(sales(tmp_path)), "--dims", "region,device,store", "--kind", "amount").stdout
    assert said.startswith("1. region = north, device = phone\n")
    assert "6 of 6 sub-segments fell, by 50%" in said


def test_json_has_every_figure_of_a_cause(tmp_path: Path) -> None:
    result = evaluated(str(sales(tmp_path)), "--dims", "region,device", "--kind", "amount", "--output", "json")
    (cause,) = json.loads(result.stdout)["causes"]
    assert cause["elements"] == {"region": "north", "device": "phone"}
    assert cause["share"] == pytest.approx(1, abs=0.1)
    assert {"lift", "surprise", "consistency", "consistent", "leaves", "confident"} <= set(cause)


def test_a_ratio_says_what_of_its_change_is_rate_and_what_is_mix(tmp_path: Path) -> None:
    file = tmp_path / "calls.csv"
    rows = [f"{v},{z},{40 if v == 'v2' else 4},200,8,400" for v in ("v1", "v2") for z in ("a", "b", "c")]
    parts = "numerator,denominator,history_numerator,history_denominator"
    file.write_text("\n".join([f"version,zone,{parts}", *rows, ""]))
    said = evaluated(str(file), "--dims", "version,zone", "--kind", "ratio").stdout
    assert said.startswith("1. version = v2\n")
    assert "of the change of +0.0900, +0.0900 is rate and +0.0000 is mix" in said


@pytest.mark.parametrize(
    ("text", "dims", "kind", "words"),
    [
        ("a,actual,expected\nx,1,2\ny,one,2\n", "a", "count", "line 3, column actual: 'one' is not a number from 0 up"),
        ("a,actual,expected\nx,1,2\n\ny,1,\n", "a", "count", "line 4, column expected: nothing is not a number"),
        ("a,actual,expected\nx,-1,2\n", "a", "amount", "line 2, column actual: '-1'"),
        ("a,actual,expected\nx,1,2\n", "a,b", "count", "line 1 has no column 'b', it has a, actual, expected"),
        ("a,actual,expected\nx,1,2\n", "a", "ratio", "line 1 has no column 'numerator'"),
        ("a,actual,expected\nx,1,2\n", "a,a", "count", "column 'a' is asked for twice"),
        ("a,actual,expected\nx,1,2\n", ",", "count", "no dimension is named"),
        ("a,actual,expected\n", "a", "count", "no line below the header"),
        ("a,actual,expected\nx,1,2\nx,1,2,3\n", "a", "count", "not a CSV table"),
        ("", "a", "count", "not a CSV table"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(
    tmp_path: Path, text: str, dims: str, kind: str, words: str
) -> None:
    file = tmp_path / "leaves.csv"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        CliRunner().invoke(
            build(), ["evaluate", "leaves", str(file), "--dims", dims, "--kind", kind], catch_exceptions=False
        )
    assert words in str(refused.value)
    assert str(file) in str(refused.value)
    assert " | next: " in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        CliRunner().invoke(
            build(), ["evaluate", "leaves", str(tmp_path / "no.csv"), "--dims", "a"], catch_exceptions=False
        )
