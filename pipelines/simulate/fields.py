"""Payload fields: how each kind of field is drawn for many events at once, and how it is written as JSON.

An effect of a scenario changes only the rows of its mask. Every field draws the same random numbers with and without
effects, so that outside an incident the world is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.simulate import columns
from pipelines.simulate.effects import Effect
from pipelines.simulate.hashes import Hashes
from pipelines.simulate.leaves import Leaves, Mask
from pipelines.simulate.season import Floats, Ints
from pipelines.simulate.spec import (
    AnyField,
    Bernoulli,
    Categorical,
    Constant,
    Identifier,
    Lognormal,
    Member,
    Normal,
    Pool,
    Scaled,
    Session,
    Switch,
)

Column = npt.NDArray[Any]


@dataclass(frozen=True)
class Touch:
    """An effect on a field: the rows that it changes, and its factor for each row."""

    effect: Effect
    mask: Mask
    factor: Floats


@dataclass
class Draft:
    """Events being drawn: what the fields may depend on, and the fields drawn so far."""

    rng: np.random.Generator
    leaf: Ints
    season: Floats
    members: Mapping[str, Ints]
    sessions: Mapping[str, Hashes]
    effects: Callable[[str], Sequence[Touch]]
    columns: dict[str, Column] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of events."""
        return len(self.leaf)


@dataclass(frozen=True)
class Drawn:
    """A compiled field: `draw` gives a numpy column, `json` its JSON text, `text` the bare text for a record key."""

    draw: Callable[[Draft], Column]
    json: Callable[[Column], pa.Array]
    text: Callable[[Column], pa.Array] | None = None
    words: tuple[Any, ...] | None = None


def compiled(name: str, spec: AnyField, leaves: Leaves, earlier: Mapping[str, Drawn]) -> Drawn:
    """The field's two functions, with everything that depends on leaves computed once."""
    match spec:
        case Categorical():
            return _categorical(name, spec, leaves)
        case Bernoulli():
            return _bernoulli(name, spec, leaves)
        case Lognormal() | Normal():
            typical = _typical(spec, leaves)
            return Drawn(
                lambda draft: _scaled_by_effects(name, spec, draft, _numbers(spec, typical[draft.leaf], draft)),
                lambda column: columns.number(column, spec.decimals),
            )
        case Switch():
            return _switch(name, spec, leaves, earlier[spec.field])
        case Scaled():
            return Drawn(
                lambda draft: draft.columns[spec.of] * spec.factor, lambda column: columns.number(column, spec.decimals)
            )
        case Constant():
            return Drawn(
                lambda draft: np.zeros(draft.n, dtype=np.int64), lambda column: columns.chosen(column, [spec.value])
            )
        case Member():
            return _written(
                lambda draft: draft.members[spec.population],
                lambda column, quotes: columns.prefixed(spec.prefix, columns.decimal(column, spec.digits), quotes),
            )
        case Session():
            return _written(
                lambda draft: draft.sessions[spec.population],
                lambda column, quotes: columns.prefixed(spec.prefix, columns.hexadecimal(column), quotes),
            )
        case Identifier():
            return _written(
                lambda draft: draft.rng.integers(0, 2**64, draft.n, dtype=np.uint64),
                lambda column, quotes: columns.prefixed(spec.prefix, columns.hexadecimal(column), quotes),
            )
        case Pool():
            return _pool(spec, leaves)


def _written(draw: Callable[[Draft], Column], write: Callable[[Column, bool], pa.Array]) -> Drawn:
    return Drawn(draw, lambda column: write(column, True), lambda column: write(column, False))


def _words(draw: Callable[[Draft], Column], words: Sequence[Any]) -> Drawn:
    bare = pa.array([str(word) for word in words], pa.string())
    return Drawn(
        draw,
        lambda column: columns.chosen(column, words),
        lambda column: bare.take(pa.array(column)),
        tuple(words),
    )


