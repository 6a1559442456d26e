"""The command line in a process that kills itself, and its JVM with it, at a stated point of a stream's work.

`python -m tests.chaos.doomed POINT WORDS...`, where the words are those of `pulseiq`. The process must lead a group.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from pipelines.cli.main import main
from pipelines.platform.tables import Tables


class Point(StrEnum):
    """Where the process ends."""

    SILVER_WITHOUT_GOLD = "silver-without-gold"
    REFINED_NOT_COMMITTED = "refined-not-committed"
    BRONZED_NOT_COMMITTED = "bronzed-not-committed"


def doom(point: Point) -> None:
    """Make this process end at `point`."""
    if point is Point.SILVER_WITHOUT_GOLD:
        _die_between_silver_and_gold()
    elif point is Point.REFINED_NOT_COMMITTED:
        _die_after("append_local", "batches")
    else:
        _die_after("append", "bronze")


def _die_between_silver_and_gold() -> None:
    append = Tables.append_arrow
    silver_is_in = threading.Event()

    def doomed(self: Tables, name: str, *arguments: Any, **options: Any) -> None:
        if name == "gold":
            silver_is_in.wait()
            _die()
        append(self, name, *arguments, **options)
        if name == "silver":
            silver_is_in.set()

    Tables.append_arrow = doomed  # type: ignore[method-assign]


def _die_after(method: str, table: str) -> None:
    """End with the first append to `table` by `method`, which is the last thing before Spark commits the batch."""
    append: Callable[..., None] = getattr(Tables, method)

    def doomed(self: Tables, name: str, *arguments: Any, **options: Any) -> None:
        append(self, name, *arguments, **options)
        if name == table:
            _die()

    setattr(Tables, method, doomed)


def _die() -> None:
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    doom(Point(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    main()
