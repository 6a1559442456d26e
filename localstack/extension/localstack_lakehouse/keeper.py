"""Keeps one job: starts it in a session of its own, and ends all of that session when LocalStack wants it or is gone.

A program by itself, standard library only: `python -I keeper.py COMMAND...`. Its standard input comes from LocalStack;
when that closes, whatever the reason, the job ends. A number read from it before that is the time of grace in seconds.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

# Between TERM and KILL where nobody says otherwise: LocalStack itself is ending then.
_GRACE_SECONDS = 3.0


def main(command: list[str]) -> int:
    """Run the command; its exit code, 128 + signal where it was ended by one, 143 where we ended it."""
    wanted_to_end, wake = os.pipe()
    signal.signal(signal.SIGTERM, lambda number, frame: os.write(wake, b"\n"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    ended = os.pidfd_open(job.pid)
    said = b""
    while True:
        ready, _, _ = select.select([0, wanted_to_end, ended], [], [])
        if ended in ready:
            _end_session(job.pid, _GRACE_SECONDS)
            code = job.wait()
            return code if code >= 0 else 128 - code
        if 0 in ready:
            read = os.read(0, 64)
            said += read
            if read:
                continue
        _end_session(job.pid, _grace(said), job)
        return 143


def _grace(said: bytes) -> float:
    try:
        return float(said or _GRACE_SECONDS)
    except ValueError:
        return _GRACE_SECONDS


def _end_session(session: int, grace: float, job: subprocess.Popen[bytes] | None = None) -> None:
    """Not the process group: PySpark's worker daemon makes one of its own."""
    deadline = time.monotonic() + grace
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(_members(session), number)
        while time.monotonic() < deadline and _members(session):
            if job is not None:
                job.poll()
            time.sleep(0.05)
        deadline += 5.0
    if job is not None:
        job.wait()


def _members(session: int) -> list[int]:
    """Processes of the session that still run; the dead that wait for their parent do not count."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        pid = int(entry.name)
        try:
            if os.getsid(pid) == session and _state(entry) != "Z":
                found.append(pid)
        except OSError:
            continue
    return found


def _state(process: Path) -> str:
    return (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
