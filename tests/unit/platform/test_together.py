"""Several programs as one: the end of any ends all."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil

from pipelines.platform import together

SCRIPT = Path(together.__file__)


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run(first: list[list[str]], programs: list[list[str]]) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", str(SCRIPT), json.dumps([first, programs])]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_the_death_of_one_ends_the_others_and_is_told(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    waits = f"import os, time, pathlib; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    dies = f"import time, pathlib\nwhile not pathlib.Path({str(pid)!r}).exists(): time.sleep(0.05)\nraise SystemExit(3)"
    began = time.monotonic()
    done = run([], [program(waits), program(dies)])
    assert done.returncode == 3
    assert "ended with 3" in done.stdout
    assert time.monotonic() - began < 50
    assert not psutil.pid_exists(int(pid.read_text()))


def test_nothing_is_started_when_what_comes_first_fails(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    done = run([program("raise SystemExit(4)")], [program(f"open({str(touched)!r}, 'w')")])
    assert done.returncode == 4
    assert not touched.exists()
