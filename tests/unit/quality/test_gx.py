"""Great Expectations tells bad data and broken checks with the same word; the judge tells them apart, quietly."""

from __future__ import annotations

import os
import subprocess
import sys

import pandas as pd
import pytest

from quality.gx import Judge, gxe, open_context

FRAME = pd.DataFrame({"x": [1.0, 5.0, None], "word": ["a", "b", "c"]})


def test_bad_data_is_a_failure_with_its_rows_and_no_error() -> None:
    (judged,) = Judge(
        open_context(), "t", [gxe.ExpectColumnValuesToBeBetween(column="x", max_value=2, meta={"check": "c"})]
    )(FRAME)
    assert (judged.success, judged.error, judged.unexpected) == (False, None, [1])
    assert judged.meta["check"] == "c"


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("word", "must either be None or of the same type"),
        ("absent", 'The column "absent" in BatchData does not exist'),
    ],
)
def test_a_check_that_cannot_judge_is_an_error(column: str, words: str) -> None:
    (judged,) = Judge(open_context(), "t", [gxe.ExpectColumnValuesToBeBetween(column=column, max_value=2)])(FRAME)
    assert not judged.success
    assert judged.error
    assert words in judged.error


def test_one_broken_check_does_not_take_the_others_along() -> None:
    broken = gxe.ExpectColumnValuesToBeBetween(column="word", max_value=2, meta={"check": "broken"})
    sound = gxe.ExpectColumnValuesToBeBetween(column="x", max_value=5, meta={"check": "sound"})
    found = {judged.meta["check"]: judged for judged in Judge(open_context(), "t", [broken, sound])(FRAME)}
    assert found["broken"].error
    assert found["sound"].success


def test_a_judge_without_expectations_has_nothing_to_say() -> None:
    assert Judge(open_context(), "t", [])(FRAME) == []


def test_importing_it_switches_telemetry_off_whatever_the_environment_says() -> None:
    code = (
        "from quality.gx import Judge, gxe, open_context\n"
        "import os, sys, pandas as pd\n"
        "few = gxe.ExpectColumnValuesToBeBetween(column='x', max_value=2)\n"
        "Judge(open_context(), 't', [few])(pd.DataFrame({'x': [1]}))\n"
        "print(os.environ['GX_ANALYTICS_ENABLED'], any('posthog' in name for name in sys.modules))\n"
    )
    environment = {**os.environ, "GX_ANALYTICS_ENABLED": "true"}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    assert ran.stdout.split() == ["false", "False"]
    assert ran.stderr == ""  # neither progress bars nor warnings
