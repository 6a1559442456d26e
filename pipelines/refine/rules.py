"""Row rules: Kafka records -> events with a reason where one is refused. Compiled from the contract to Spark SQL.

Only narrow transformations and no Python per row, so the same frame works on a stream and on a table. Every record comes
out again; a refused one keeps its bytes. Rules are tried in a fixed order and the first that fails names the reason:
null_value, empty_value, too_large, invalid_utf8, too_deep, not_json, truncated_json, wrong_type, missing_field,
unknown_event_type, unknown_version, future_event_time, before_product, out_of_range, wrong_key.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlglot
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType
from sqlglot import exp

from pipelines.contract import Contract, EventType, Field, Version
from pipelines.contract.model import Source, Type
from pipelines.contract.spark_schema import SPARK_TYPES, silver_schema

BACKFILL_HEADER = "pulseiq-backfill"

_CORRUPT = "pulseiq_corrupt"
_JSON_OPTIONS = {
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": _CORRUPT,
    "allowNonNumericNumbers": "false",
}


def classify(records: DataFrame, contract: Contract) -> DataFrame:
    """Parse and judge records.

    Args:
        records: Kafka's columns (`key`, `value`, `topic`, `partition`, `offset`, `timestamp`, and `headers`) and
            `arrived_at`.
        contract: the product.

    Returns:
        The event's columns (`silver_schema`), `late`, `arrived_at`, `kafka_topic`, `kafka_partition`, `kafka_offset`,
        `kafka_key`, `kafka_value`, and `reject_reason` and `reject_detail` (null for an accepted event).
    """
    compiled = _Compiled(contract)
    received = records.select(
        F.col("topic").alias("kafka_topic"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("key").alias("kafka_key"),
        F.col("value").alias("kafka_value"),
        "arrived_at",
        _is_backfill(records).alias("k_backfill"),
        F.expr(_readable_sql(contract)).alias("k_text"),
    )
    parsed = received.withColumn("k_event", F.from_json("k_text", compiled.parse_schema, _JSON_OPTIONS))
    flat = parsed.select("*", *compiled.flattened()).drop("k_event")
    judged = flat.withColumn("k_reject", F.expr(compiled.reject_sql()))
    return judged.select(
        *compiled.silver_columns(),
        compiled.late().alias("late"),
        "arrived_at",
        "kafka_topic",
        "kafka_partition",
        "kafka_offset",
        "kafka_key",
        "kafka_value",
        F.substring_index("k_reject", "|", 1).alias("reject_reason"),
        F.expr("substring(k_reject, instr(k_reject, '|') + 1)").alias("reject_detail"),
    )


def event_id_of(records: DataFrame, contract: Contract) -> Column:
    """The event_id that `classify` gives an accepted record, straight from `value`, without parsing the whole event."""
    del records  # A column needs no frame; the argument keeps the two functions alike.
    text = "CASE WHEN octet_length(value) <= {} THEN CAST(value AS STRING) END".format(contract.max_event_bytes)
    return F.expr(_event_id_sql(contract.envelope.event_id, text, "topic", "partition", "offset"))


class _Compiled:
    """SQL of one contract. Columns of the parsed event are `e0, e1, ...`, by path, so that no name can clash."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        envelope = contract.envelope
        self._types: dict[str, Type] = {}
        for source in (envelope.event_type, *contract.dimension_sources.values()):
            self._want(source.path, "string")
        if envelope.event_id.path:
            self._want(envelope.event_id.path, "string")
        self._want(envelope.schema_version.path, "integer")
        form = envelope.event_time.format
        self._want(envelope.event_time.path, "string" if form == "rfc3339" else "integer" if form == "epoch_ms" else "number")
        for event in contract.events.values():
            for version in event.versions:
                for field in version.fields:
                    self._want(field.path, field.type)
        self._columns = {path: f"e{i}" for i, path in enumerate(self._types)}
        self.parse_schema = _nested_schema(self._types)

    def _want(self, path: str | None, kind: Type) -> None:
        if path is not None:
            self._types.setdefault(path, kind)

    def flattened(self) -> list[Column]:
        """One column per path of the parsed event, and the corrupt record."""
        columns = [
            F.expr("k_event." + ".".join(f"`{part}`" for part in path.split(".")[1:])).alias(name)
            for path, name in self._columns.items()
        ]
        return [*columns, F.expr(f"k_event.`{_CORRUPT}`").alias("k_corrupt"), F.expr("k_event IS NULL").alias("k_null")]

    def silver_columns(self) -> list[Column]:
        """The event's columns in silver's order and types."""
        contract = self._contract
        envelope = contract.envelope
        sql: dict[str, str] = {
            "event_id": _event_id_sql(
                envelope.event_id, "k_text", "kafka_topic", "kafka_partition", "kafka_offset", self._columns
            ),
            "event_type": self._text(envelope.event_type),
            "schema_version": f"CAST(try_cast({self._version()} AS INT) AS INT)",
            "event_time": self._time(),
            **{name: self._text(source) for name, source in contract.dimension_sources.items()},
        }
        for event in contract.events.values():
            for field in event.newest.fields:
                sql.setdefault(field.column, self._value(field))
        return [
            F.expr(sql[field.name]).cast(field.dataType).alias(field.name) for field in silver_schema(contract).fields
        ]

    def late(self) -> Column:
        """Whether the event arrived later than the contract allows; bulk history and logs of the past are never late."""
        if self._contract.clock == "event":
            return F.lit(False)
        allowed = int(self._contract.allowed_lateness.total_seconds() * 1_000_000)
        return F.expr(
            f"NOT k_backfill AND coalesce(unix_micros(arrived_at) - unix_micros({self._time()}) > {allowed}, false)"
        )

    def reject_sql(self) -> str:
        """`reason|detail` of the first rule that fails, null when none does."""
        contract = self._contract
        now = "unix_micros(arrived_at)"
        tolerance = int(contract.future_tolerance.total_seconds() * 1_000_000)
        born = int(contract.born.timestamp() * 1_000_000)
        time = self._time()
        event_type = self._text(contract.envelope.event_type)
        rules: list[tuple[str, str]] = [
            ("kafka_value IS NULL", "'null_value|the record has no value'"),
            ("octet_length(kafka_value) = 0", "'empty_value|the value is empty'"),
            (
                f"octet_length(kafka_value) > {contract.max_event_bytes}",
                f"concat('too_large|', octet_length(kafka_value), ' bytes, at most {contract.max_event_bytes}')",
            ),
            ("NOT is_valid_utf8(CAST(kafka_value AS STRING))", "'invalid_utf8|the bytes are not UTF-8'"),
            ("k_text IS NULL", f"'too_deep|objects and lists nested more than {contract.max_depth} deep'"),
            (
                "k_corrupt IS NOT NULL OR k_null",
                "CASE WHEN try_parse_json(CAST(kafka_value AS STRING)) IS NULL THEN "
                "CASE WHEN ltrim(CAST(kafka_value AS STRING)) LIKE '{%' "
                "AND NOT rtrim(CAST(kafka_value AS STRING)) LIKE '%}' "
                "THEN 'truncated_json|the text ends inside the object' ELSE 'not_json|the text is not JSON' END "
                f"ELSE concat('wrong_type|', coalesce({self._wrong_types()}, 'the event is not an object')) END",
            ),
            (self._not_text(), f"concat('wrong_type|', {self._wrong_types()})"),
            *self._missing_envelope(),
            (
                f"{event_type} NOT IN ({_strings(contract.events)})",
                f"concat('unknown_event_type|', left({event_type}, 100))",
            ),
            (self._unknown_version(), f"concat('unknown_version|', {event_type}, ' version ', {self._version()})"),
            (f"{time} IS NULL", "'wrong_type|event_time cannot be read as a time with a zone'"),
            (f"unix_micros({time}) > {now} + {tolerance}", f"concat('future_event_time|', {time})"),
            (f"unix_micros({time}) < {born}", f"concat('before_product|', {time})"),
        ]
        rules += [("true", self._by_version())]
        # The last rule is a CASE of its own and may be null: then every rule has passed.
        return "CASE " + " ".join(f"WHEN {condition} THEN {then}" for condition, then in rules) + " END"

    def _text(self, source: Source) -> str:
        if source.constant is not None:
            return _string(str(source.constant))
        assert source.path is not None
        column = self._columns[source.path]
        return column if source.default is None else f"coalesce({column}, {_string(source.default)})"

    def _version(self) -> str:
        source = self._contract.envelope.schema_version
        if source.constant is not None:
            return str(int(source.constant))
        assert source.path is not None
        column = self._columns[source.path]
        return column if source.default is None else f"coalesce({column}, {int(source.default)})"

    def _time(self) -> str:
        source = self._contract.envelope.event_time
        assert source.path is not None
        column = self._columns[source.path]
        if source.format == "epoch_ms":
            return f"CASE WHEN {column} BETWEEN -62135596800000 AND 253402300799999 THEN timestamp_millis({column}) END"
        if source.format == "epoch_s":
            return (
                f"CASE WHEN {column} BETWEEN -62135596800 AND 253402300799 "
                f"THEN timestamp_micros(CAST(round({column} * 1000000) AS BIGINT)) END"
            )
        # A time without a zone is ambiguous, and a bare date or year is no time.
        shape = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
        return f"CASE WHEN {column} RLIKE {_string(shape)} THEN try_cast(upper({column}) AS TIMESTAMP) END"

    def _value(self, field: Field) -> str:
        """A payload column: the newest version's path, or what an older version's upgrade rule makes of it."""
        contract = self._contract
        own = self._columns[field.path]
        upgrades = []
        for event in contract.events.values():
            for version in event.versions[:-1]:
                if field.column in version.upgrade:
                    condition = self._is_version(event, version)
                    upgrades.append(f"WHEN {condition} THEN {self._over_version(version, version.upgrade[field.column])}")
        return f"CASE {' '.join(upgrades)} ELSE {own} END" if upgrades else own

    def _over_version(self, version: Version, sql: str) -> str:
        """An upgrade rule's SQL with the version's columns replaced by the parsed ones."""
        names = {field.column: self._columns[field.path] for field in version.fields}
        tree = sqlglot.parse_one(sql, dialect="spark")
        renamed = tree.transform(lambda node: exp.column(names[node.name]) if isinstance(node, exp.Column) else node)
        return f"({renamed.sql(dialect='spark')})"

    def _is_version(self, event: EventType, version: Version) -> str:
        event_type = self._text(self._contract.envelope.event_type)
        return f"({event_type} = {_string(event.name)} AND {self._version()} = {version.number})"

    def _missing_envelope(self) -> list[tuple[str, str]]:
        envelope, dimensions = self._contract.envelope, self._contract.dimension_sources
        sources = {"event_type": envelope.event_type, "schema_version": envelope.schema_version}
        sources |= {"event_time": envelope.event_time, **dimensions}
        if envelope.event_id.path:
            sources |= {"event_id": envelope.event_id}
        found = [
            (self._columns[source.path], f"{name} ({source.path})")
            for name, source in sources.items()
            if source.path is not None and source.default is None
        ]
        anyone = " OR ".join(f"{column} IS NULL" for column, _ in found)
        return [(anyone, f"concat('missing_field|', {_named(found)})")] if found else []

    def _unknown_version(self) -> str:
        known = [
            f"({self._text(self._contract.envelope.event_type)} = {_string(event.name)} AND "
            f"{self._version()} IN ({', '.join(str(version.number) for version in event.versions)}))"
            for event in self._contract.events.values()
        ]
        return f"NOT ({' OR '.join(known)})"

    def _by_version(self) -> str:
        """Required fields, ranges and the key of each event version, as one CASE."""
        branches = []
        for event in self._contract.events.values():
            for version in event.versions:
                rules = self._version_rules(event, version)
                if rules:
                    inner = " ".join(f"WHEN {condition} THEN {then}" for condition, then in rules)
                    branches.append(f"WHEN {self._is_version(event, version)} THEN CASE {inner} END")
        return f"CASE {' '.join(branches)} END" if branches else "CAST(NULL AS STRING)"

    def _version_rules(self, event: EventType, version: Version) -> list[tuple[str, str]]:
        rules = []
        needed = [(self._columns[field.path], field.path) for field in version.fields if field.required]
        if needed:
            anyone = " OR ".join(f"{column} IS NULL" for column, _ in needed)
            rules.append((anyone, f"concat('missing_field|', {_named(needed)})"))
        for field in version.fields:
            column = self._columns[field.path]
            rules += [
                (condition, f"concat('out_of_range|', {_string(f'{field.path}: {words}, found ')}, left({column}, 100))")
                for condition, words in _range_rules(field, column)
            ]
        if event.key is not None:
            columns = [self._columns[field.path] for field in version.fields if field.column == event.key]
            rules += [
                (
                    f"kafka_key IS NOT NULL AND {column} IS NOT NULL AND CAST(kafka_key AS STRING) != {column}",
                    f"concat('wrong_key|', {_string(f'the key is not {event.key}: ')}, "
                    "left(CAST(kafka_key AS STRING), 100))",
                )
                for column in columns
            ]
        return rules

    def _not_text(self) -> str:
        """Spark reads any token into a string column without a word, so a string's own type is looked up in the text.

        The pattern finds a string field's name followed by something else than a quote or null; what it finds may be in
        another object of the event, so the exact test follows, on those few rows alone.
        """
        names = sorted({path.rsplit(".", 1)[1] for path, kind in self._types.items() if kind == "string"})
        pattern = '"(?:' + "|".join(names) + r')"\s*:\s*[^"n\s]'
        return f"CASE WHEN k_text RLIKE {_string(pattern)} THEN {self._wrong_types()} IS NOT NULL ELSE false END"

    def _wrong_types(self) -> str:
        """Text that names the fields whose JSON type is not the contract's; null when all are right."""
        allowed = {"string": ("STRING",), "integer": ("BIGINT",), "boolean": ("BOOLEAN",)}
        parts = []
        for path, kind in self._types.items():
            found = f"schema_of_variant(try_variant_get(try_parse_json(k_text), {_string(path)}, 'variant'))"
            if kind == "number":
                wrong = f"NOT ({found} IN ('BIGINT', 'DOUBLE', 'FLOAT', 'VOID') OR {found} LIKE 'DECIMAL%')"
            else:
                wrong = f"{found} NOT IN ({_strings([*allowed[kind], 'VOID'])})"
            parts.append(f"CASE WHEN {wrong} THEN concat({_string(path + ' is ')}, {found}, {_string(', expected ' + kind)}) END")
        return f"nullif(concat_ws('; ', {', '.join(parts)}), '')"


