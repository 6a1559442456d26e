"""Files of events, plain or gzip -> records for Kafka, one a line. Reads one line at a time; loses none.

A line that cannot be understood is sent as it is: the row rules put it into quarantine with its reason. A file that
begins with nothing but such lines is the wrong one, and is refused.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from pipelines.contract import Contract
from pipelines.errors import UsageError
from pipelines.ingest import combined

_GZIP = b"\x1f\x8b"
# How much of a file tells what it is.
_FIRST_LINES = 100


@dataclass(frozen=True)
class Record:
    """One line: its number from 1, what is sent, and how many bytes of the file have been read up to its end."""

    line: int
    key: bytes | None
    value: bytes
    read: int


def records(path: Path, contract: Contract) -> Iterator[Record]:
    """Every line of a file as a record of the product.

    Raises:
        UsageError: the file cannot be read, or its compressed data end or break off; lines before that were yielded.
    """
    read_line = _LINES[contract.files](path, contract)
    for number, (line, read) in enumerate(_lines(path), start=1):
        key, value = read_line(number, line)
        yield Record(number, key, value, read)


def refuse_foreign(path: Path, contract: Contract) -> None:
    """Look at how a file begins; one without a line is let through.

    Raises:
        UsageError: not one of its first lines is an event of the product's form, or it cannot be read.
    """
    form, wanted, is_event = _FORMS[contract.files]
    hint = f"give {wanted}, plain or gzip"
    first = [line for line, _ in islice(_lines(path), _FIRST_LINES)]
    if first and not any(map(is_event, first)):
        found = f"line 1 begins with {first[0][:40].decode('utf-8', 'backslashreplace')!r}"
        looked_at = f"first {len(first)} lines" if len(first) > 1 else "lines"
        raise UsageError(f"{path}: none of its {looked_at} is a {form}: {found}; nothing was sent", hint=hint)


def _lines(path: Path) -> Iterator[tuple[bytes, int]]:
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP
            raw.seek(0)
            stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if compressed else raw
            while line := stream.readline():
                yield line.rstrip(b"\r\n"), raw.tell()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: cannot be read: {reason}", hint="give a readable file, plain or gzip") from error


_ReadLine = Callable[[int, bytes], tuple[bytes | None, bytes]]


def _read_combined(path: Path, contract: Contract) -> _ReadLine:
    # A log keeps its identity when it is compressed, so the same line has the same id either way.
    name = path.name.removesuffix(".gz")
    key_of = _key_reader(contract)

    def read(number: int, line: bytes) -> tuple[bytes | None, bytes]:
        event = combined.parse(line, f"{name}:{number}")
        return (key_of(event), orjson.dumps(event)) if event is not None else (None, line)

    return read


def _read_json(path: Path, contract: Contract) -> _ReadLine:
    key_of = _key_reader(contract)

    def read(number: int, line: bytes) -> tuple[bytes | None, bytes]:
        try:
            return key_of(orjson.loads(line)), line
        except orjson.JSONDecodeError:
            return None, line

    return read


_LINES: dict[str, Callable[[Path, Contract], _ReadLine]] = {"combined": _read_combined, "ndjson": _read_json}


def _is_json_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


# What a line is called, what the file is, and whether a line is of it.
_FORMS: dict[str, tuple[str, str, Callable[[bytes], bool]]] = {
    "combined": (
        "line of an access log",
        "an access log in the combined format",
        lambda line: combined.parse(line, "") is not None,
    ),
    "ndjson": ("JSON object", "a file of events, one JSON object a line", _is_json_object),
}


def _key_reader(contract: Contract) -> Callable[[Any], bytes | None]:
    """Event -> its Kafka key: the field that the contract names for its type, None where there is none."""
    type_source = contract.envelope.event_type
    paths = {
        event.name: [f.path for version in reversed(event.versions) for f in version.fields if f.column == event.key]
        for event in contract.events.values()
    }

    def key_of(event: Any) -> bytes | None:
        name = type_source.constant if type_source.path is None else at(event, type_source.path)
        if name is None:
            name = type_source.default
        if not isinstance(name, str):
            return None
        value = next((found for path in paths.get(name, ()) if (found := at(event, path)) is not None), None)
        return value.encode() if isinstance(value, str) else None if value is None else orjson.dumps(value)

    return key_of


def at(event: Any, path: str) -> Any:
    """The value at a path such as `$.a.b`, None where there is none."""
    for name in path.split(".")[1:]:
        event = event.get(name) if isinstance(event, dict) else None
    return event
