"""A record's bytes -> text that may be parsed -> one column per place in the event that the contract reads.

Owns the traps of reading: sizes, encodings, depth, and a parser that stops at the end of the first value, takes any
token for a text and the last of two equal names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegerType, StringType, StructField, StructType

from pipelines.contract import Contract
from pipelines.contract.model import Source, Type
from pipelines.contract.spark_schema import SPARK_TYPES
from pipelines.contract.sql import string

_CORRUPT = "pulseiq_corrupt"
_EVENT = "pulseiq_event"
_END = "pulseiq_end"
_OPTIONS = {
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": _CORRUPT,
    "allowNonNumericNumbers": "false",
    "allowSingleQuotes": "false",
}


@dataclass(frozen=True)
class Reader:
    """Column expressions of one contract. An event's values are columns `e0, e1, ...`, so that no name can clash."""

    contract: Contract

    @cached_property
    def types(self) -> Mapping[str, Type]:
        """Type expected at each path that is read."""
        return self.contract.path_types

    @cached_property
    def columns(self) -> Mapping[str, str]:
        """Path -> name of the column that holds its value."""
        return {path: f"e{i}" for i, path in enumerate(self.types)}

    def text(self) -> Column:
        """The value as text where it may be parsed, else null: too large or too deep a text would break the parser."""
        limit = self.contract.max_depth
        text = "CAST(value AS STRING)"
        brackets = " + ".join(f"octet_length(value) - octet_length(replace({text}, '{sign}', ''))" for sign in "{[")
        # Depth is reckoned only where there are more brackets than the limit.
        return F.expr(
            f"CASE WHEN octet_length(value) > {self.contract.max_event_bytes} OR NOT is_valid_utf8({text}) THEN NULL "
            f"WHEN {brackets} <= {limit} OR {_depth_is_at_most(text, limit)} THEN {text} END"
        )

    def parsed(self, text: str) -> Column:
        """The event of a text column as a struct, see `values`.

        The parser reads one value and never looks behind it, so the text is put into an object before a last member:
        that member is read only if the text was one value and nothing else.
        """
        wrapped = f"concat('{{\"{_EVENT}\":', {text}, ',\"{_END}\":1}}')"
        schema = StructType(
            [
                StructField(_EVENT, _nested(self.types)),
                StructField(_END, IntegerType()),
                StructField(_CORRUPT, StringType()),
            ]
        )
        return F.from_json(F.expr(wrapped), schema, _OPTIONS)

    def values(self, parsed: str) -> list[Column]:
        """Columns `e0, e1, ...`; `k_whole`, that the text is one object with the expected types; `k_read`, how many of
        the members described are there and not null, the objects around others included.
        """
        found = [F.expr(f"{parsed}.{_EVENT}.{_quoted(path)}").alias(name) for path, name in self.columns.items()]
        whole = f"{parsed}.{_CORRUPT} IS NULL AND {parsed}.{_END} <=> 1 AND {parsed}.{_EVENT} IS NOT NULL"
        read = " + ".join(f"CAST({parsed}.{_EVENT}.{place} IS NOT NULL AS INT)" for place in self._places())
        return [*found, F.expr(whole).alias("k_whole"), F.expr(read).alias("k_read")]

    def _places(self) -> list[str]:
        """Every member that is described, and every object on the way to one."""
        names = [path.split(".")[1:] for path in self.types]
        parts = [tuple(each[: depth + 1]) for each in names for depth in range(len(each))]
        return [_quoted(".".join(("$", *each))) for each in dict.fromkeys(parts)]

    def as_text(self, source: Source) -> str:
        """SQL of an envelope field or dimension as text."""
        if source.constant is not None:
            return string(str(source.constant))
        assert source.path is not None
        column = self.columns[source.path]
        column = column if self.types[source.path] == "string" else f"CAST({column} AS STRING)"
        return column if source.default is None else f"coalesce({column}, {string(str(source.default))})"

    def version(self) -> str:
        """SQL of the schema version as INT, null where it is none."""
        source = self.contract.envelope.schema_version
        return str(int(source.constant)) if source.constant is not None else f"try_cast({self.as_text(source)} AS INT)"

    def time(self) -> str:
        """SQL of the event time as TIMESTAMP, null where it cannot be read."""
        source = self.contract.envelope.event_time
        assert source.path is not None
        return _time(source, self.columns[source.path])

    def event_id(self) -> Column:
        """The event's id, null where it has none; over columns `e0, e1, ...` and `k_position`."""
        return _id(self.contract.envelope.event_id, F.col("k_position"), lambda path: F.col(self.columns[path]))


