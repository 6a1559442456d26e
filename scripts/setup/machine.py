"""What the machine must offer before anything is downloaded: a Linux file system, free memory, room on the disk."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

GIGABYTE = 10**9


class SetupError(Exception):
    """The set-up cannot go on; the message is one line and ends with what to do next."""

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(f"{what} | next: {next_step}")


def refuse_windows_drive(root: Path) -> None:
    """Refuse a clone on a drive that WSL mounts from Windows: no hard links, no modes, and a tenth of the speed."""
    if re.match(r"/mnt/[a-zA-Z](/|$)", str(root)):
        raise SetupError(
            f"the clone is on a Windows drive ({root}), where file locks and permissions do not hold",
            "clone it again below your Linux home: cd ~ && git clone ...",
        )


def require_memory(at_least: float, state: Path) -> None:
    """Refuse under `at_least` GB of memory that is free or held by this project's own services."""
    available = (_available_memory() + _held_by_services(state)) / GIGABYTE
    if available < at_least:
        raise SetupError(
            f"{available:.1f} GB of memory are free, {at_least:g} GB are needed",
            "close other programs (WSL2: raise memory= in .wslconfig), then run it again",
        )


def require_disk(folder: Path, at_least: float) -> None:
    """Refuse under `at_least` GB of room where the tools go."""
    free = shutil.disk_usage(folder).free / GIGABYTE
    if free < at_least:
        raise SetupError(
            f"{free:.1f} GB are free on the disk of {folder}, {at_least:g} GB are needed",
            "free some room, then run it again",
        )


def _available_memory() -> int:
    """Bytes that a new process can have: what the kernel calls available, or less where a container is limited."""
    meminfo = Path("/proc/meminfo").read_text(encoding="utf-8")
    available = _number(r"^MemAvailable:\s+(\d+) kB", meminfo) * 1024
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError):
        limit = int((group / "memory.max").read_text(encoding="utf-8"))
        used = int((group / "memory.current").read_text(encoding="utf-8"))
        statistics = (group / "memory.stat").read_text(encoding="utf-8")
        available = min(available, limit - used + _number(r"^inactive_file (\d+)", statistics))
    return available


def _held_by_services(state: Path) -> int:
    """Resident bytes of the processes whose leader is named in `state`/run/*.pid: they are part of the budget."""
    leaders = set()
    for file in (state / "run").glob("*.pid"):
        with contextlib.suppress(OSError, ValueError):
            leaders.add(_number(r"(\d+)", file.read_text(encoding="utf-8")))
    held = 0
    for process in Path("/proc").glob("[0-9]*") if leaders else ():
        with contextlib.suppress(OSError, ValueError):
            if os.getpgid(int(process.name)) in leaders:
                status = (process / "status").read_text(encoding="utf-8")
                held += _number(r"^VmRSS:\s+(\d+) kB", status) * 1024
    return held


def _number(pattern: str, text: str) -> int:
    """First number that the pattern captures; ValueError where it does not match."""
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"nothing matches {pattern}")
    return int(found[1])