def _pool(spec: Pool, leaves: Leaves) -> Drawn:
    used = tuple(name for name in leaves.values if "{" + name + "}" in spec.template)
    code, _ = leaves.segment(used)
    combinations = product(*(leaves.known[name] for name in used))
    names = [
        spec.template.format(**dict(zip(used, values, strict=True)), n=n)
        for values in combinations
        for n in range(spec.size)
    ]
    return _words(lambda draft: code[draft.leaf] * spec.size + draft.rng.integers(0, spec.size, draft.n), names)


def _categorical(name: str, spec: Categorical, leaves: Leaves) -> Drawn:
    words = spec.values()
    if spec.shares is not None:
        weights = np.tile([spec.shares[word] for word in words], (leaves.size, 1))
    else:
        assert spec.by is not None
        assert spec.table is not None
        empty = np.full(len(words), 1.0 / len(words))
        rows = [
            np.array([spec.table[value].get(word, 0.0) for word in words]) if value in spec.table else empty
            for value in leaves.values[spec.by]
        ]
        weights = np.array(rows)[leaves.codes[spec.by]]
    table = weights / weights.sum(axis=1, keepdims=True)
    for word, factors in spec.factors.items():
        table = _with_share(table, words.index(word), leaves.factor(factors))

    def draw(draft: Draft) -> Column:
        u = draft.rng.random(draft.n)
        rows = table[draft.leaf]
        for touch in draft.effects(name):
            assert touch.effect.probability is not None
            changed = _with_share(rows, words.index(touch.effect.probability.value), touch.factor)
            rows = np.where(touch.mask[:, None], changed, rows)
        cumulative = np.cumsum(rows[:, :-1], axis=1)
        return np.asarray((u[:, None] >= cumulative).sum(axis=1), dtype=np.int64)

    return _words(draw, words)


def _with_share(table: Floats, position: int, factor: Floats | float) -> Floats:
    """Rows of shares with one share times a factor (at most 0.999) and the others scaled to fill the rest."""
    old = table[:, position]
    new = np.minimum(old * factor, 0.999)
    changed = table * ((1 - new) / np.maximum(1 - old, 1e-12))[:, None]
    changed[:, position] = new
    return np.asarray(changed)


def _bernoulli(name: str, spec: Bernoulli, leaves: Leaves) -> Drawn:
    p = np.minimum(spec.p * leaves.factor(spec.factors), 0.999)

    def draw(draft: Draft) -> Column:
        u = draft.rng.random(draft.n)
        share = p[draft.leaf]
        for touch in draft.effects(name):
            share = np.where(touch.mask, np.minimum(share * touch.factor, 0.999), share)
        return np.asarray(u < share, dtype=np.int64)

    return _words(draw, (False, True))


def _typical(spec: Lognormal | Normal, leaves: Leaves) -> Floats:
    return (spec.median if isinstance(spec, Lognormal) else spec.mean) * leaves.factor(spec.factors)


def _numbers(spec: Lognormal | Normal, typical: Floats, draft: Draft) -> Floats:
    z = draft.rng.standard_normal(draft.n)
    typical = typical * draft.season**spec.season if spec.season else typical
    values = typical * np.exp(spec.sigma * z) if isinstance(spec, Lognormal) else typical + spec.sd * z
    return np.asarray(np.round(np.clip(values, spec.min, spec.max), spec.decimals))


def _scaled_by_effects(name: str, spec: Lognormal | Normal, draft: Draft, values: Floats) -> Floats:
    low, high = spec.valid or (spec.min, spec.max)
    for touch in draft.effects(name):
        changed = np.round(np.clip(values * touch.factor, low, high), spec.decimals)
        values = np.where(touch.mask, changed, values)
    return values


def _switch(name: str, spec: Switch, leaves: Leaves, on: Drawn) -> Drawn:
    assert on.words is not None
    cases = {on.words.index(word): (case, _typical(case, leaves)) for word, case in spec.cases.items()}

    def draw(draft: Draft) -> Column:
        selector = draft.columns[spec.field]
        values = np.zeros(draft.n)
        for code, (case, typical) in cases.items():
            numbers = _scaled_by_effects(name, case, draft, _numbers(case, typical[draft.leaf], draft))
            values = np.where(selector == code, numbers, values)
        return values

    return Drawn(draw, lambda column: columns.number(column, max(case.decimals for case, _ in cases.values())))