def _is_backfill(records: DataFrame) -> Column:
    if "headers" not in records.columns:
        return F.lit(False)
    return F.coalesce(F.exists("headers", lambda header: header["key"] == BACKFILL_HEADER), F.lit(False))


def _readable_sql(contract: Contract) -> str:
    """The value as text where it may be parsed, else null: too large or too deep a text would cost or break the parser.

    Depth is counted exactly, outside of string literals, but only where there are more brackets than the limit.
    """
    text = "CAST(value AS STRING)"
    brackets = f"length({text}) - length(translate({text}, '{{[', ''))"
    outside = (
        f"array_join(filter(split(replace(replace({text}, '\\\\\\\\', ''), '\\\\\"', ''), '\"'), "
        "(piece, i) -> i % 2 = 0), '')"
    )
    depth = (
        f"aggregate(split(regexp_replace({outside}, '[^\\\\[\\\\]{{}}]', ''), ''), named_struct('now', 0, 'most', 0), "
        "(seen, c) -> named_struct("
        "'now', seen.now + CASE WHEN c IN ('{', '[') THEN 1 WHEN c IN ('}', ']') THEN -1 ELSE 0 END, "
        "'most', greatest(seen.most, seen.now + CASE WHEN c IN ('{', '[') THEN 1 ELSE 0 END)), seen -> seen.most)"
    )
    return (
        f"CASE WHEN value IS NULL OR octet_length(value) > {contract.max_event_bytes} "
        f"OR NOT is_valid_utf8({text}) THEN NULL "
        f"WHEN {brackets} <= {contract.max_depth} THEN {text} "
        f"WHEN {depth} <= {contract.max_depth} THEN {text} END"
    )


