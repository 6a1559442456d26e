"""Kafka to bronze: what must hold of records as they came, envelope, sizes and rates, before anybody has read them.

Frame `bronze`: bronze's columns of the audited offsets, and `text`, the value as text where it is short enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from pipelines.contract import Contract
from pipelines.contract.sql import string
from quality import limits
from quality.expectation import Audited, Computed, Expectation, Statistic, seen
from quality.statistics import Stratum

OWNER = "data platform"
# A partition that takes less than this part of its fair share stands still.
_LEAST_PART = 0.05
_ENOUGH_RECORDS = 2_000


def suite(contract: Contract) -> list[Expectation]:
    """The suite."""
    return [*_positions(), *_contents(contract), _rates()]


def _positions() -> Iterator[Expectation]:
    yield Expectation(
        "bronze",
        "every record has its place and its arrival",
        Statistic("bronze", "broken", "topic IS NOT NULL AND partition >= 0 AND offset >= 0 AND timestamp IS NOT NULL"),
        "records without topic, partition, offset or arrival",
        "critical",
        OWNER,
        "A record without a place can be neither found again nor accounted for.",
        max=0,
    )
    yield Expectation(
        "bronze",
        "every record is there once",
        Computed(_doubled),
        "records that are in bronze more than once",
        "critical",
        OWNER,
        "A replay from bronze would count such a record twice.",
        column="offset",
        max=0,
    )
    yield Expectation(
        "bronze",
        "no offset is missing",
        Computed(_missing),
        "offsets that refine has read and bronze lacks",
        "critical",
        OWNER,
        "Once Kafka's retention has passed, what bronze lacks is gone.",
        column="offset",
        max=0,
    )
    yield Expectation(
        "bronze",
        "arrival is the broker's time",
        Statistic("bronze", "broken", "timestamp <= bronzed_at + INTERVAL 1 MINUTE", example="timestamp"),
        "records that the broker stamped later than bronze read them",
        "critical",
        OWNER,
        "Lateness is judged by arrival; a topic that keeps the producer's time makes it the producer's claim.",
        column="timestamp",
        max=0,
    )


def _contents(contract: Contract) -> Iterator[Expectation]:
    size = f"value IS NOT NULL AND octet_length(value) BETWEEN 1 AND {contract.max_event_bytes}"
    yield Expectation(
        "bronze",
        "values have a size that can be read",
        Statistic("bronze", "share", size, sampled=True),
        f"share of records with 1 to {contract.max_event_bytes:,} bytes",
        "warning",
        OWNER,
        "Empty values and oversized ones are refused: many of them are a producer's fault that nobody has noticed.",
        column="value",
        min=0.98,
    )
    whole = "startswith(ltrim(text), '{') AND endswith(rtrim(text), '}')"
    yield Expectation(
        "bronze",
        "values are JSON objects",
        Statistic("bronze", "share", whole, sampled=True),
        "share of records whose text begins and ends as an object does",
        "critical",
        OWNER,
        "Another format (a list of events, text cut off by a buffer) loses every event in it.",
        column="value",
        min=0.98,
    )
    for name, source in contract.envelope.sources().items():
        paths = [source.path] if source.path is not None and source.default is None else list(source.hash)
        if not paths:
            continue
        there = " OR ".join(f"get_json_object(text, {string(_json_path(path))}) IS NOT NULL" for path in paths)
        yield Expectation(
            "bronze",
            f"the envelope has its {name}",
            Statistic("bronze", "share", there, sampled=True),
            f"share of records with {' or '.join(paths)}",
            "critical",
            OWNER,
            "The envelope is what tells events from each other; without it a record is refused.",
            column=name,
            min=0.98,
        )


def _rates() -> Expectation:
    return Expectation(
        "bronze",
        "no partition stands still",
        Computed(_parts_of_partitions),
        "records of a partition, as part of the mean of its topic",
        "warning",
        OWNER,
        "A producer that has lost one partition loses the events of the keys in it, and nothing else looks wrong.",
        column="partition",
        min=_LEAST_PART,
    )


def _json_path(path: str) -> str:
    return "$" + "".join(f"['{name}']" for name in path.split(".")[1:])


def _within(audited: Audited) -> Column:
    inside = [
        (F.col("topic") == each.topic)
        & (F.col("partition") == each.partition)
        & (F.col("offset") >= each.begin)
        & (F.col("offset") < each.end)
        for each in audited.spans
    ]
    return reduce(Column.__or__, inside, F.lit(False))


def _doubled(audited: Audited) -> list[Stratum]:
    counted = audited.frames["bronze"].groupBy("topic", "partition", "offset").count()
    found = counted.agg(F.sum("count").alias("rows"), F.count(F.lit(1)).alias("places")).first()
    if found is None or not found["rows"]:
        return []
    return [seen("every record is there once", limits.exactly(found["rows"] - found["places"], found["rows"]))]


def _missing(audited: Audited) -> list[Stratum]:
    """Per partition, up to where bronze is: it turns more seldom than refine, and what is still to come is no loss."""
    rows = audited.frames["bronze"].where(_within(audited)).groupBy("topic", "partition")
    counted = rows.agg(F.countDistinct("offset").alias("n"), F.max("offset").alias("last")).collect()
    known = {(row["topic"], row["partition"]): row for row in counted}
    strata = []
    for (topic, partition), row in sorted(known.items()):
        own = [each for each in audited.spans if (each.topic, each.partition) == (topic, partition)]
        wanted = sum(max(min(each.end, row["last"] + 1) - each.begin, 0) for each in own)
        labels = {"topic": topic, "partition": str(partition)}
        strata.append(seen("no offset is missing", limits.exactly(wanted - row["n"], row["n"]), labels))
    return strata


def _parts_of_partitions(audited: Audited) -> list[Stratum]:
    counted = audited.frames["bronze"].groupBy("topic", "partition").count().collect()
    of = {(row["topic"], row["partition"]): row["count"] for row in counted}
    strata = []
    for topic in sorted({topic for topic, _ in audited.partitions}):
        partitions = sorted(number for name, number in audited.partitions if name == topic)
        total = sum(of.get((topic, number), 0) for number in partitions)
        if total < _ENOUGH_RECORDS or topic != audited.contract.topic:
            continue
        for number in partitions:
            n = of.get((topic, number), 0)
            share = limits.share(n, total)
            part = limits.Estimate(n / total * len(partitions), 0.0, share.upper * len(partitions), total)
            strata.append(seen("no partition stands still", part, {"topic": topic, "partition": str(number)}))
    return strata
