"""The project's own errors. Each message says what, where, what was expected, and the next command to try.

Exit codes are part of the command line's interface: scripts branch on them.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class PulseIQError(Exception):
    """Any failure that a person can act on; the command line prints it as one line, without a traceback."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what} | next: {self.hint}" if self.hint else self.what


class UsageError(PulseIQError):
    """An argument, a file or a value given by the user cannot be used."""

    exit_code = 2


def no_file(path: Path, hint: str) -> UsageError:
    """What a path is where a file was to be."""
    return UsageError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}", hint=hint)


class ContractError(PulseIQError):
    """A contract is wrong: the message names the file, the path inside it and the reason."""

    exit_code = 3


class ServiceError(PulseIQError):
    """A service (Kafka, LocalStack, AWS) is not there, not healthy, or its port is taken."""

    exit_code = 4


class SetupError(PulseIQError):
    """A tool, a jar or room on the machine is missing."""

    exit_code = 5


class StateError(PulseIQError):
    """Stored state contradicts itself or the command: another query's checkpoint, a lost bucket, a held lease."""

    exit_code = 6