def _event_id_sql(
    source: Source, text: str, topic: str, partition: str, offset: str, columns: dict[str, str] | None = None
) -> str:
    if source.position:
        return f"concat_ws('/', {topic}, {partition}, {offset})"
    if source.hash:
        parts = ", ".join(f"coalesce(get_json_object({text}, {_string(path)}), '')" for path in source.hash)
        return f"sha2(concat_ws(char(31), {parts}), 256)"
    assert source.path is not None
    return columns[source.path] if columns else f"get_json_object({text}, {_string(source.path)})"


def _range_rules(field: Field, column: str) -> list[tuple[str, str]]:
    rules = []
    for bound, op, words in (
        (field.minimum, "<", "at least"),
        (field.maximum, ">", "at most"),
        (field.exclusive_minimum, "<=", "more than"),
        (field.exclusive_maximum, ">=", "less than"),
    ):
        if bound is not None:
            rules.append((f"{column} {op} {bound!r}D", f"{words} {bound:g}"))
    if field.enum:
        values = ", ".join(_string(each) if isinstance(each, str) else str(each) for each in field.enum)
        rules.append((f"{column} NOT IN ({values})", "not one of the known values"))
    if field.min_length is not None:
        rules.append((f"length({column}) < {field.min_length}", f"at least {field.min_length} characters"))
    if field.max_length is not None:
        rules.append((f"length({column}) > {field.max_length}", f"at most {field.max_length} characters"))
    if field.pattern is not None:
        rules.append((f"NOT {column} RLIKE {_string(field.pattern)}", "not of the form expected"))
    return rules


def _named(columns: Iterable[tuple[str, str]]) -> str:
    return f"concat_ws(', ', {', '.join(f'CASE WHEN {column} IS NULL THEN {_string(name)} END' for column, name in columns)})"


def _nested_schema(types: dict[str, Type]) -> StructType:
    """Paths such as `$.a.b` as nested structs; the corrupt record is a field at the top."""
    tree: dict[str, object] = {}
    for path, kind in types.items():
        *parents, leaf = path.split(".")[1:]
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})  # type: ignore[assignment]
        node[leaf] = kind

    def build(node: dict[str, object]) -> StructType:
        fields = []
        for name, below in node.items():
            kind = build(below) if isinstance(below, dict) else SPARK_TYPES[below]  # type: ignore[index]
            fields.append(StructField(name, kind))
        return StructType(fields)

    return StructType([*build(tree).fields, StructField(_CORRUPT, StringType())])


def _strings(values: Iterable[str]) -> str:
    return ", ".join(_string(value) for value in values)


def _string(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
