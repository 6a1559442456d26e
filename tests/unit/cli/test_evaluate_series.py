"""`pulseiq evaluate series`: text, JSON, exit codes, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.cli.main import build
from pipelines.errors import UsageError


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Three weeks of ten minutes whose last hour is far too high."""
    at = np.arange(21 * 144)
    value = 100 + 30 * np.sin(2 * np.pi * at / 144) + np.random.default_rng(3).normal(0, 2, len(at))
    value[-6:] += 250
    time = pd.date_range("2026-11-01", periods=len(at), freq="10min")
    path = tmp_path / "latency.csv"
    pd.DataFrame({"timestamp": time, "value": value.round(3)}).to_csv(path, index=False)
    return path


def evaluate(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(build(), ["evaluate", "series", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def test_an_open_alert_is_told_in_words_and_by_the_exit_code(series: Path):
    code, text = evaluate(str(series))
    assert code == 10
    assert "2026-11-21 23:00:00" in text
    assert "your limit is 29 days." in text
    assert text.rstrip().endswith("abnormal: an alert is open at the end")


def test_a_file_that_ends_well_is_normal(series: Path, tmp_path: Path):
    calm = tmp_path / "calm.csv"
    calm.write_text("".join(series.read_text().splitlines(keepends=True)[:-6]))
    code, text = evaluate(str(calm))
    assert code == 0
    assert text.rstrip().endswith("normal at the end")


def test_json_has_every_number_of_an_alert(series: Path):
    code, text = evaluate(str(series), "--limit-days", "30", "--output", "json")
    answer = json.loads(text)
    assert (code, answer["state"], answer["points"]) == (10, "abnormal", 3_024)
    alert = answer["alerts"][-1]
    assert alert["return_period_days"] >= 30
    assert alert["evidence"] > 0
    assert alert["reason"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"a,b\n1,2\n", "no column timestamp and value; the columns are: a, b"),
        (b"timestamp,value\n", "0 rows are too short"),
        (b"timestamp,value\n1,2,3,4\n1,2\n3,4,5,6,7\n", "no CSV"),
        (b"timestamp,value\n2026-11-01,\xff\xfe\n", "no CSV"),
        (b"timestamp,value\n2026-11-01,1\n\n", "line 3: timestamp '' is no time"),
        (b"timestamp,value\n2026-11-01,\n", "line 2: value '' is no finite number"),
    ],
)
def test_what_is_no_series_is_refused_in_one_line(tmp_path: Path, content: bytes | None, message: str):
    path = tmp_path / "series.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as refused:
        evaluate(str(path))
    assert str(path) in refused.value.what
    assert refused.value.hint


@pytest.mark.parametrize("command", [["series", "{}"], ["leaves", "{}", "--dims", "a,b"]])
def test_a_file_is_judged_without_the_libraries_that_take_seconds_to_load(tmp_path: Path, command: list[str]) -> None:
    series, leaves = tmp_path / "series.csv", tmp_path / "leaves.csv"
    series.write_text(
        "timestamp,value\n" + "".join(f"2026-11-{1 + i // 24:02d}T{i % 24:02d}:00,{i % 7}\n" for i in range(90))
    )
    leaves.write_text("a,b,actual,expected\nx,u,10,100\nx,v,12,100\ny,u,100,100\ny,v,99,100\n")
    said = [part.format(series if command[0] == "series" else leaves) for part in command]
    heavy = {"scipy", "pyspark", "boto3", "deltalake", "yaml"}
    code = (
        "import sys; from pipelines.cli.main import run\n"
        f"sys.argv = ['pulseiq', 'evaluate', *{said!r}]; run()\n"
        f"print(sorted({{name.split('.')[0] for name in sys.modules}} & {heavy!r}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_folder_is_said_to_be_one(tmp_path: Path):
    with pytest.raises(UsageError, match="is a folder"):
        evaluate(str(tmp_path))