def event_id(contract: Contract, position: Column) -> Column:
    """The same id straight from a record's `value`, parsing nothing but what the id is made of."""
    source = contract.envelope.event_id
    if source.position:
        return position
    parsed = _parsed_only(contract, source.paths)

    def id_in(event: Column) -> Column:
        return _id(source, position, lambda path: _at(path, event))

    # A lambda binds the parsed struct, so that a hash of several fields does not parse the text several times.
    return id_in(parsed) if len(source.paths) == 1 else F.get(F.transform(F.array(parsed), id_in), F.lit(0))


def with_event_time(records: DataFrame, contract: Contract) -> DataFrame:
    """Records with the column `event_time`, straight from `value`; null where it cannot be read."""
    source = contract.envelope.event_time
    assert source.path is not None
    given = _at(source.path, _parsed_only(contract, [source.path]))
    return records.withColumn("event_time", given).withColumn("event_time", F.expr(_time(source, "event_time")))


def _parsed_only(contract: Contract, paths: Iterable[str]) -> Column:
    """A struct of these paths alone, from a record's `value`."""
    types = contract.path_types
    text = F.expr(f"CASE WHEN octet_length(value) <= {contract.max_event_bytes} THEN CAST(value AS STRING) END")
    return F.from_json(text, _nested({path: types[path] for path in paths}), _OPTIONS)


def _at(path: str, event: Column) -> Column:
    return reduce(Column.getField, path.split(".")[1:], event)


def _time(source: Source, column: str) -> str:
    """SQL of a column's value as TIMESTAMP."""
    if source.format == "epoch_ms":
        return f"CASE WHEN {column} BETWEEN -62135596800000 AND 253402300799999 THEN timestamp_millis({column}) END"
    if source.format == "epoch_s":
        return (
            f"CASE WHEN {column} BETWEEN -62135596800 AND 253402300799 "
            f"THEN timestamp_micros(CAST(round({column} * 1000000D) AS BIGINT)) END"
        )
    # A time without a zone is ambiguous, and a bare date or year is no time.
    shape = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
    return f"CASE WHEN {column} RLIKE {string(shape)} THEN try_cast(upper({column}) AS TIMESTAMP) END"


def _id(source: Source, position: Column, value: Callable[[str], Column]) -> Column:
    if source.position:
        return position
    texts = [value(path).cast(StringType()) for path in source.paths]
    if not source.hash:
        return texts[0]
    # A part that is missing and one that is empty make different ids; no part at all makes none.
    parts = [F.coalesce(text, F.lit("\x1e")) for text in texts]
    return F.when(F.coalesce(*texts).isNotNull(), F.sha2(F.concat_ws("\x1f", *parts), 256))


def _unescaped(text: str) -> str:
    return f"replace(replace({text}, '\\\\\\\\', ''), '\\\\\"', '')"


def _outside_strings(text: str) -> str:
    return f"array_join(filter(split({_unescaped(text)}, '\"'), (piece, i) -> i % 2 = 0), '')"


def _depth_is_at_most(text: str, limit: int) -> str:
    """Taking away every innermost pair of brackets lowers the depth by one: after `limit` times none may be left.

    Brackets that are never closed stay, and count for their own number.
    """
    brackets = f"translate(regexp_replace({_outside_strings(text)}, '[^\\\\[\\\\]{{}}]', ''), '[]', '{{}}')"
    reduced = f"aggregate(sequence(1, {limit}), {brackets}, (left_over, i) -> replace(left_over, '{{}}', ''))"
    return (
        f"aggregate(array({reduced}), true, (fine, left_over) -> NOT contains(left_over, '{{}}') "
        f"AND octet_length(left_over) - octet_length(replace(left_over, '{{', '')) <= {limit})"
    )


def _quoted(path: str) -> str:
    return ".".join(f"`{name}`" for name in path.split(".")[1:])


def _nested(types: Mapping[str, Type]) -> StructType:
    """Paths such as `$.a.b` as nested structs."""
    tree: dict[str, object] = {}
    for path, kind in types.items():
        *parents, leaf = path.split(".")[1:]
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})  # type: ignore[assignment]
        node[leaf] = kind

    def build(node: dict[str, object]) -> StructType:
        return StructType(
            [
                StructField(name, build(below) if isinstance(below, dict) else SPARK_TYPES[below])  # type: ignore[index]
                for name, below in node.items()
            ]
        )

    return build(tree)
