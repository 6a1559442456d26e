"""Gold that people query: `gold_published`, a row per closed window and leaf, of days that passed the gate.

**Output**: the days of gold that differ from what is published, each replaced in one transaction; the table's
partitions in Glue. **Impact of failure**: people's queries see the state before; detection reads `gold` and goes on.
To re-run: `pulseiq run publish PRODUCT`; what is already published is left alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, StructField, StructType

from pipelines.contract import Contract
from pipelines.errors import StateError
from pipelines.gold.merged import merge
from pipelines.gold.partial_sums import partial_sums
from pipelines.gold.unchanged import refuse_changed
from pipelines.jobs.maintenance import closed_before
from pipelines.platform import glue
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.tables import Tables, TableSpec
from pipelines.replay.checksums import of_gold

TABLE = "gold_published"
DAY = "window_date"


@dataclass(frozen=True)
class Published:
    """Days that were published, windows up to `until`; or why the gate holds, and then nothing was written."""

    product: str
    until: datetime | None
    days: tuple[str, ...]
    rows: int
    held: tuple[str, ...]
    glue: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "until": self.until and self.until.isoformat(timespec="seconds")}

    def __str__(self) -> str:
        if self.held:
            return f"{self.product}: the gate holds, nothing was published: {'; '.join(self.held)}"
        if not self.days:
            return f"{self.product}: gold_published is as gold is, up to {self.until:%Y-%m-%d %H:%M} UTC; {self.glue}"
        return (
            f"{self.product}: published {', '.join(self.days)} ({self.rows:,} rows), windows up to "
            f"{self.until:%Y-%m-%d %H:%M} UTC; {self.glue}"
        )


def run(spark: SparkSession, settings: Settings, contract: Contract, now: datetime | None = None) -> Published:
    """Gate, then publish the days that changed.

    Raises:
        StateError: there is no gold yet, or the contract changed under it.
    """
    lake, product = Lake(settings), contract.product
    refuse_changed(lake, contract)
    found = lake.table(product, "gold")
    if found is None:
        raise StateError(f"{product} has no gold yet", hint=f"pulseiq run live {product}")
    uri = settings.table_uri(product, "gold")
    gold = spark.read.format("delta").option("versionAsOf", found.version()).load(uri)
    end = closed_before(spark, uri, contract, now or datetime.now(UTC))
    if end is None:
        raise StateError(f"{product} has no windows in gold yet", hint=f"pulseiq run live {product}")
    closed = gold.where(F.col("window_start") <= F.lit(end - contract.window)).withColumn(
        DAY, F.to_date("window_start")
    )
    table = _table(settings, contract, gold)
    changed = _changed(closed, table.read(spark, TABLE), contract)
    held = [*_audit_failures(lake, product), *_gate(spark, settings, contract, closed, changed)]
    if held:
        return Published(product, end, (), 0, tuple(held), "")
    rows = 0
    for day in changed:
        total = merge(closed.where(F.col(DAY) == day), contract).withColumn(DAY, F.lit(day).cast("date"))
        writer = total.select(table.columns(TABLE)).write.format("delta").mode("overwrite")
        writer.option("replaceWhere", f"{DAY} = '{day}'").save(table.uri(TABLE))
        rows += table.read(spark, TABLE).where(F.col(DAY) == day).count()
    days = [str(r[DAY]) for r in table.read(spark, TABLE).select(DAY).distinct().orderBy(DAY).collect()]
    columns = {field.name: field.dataType.simpleString() for field in table.specs[TABLE].schema if field.name != DAY}
    said = glue.register(settings, product, TABLE, columns, (DAY, "date"), days)
    return Published(product, end, tuple(changed), rows, (), said)


def _table(settings: Settings, contract: Contract, gold: DataFrame) -> Tables:
    kept = [field for field in gold.schema if field.name not in ("batch_id", "query_id")]
    schema = StructType([*kept, StructField(DAY, DateType())])
    spec = TableSpec(contract.product, TABLE, schema, partition_by=(DAY,), statistics=("window_start",))
    table = Tables(settings, [spec])
    table.ensure()
    return table


def _changed(closed: DataFrame, published: DataFrame, contract: Contract) -> list[str]:
    """Days whose sums differ from the published ones."""

    def by_day(rows: DataFrame) -> dict[str, str]:
        days = [str(row[DAY]) for row in rows.select(DAY).distinct().collect()]
        return {day: of_gold(rows.where(F.col(DAY) == day), contract).digest for day in days}

    now, then = by_day(closed), by_day(published)
    return sorted(day for day in now if now[day] != then.get(day))


def _audit_failures(lake: Lake, product: str) -> list[str]:
    """Critical expectations that the newest audit saw the data fail, in words; a check that broke judges nothing."""
    if not lake.exists(product, "audit_results"):
        return []
    names = ["run_at", "layer", "expectation", "severity", "success", "error"]
    rows = lake.read(product, "audit_results", names).to_pylist()
    newest = max((row["run_at"] for row in rows), default=None)
    failed = [
        f"{row['layer']}: {row['expectation']}"
        for row in rows
        if row["run_at"] == newest and row["severity"] == "critical" and not row["success"] and row["error"] is None
    ]
    return [f"the audit of {newest:%Y-%m-%d %H:%M} UTC found {', '.join(failed)}"] if failed else []


def _gate(spark: SparkSession, settings: Settings, contract: Contract, closed: DataFrame, days: list[str]) -> list[str]:
    """Why the days may not be published: sums that silver does not give, in words; empty when they may."""
    silver = spark.read.format("delta").load(settings.table_uri(contract.product, "silver"))
    reasons = []
    for day in days:
        begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
        end = begin + timedelta(days=1)
        within = (F.col("event_time") >= F.lit(begin)) & (F.col("event_time") < F.lit(end))
        mine = partial_sums(silver.where(within), contract).withColumn(DAY, F.lit(day))
        last = closed.agg(F.max("window_start").alias("last")).first()
        assert last is not None
        again = of_gold(mine.where(F.col("window_start") <= F.lit(last["last"])), contract)
        stored = of_gold(closed.where(F.col(DAY) == day), contract)
        if again != stored:
            reasons.append(f"{day}: gold's sums {stored.digest} are not those of silver's rows {again.digest}")
    return reasons
