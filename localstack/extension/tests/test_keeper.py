from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from localstack_lakehouse import keeper

KEEPER = [sys.executable, "-I", keeper.__file__]
# A job as PySpark's are: a driver that does not read its input, and a worker in a process group of its own.
JOB = """
import os, signal, subprocess, sys, time
worker = subprocess.Popen(["sleep", "600"], process_group=0)
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").write(f"{os.getpid()} {worker.pid}")
time.sleep(600)
"""


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids_of(file: Path) -> list[int]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if file.exists() and len(file.read_text().split()) == 2:
            return [int(pid) for pid in file.read_text().split()]
        time.sleep(0.05)
    raise AssertionError("the job did not start")


def gone(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(running(pid) for pid in pids)


@pytest.mark.parametrize("code", [0, 1, 42])
def test_the_exit_code_is_the_jobs(code):
    command = [*KEEPER, sys.executable, "-c", f"raise SystemExit({code})"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert process.wait(timeout=30) == code


@pytest.mark.parametrize(("kind", "grace"), [("willing", b"20"), ("stubborn", b"0.3")])
def test_closing_the_input_ends_the_whole_job(tmp_path, kind, grace):
    file = tmp_path / "pids"
    process = subprocess.Popen([*KEEPER, sys.executable, "-c", JOB, str(file), kind], stdin=subprocess.PIPE)
    pids = pids_of(file)
    process.stdin.write(grace)
    process.stdin.close()
    assert process.wait(timeout=15) == 143
    assert gone(pids, 1)


def test_a_job_does_not_outlive_a_killed_localstack(tmp_path):
    file = tmp_path / "pids"
    parent = textwrap.dedent(f"""
        import subprocess, time
        command = {[*KEEPER, sys.executable, "-c", JOB, str(file), "willing"]!r}
        subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        time.sleep(600)
    """)
    process = subprocess.Popen([sys.executable, "-c", parent])
    pids = pids_of(file)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    assert gone(pids, 15)


def test_what_a_job_leaves_behind_is_ended_with_it(tmp_path):
    file = tmp_path / "pid"
    job = f"import subprocess; p = subprocess.Popen(['sleep', '600']); open({str(file)!r}, 'w').write(str(p.pid))"
    process = subprocess.Popen([*KEEPER, sys.executable, "-c", job], stdin=subprocess.PIPE)
    assert process.wait(timeout=30) == 0
    assert gone([int(file.read_text())], 1)
