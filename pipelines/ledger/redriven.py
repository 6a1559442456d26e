"""Events that were re-driven: the first record keeps its place and takes the class of the newest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Moved:
    """Slots by class once re-driven events are followed.

    `redriven` are the records of corrected events, no events of their own; `replaced` those whose place one of them
    has taken; `twice` those whose place two have taken, twins that were dropped aside.
    """

    classes: Mapping[str, Mask]
    redriven: Mask
    replaced: Mask
    twice: list[int]


def follow(taken_from: Mapping[int, int], counts: Mapping[str, Mask]) -> Moved:
    """Give each quarantined event the class of what it became.

    Args:
        taken_from: slot of a re-driven record -> slot of the record whose place it takes.
        counts: slots by class as the tables have them. Only a record in quarantine can be replaced.
    """
    classes = {name: mask.copy() for name, mask in counts.items()}
    size = len(counts["quarantine"])
    redriven, replaced = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
    next_of: dict[int, int] = {}
    twice = []
    for record, first in sorted(taken_from.items()):
        if not counts["quarantine"][first] or record == first:
            continue
        redriven[record] = True
        other = next_of.get(first)
        if other is None or counts["duplicates"][other]:
            next_of[first] = record
        elif not counts["duplicates"][record]:
            twice.append(first)
    for first in next_of:
        replaced[first] = True
        if redriven[first]:
            continue
        last, seen = next_of[first], {first}
        while last in next_of and last not in seen:
            seen.add(last)
            last = next_of[last]
        classes["quarantine"][first] = False
        for name, mask in counts.items():
            classes[name][first] |= mask[last]
    for mask in classes.values():
        mask &= ~redriven
    return Moved(classes, redriven, replaced, twice)
