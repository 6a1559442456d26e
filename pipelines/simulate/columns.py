"""Text columns of JSON values, built whole columns at a time from numpy arrays; no Python loop over events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.simulate.hashes import Hashes
from pipelines.simulate.season import DAY_MS, Floats, Ints

Bytes = npt.NDArray[np.uint8]

_HEX = np.frombuffer(b"".join(b"%02x" % i for i in range(256)), dtype=np.uint16)  # both digits of a byte at once
_TWO = np.frombuffer(b"".join(b"%02d" % i for i in range(100)), dtype=np.uint8).reshape(100, 2)


def fixed_width(characters: Bytes) -> pa.Array:
    """Strings of equal length from an (n, width) array of ASCII codes."""
    n, width = characters.shape
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(characters)
    return pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def hexadecimal(numbers: Hashes) -> Bytes:
    """(n, 16) hexadecimal digits of 64-bit numbers."""
    big_endian = np.ascontiguousarray(numbers.astype(">u8")).view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(_HEX[big_endian]).view(np.uint8)


def uuid4(high: Hashes, low: Hashes) -> pa.Array:
    """Version 4 UUIDs in their usual form from two random 64-bit numbers each."""
    high = (high & np.uint64(0xFFFFFFFFFFFF0FFF)) | np.uint64(0x4000)
    low = (low & np.uint64(0x3FFFFFFFFFFFFFFF)) | np.uint64(0x8000000000000000)
    digits = np.concatenate([hexadecimal(high), hexadecimal(low)], axis=1)
    out = np.full((len(high), 36), ord("-"), dtype=np.uint8)
    for target, source, length in ((0, 0, 8), (9, 8, 4), (14, 12, 4), (19, 16, 4), (24, 20, 12)):
        out[:, target : target + length] = digits[:, source : source + length]
    return fixed_width(out)


def decimal(numbers: Ints, digits: int) -> Bytes:
    """(n, digits) decimal digits of numbers from 0 on, with leading zeros."""
    even = digits + digits % 2
    out = np.empty((len(numbers), even), dtype=np.uint8)
    rest = numbers
    for position in range(even - 2, -1, -2):
        rest, pair = np.divmod(rest, 100)
        out[:, position : position + 2] = _TWO[pair]
    return out[:, even - digits :]


def prefixed(prefix: str, characters: Bytes, quotes: bool = True) -> pa.Array:
    """Fixed-width strings behind a prefix, as JSON strings or bare."""
    mark = b'"' if quotes else b""
    head = np.frombuffer(mark + prefix.encode(), dtype=np.uint8)
    tail = np.frombuffer(mark, dtype=np.uint8)
    n = len(characters)
    parts = [np.broadcast_to(head, (n, len(head))), characters, np.broadcast_to(tail, (n, len(tail)))]
    return fixed_width(np.concatenate(parts, axis=1))


def rfc3339(ms: Ints) -> pa.Array:
    """2026-11-23T13:00:00.123Z for epoch milliseconds."""
    day, in_day = np.divmod(ms, DAY_MS)
    days, index = np.unique(day, return_inverse=True)
    dates = np.array([str(np.datetime64(int(d), "D")) for d in days], dtype="S10").view(np.uint8).reshape(-1, 10)
    out = np.empty((len(ms), 24), dtype=np.uint8)
    out[:, :10] = dates[index.reshape(-1)]
    seconds, milli = np.divmod(in_day, 1000)
    minutes, second = np.divmod(seconds, 60)
    hour, minute = np.divmod(minutes, 60)
    out[:, 11:13], out[:, 14:16], out[:, 17:19] = _TWO[hour], _TWO[minute], _TWO[second]
    out[:, 20:23] = decimal(milli, 3)
    for position, mark in ((10, "T"), (13, ":"), (16, ":"), (19, "."), (23, "Z")):
        out[:, position] = ord(mark)
    return fixed_width(out)


def number(values: Floats, decimals: int) -> pa.Array:
    """Numbers as JSON, integers when `decimals` is 0."""
    if decimals == 0:
        return pc.cast(pa.array(np.rint(values).astype(np.int64)), pa.string())
    return pc.cast(pa.array(np.round(values, decimals)), pa.string())


def chosen(codes: Ints, values: Sequence[Any]) -> pa.Array:
    """Words by their position, as JSON."""
    return pa.array([json.dumps(value) for value in values], pa.string()).take(pa.array(codes))


def join(parts: Sequence[pa.Array | str]) -> pa.Array:
    """Concatenate columns and constants, row by row."""
    merged: list[pa.Array | pa.Scalar] = []
    for part in parts:
        merged.append(pa.scalar(part) if isinstance(part, str) else part)
    return pc.binary_join_element_wise(*merged, "")
