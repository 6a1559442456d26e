"""The entry point of every Spark job: runs one `pulseiq` command in the driver and leaves its answer in S3.

    spark-submit entry.py [--result s3://BUCKET/KEY] [--answer CODE ...] -- WORDS OF PULSEIQ

The result is JSON: words, exit_code, output (its end), seconds. An exit code named by --answer is no failure: the job
then ends well, and whoever asked reads the code in the result.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from pipelines.errors import PulseIQError

KEPT_CHARACTERS = 20_000


class Tee(io.TextIOBase):
    """A text stream that writes on, and keeps the end of what went through."""

    def __init__(self, target: TextIO, kept: list[str]) -> None:
        self._target, self._kept = target, kept

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The target's; whoever finds none tries whether the stream takes bytes."""
        return self._target.encoding

    def write(self, text: str) -> int:
        """Write through, then remember: what the target refuses was not said."""
        written = self._target.write(text)
        self._kept.append(text)
        return written

    def flush(self) -> None:
        """Flush the target."""
        self._target.flush()

    def isatty(self) -> bool:
        """Never: nothing is coloured."""
        return False


def run(arguments: Sequence[str]) -> int:
    """Run the words after `--`; returns the job's exit code."""
    from pipelines.cli.main import run as pulseiq
    from pipelines.platform import settings, submitted

    options, words = _parse(arguments)
    settings.adopt_endpoint()
    kept: list[str] = []
    began = time.monotonic()
    out, errors = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Tee(out, kept), Tee(errors, kept)
    sys.argv = ["pulseiq", *words]
    try:
        code = pulseiq()
    finally:
        sys.stdout, sys.stderr = out, errors
    if options.result:
        seconds = round(time.monotonic() - began, 1)
        output = "".join(kept)[-KEPT_CHARACTERS:]
        found = {"words": words, "exit_code": code, "output": output, "seconds": seconds}
        submitted.put(options.result, json.dumps(found).encode())
    return 0 if code in options.answer else code


def main() -> None:
    """Run the process's own arguments and end it, as `pulseiq` does."""
    try:
        code = run(sys.argv[1:])
    except PulseIQError as error:
        print(f"pulseiq: {error}", file=sys.stderr)
        code = error.exit_code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="entry.py", description="Run one pulseiq command as a Spark job.")
    parser.add_argument("--result", help="where its answer is written, s3://BUCKET/KEY")
    parser.add_argument("--answer", type=int, action="append", default=[], help="an exit code that is no failure")
    parser.add_argument("words", nargs="+", help="the words of a pulseiq command, after --")
    options = parser.parse_args(arguments)
    return options, list(options.words)
