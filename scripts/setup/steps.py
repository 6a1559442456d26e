"""Running other programs: one line when a step starts, signs of life while it runs, one clear line when it fails.

Their own output goes to a log file, because a person needs it only when something is wrong.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from setup.machine import SetupError

ATTEMPTS = 3
STALLED_SECONDS = 240.0
LINE_EVERY_SECONDS = 10.0
# Lines of uv that are worth showing while it works.
TELLING = ("Resolved", "Downloading", "Downloaded", "Building", "Built", "Prepared", "Installed")

# First match wins: what the programs that are run here say, and what a person can do about it.
REASONS = (
    (
        r"UnknownIssuer|CERTIFICATE_VERIFY_FAILED|PKIX path",
        "the server's certificate is not trusted",
        "add your proxy's certificate to the system's (sudo update-ca-certificates)",
    ),
    (r"No space left on device|os error 28|Disk quota exceeded", "the disk is full", "free some room"),
    (
        r"dns error|name resolution|lookup address|Name or service not known|Host \S+ not found|UnknownHost"
        r"|onnection (refused|reset|timed out)|unreachable|error sending request|operation timed out|Read timed out"
        r"|NewConnectionError|ConnectTimeout|No address associated|stalled",
        "no network: a download did not answer",
        "check the connection and proxy settings",
    ),
    (r"[Hh]ash mismatch|DO NOT MATCH THE HASHES", "a download is not what the lock names", "run it again"),
    (r"[Pp]ermission denied", "a file cannot be written", "check who owns the clone"),
)
WORTH_ANOTHER_TRY = REASONS[2][1]


class Steps:
    """Says what is going on, and keeps what the programs print in a log."""

    def __init__(self, log: Path, name: str = "setup") -> None:
        self.log = log
        self._name = name
        self._terminal = sys.stdout.isatty()

    def say(self, text: str) -> None:
        """Print one line."""
        clear = "\r\033[K" if self._terminal else ""
        print(f"{clear}{self._name}: {text}", flush=True)

    def run(
        self,
        title: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        size: Callable[[], int] | None = None,
        total: int = 0,
    ) -> None:
        """Run a program, again where the network let it down; `size` and `total` are bytes, for the progress line."""
        self.say(title)
        for attempt in range(1, ATTEMPTS + 1):
            output, code = self._once(arguments, environment, size, total)
            if code == 0:
                return
            reason, next_step = _explain(output)
            if reason != WORTH_ANOTHER_TRY or attempt == ATTEMPTS:
                break
            self.say(f"  the download broke off; going on with it ({attempt + 1} of {ATTEMPTS})")
            time.sleep(2 * attempt)
        raise SetupError(f"{title}: {reason} (whole output: {self.log})", f"{next_step}, then run it again")

    def _once(
        self,
        arguments: Sequence[str | Path],
        environment: Mapping[str, str] | None,
        size: Callable[[], int] | None,
        total: int,
    ) -> tuple[str, int]:
        """One attempt: what the program printed and its exit code, above 0 also where it was ended as stalled."""
        self._write(f"\n$ {' '.join(map(str, arguments))}\n")
        started = time.monotonic()
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=dict(environment) if environment is not None else None,
            start_new_session=True,
        )
        output: list[str] = []
        reader = threading.Thread(target=self._collect, args=(process, output), daemon=True)
        reader.start()
        stalled = False
        try:
            printed = moved = started
            known = -1
            while process.poll() is None:
                time.sleep(0.2)
                now = time.monotonic()
                if now - printed < (0.5 if self._terminal else LINE_EVERY_SECONDS):
                    continue
                printed = now
                current = size() if size else len(output)
                moved, known = (now, current) if current != known else (moved, known)
                if size and now - moved > STALLED_SECONDS:
                    stalled = True
                    break
                self._progress(now - started, current if size else None, total, output)
        finally:
            # Also on Ctrl-C: what we started must not go on behind our back.
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            reader.join(timeout=10)
        return "".join(output) + ("\nstalled" if stalled else ""), process.returncode

    def _collect(self, process: subprocess.Popen[str], output: list[str]) -> None:
        for line in process.stdout or ():
            output.append(line)
            self._write(line)

    def _write(self, text: str) -> None:
        """Append to the log; a disk too full for it must not hide that from the person."""
        with contextlib.suppress(OSError):
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("a", encoding="utf-8") as log:
                log.write(text)

    def _progress(self, seconds: float, size: int | None, total: int, output: Sequence[str]) -> None:
        if size is not None:
            news = f"{size / 1e6:,.0f} of {total / 1e6:,.0f} MB"
        else:
            told = (line.strip() for line in reversed(output))
            news = next((line[:80] for line in told if line.startswith(TELLING)), "working")
        text = f"{self._name}:   {news}, {seconds:.0f} s"
        print(f"\r\033[K{text}" if self._terminal else text, end="" if self._terminal else "\n", flush=True)


def _explain(output: str) -> tuple[str, str]:
    """Reason and next step of a failure; a program that we do not understand speaks for itself."""
    for pattern, reason, next_step in REASONS:
        if re.search(pattern, output):
            return reason, next_step
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|cannot|failed", line, re.IGNORECASE)]
    return ((telling or lines or ["it failed without a word"])[-1][:200], "read the output")
