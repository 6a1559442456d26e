"""Which partition of a topic Kafka's clients choose for a key, so that one partition's producers can fall silent."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.simulate.season import Ints

_M, _WORD = 0x5BD1E995, 0xFFFFFFFF


def partitions_of(keys: pa.Array, of: int) -> Ints:
    """Partition of each key (strings, without null) in a topic of `of` partitions, by the Java clients' rule."""
    encoded = keys.dictionary_encode()
    found = np.array([(murmur2(key.encode()) & 0x7FFFFFFF) % of for key in encoded.dictionary.to_pylist()], np.int64)
    return found[encoded.indices.to_numpy(zero_copy_only=False)] if len(found) else np.empty(0, np.int64)


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit hash of a key (Appleby's MurmurHash2, its seed 0x9747b28c), unsigned."""
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _WORD
        k = (k ^ (k >> 24)) * _M & _WORD
        h = (h * _M & _WORD) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _WORD
    h = (h ^ (h >> 13)) * _M & _WORD
    return h ^ (h >> 15)
