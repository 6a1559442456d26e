"""What a plan would cost: list prices of `prices.yaml` times what the plan makes and a stated load.

An estimate for a decision, not a bill: traffic between zones, requests to KMS and people's queries are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import SetupError
from pipelines.platform.inventory import Resource

HOURS_PER_MONTH = 730
_PRICES = Path(__file__).with_name("prices.yaml")
_GB = 1e9
# Measured on two cores that also held the broker and the generator: `make bench`.
_EVENTS_PER_REFINE_WORKER = 5_000


def price_table() -> dict[str, Any]:
    """`prices.yaml`: list prices in US dollars, `hourly` and `monthly`, with their date and region."""
    found: dict[str, Any] = yaml.safe_load(_PRICES.read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Load:
    """What flows: events a second, bytes of one event, and days that the lake keeps it."""

    events_per_second: float = 1_000
    bytes_per_event: float = 600
    days_kept: int = 90

    @property
    def gigabytes_per_month(self) -> float:
        """Of events, uncompressed."""
        return self.events_per_second * self.bytes_per_event * 3600 * HOURS_PER_MONTH / _GB

    def __str__(self) -> str:
        return (
            f"{self.events_per_second:,.0f} events/s of {self.bytes_per_event:,.0f} bytes, "
            f"kept for {self.days_kept} days"
        )


@dataclass(frozen=True)
class Line:
    """One position: `hourly` dollars whatever flows, `monthly` dollars in all at the load."""

    what: str
    hourly: float
    monthly: float


@dataclass(frozen=True)
class Estimate:
    """All positions, with the load and the prices that they are for."""

    lines: tuple[Line, ...]
    load: Load
    as_of: str
    price_region: str

    @property
    def hourly(self) -> float:
        """Dollars an hour with nothing running."""
        return sum(line.hourly for line in self.lines)

    @property
    def monthly(self) -> float:
        """Dollars a month at the load."""
        return sum(line.monthly for line in self.lines)

    @property
    def terms(self) -> str:
        """What the sums are for, in words."""
        return f"at {self.load}; list prices of {self.price_region}, {self.as_of}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "hourly_usd": round(self.hourly, 2),
            "monthly_usd": round(self.monthly, 2),
            "load": vars(self.load),
            "prices": {"as_of": self.as_of, "region": self.price_region},
            "lines": [vars(line) for line in self.lines],
        }


def estimate(resources: Iterable[Resource], load: Load | None = None) -> Estimate:
    """What these resources cost at a load.

    Raises:
        SetupError: a planned size has no price in the table.
    """
    prices = price_table()
    load = load or Load()
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for resource in resources:
        by_type.setdefault(resource.type, []).append(resource.values)
    hourly, monthly = prices["hourly"], prices["monthly"]
    lines = [
        *_brokers(by_type, hourly, monthly, load),
        *_airflow(by_type, hourly),
        *_endpoints(by_type, hourly),
        *_jobs(by_type, hourly, load),
        *_storage(by_type, monthly, load),
        *_by_the_piece("keys", len(by_type.get("aws_kms_key", ())), monthly["kms_key"]),
        *_by_the_piece("alarms", len(by_type.get("aws_cloudwatch_metric_alarm", ())), monthly["alarm"]),
    ]
    return Estimate(tuple(lines), load, str(prices["as_of"]), prices["price_region"])


_Types = Mapping[str, list[Mapping[str, Any]]]


def _brokers(by_type: _Types, hourly: Any, monthly: Any, load: Load) -> Iterable[Line]:
    for cluster in by_type.get("aws_msk_cluster", ()):
        nodes = cluster["broker_node_group_info"][0]
        count, kind = cluster["number_of_broker_nodes"], nodes["instance_type"]
        volume = nodes["storage_info"][0]["ebs_storage_info"][0]["volume_size"]
        per_hour = count * _priced(hourly["msk_broker"], kind)
        yield _always(f"{count} brokers {kind}", per_hour)
        yield Line(f"{count} x {volume} GB of the brokers", *_spread(count * volume * monthly["msk_gigabyte"]))
    for _ in by_type.get("aws_msk_serverless_cluster", ()):
        partitions = 9  # of one product: four of events, four of corrected ones, one of decisions
        yield _always("MSK Serverless", hourly["msk_serverless_cluster"])
        yield _always(f"{partitions} partitions", partitions * hourly["msk_serverless_partition"])
        # Bronze and refine each read all of it.
        flow = monthly["msk_serverless_gigabyte_in"] + 2 * monthly["msk_serverless_gigabyte_out"]
        yield Line("events in and out of MSK Serverless", 0.0, load.gigabytes_per_month * flow)


def _airflow(by_type: _Types, hourly: Any) -> Iterable[Line]:
    for environment in by_type.get("aws_mwaa_environment", ()):
        kind, workers = environment["environment_class"], environment.get("min_workers") or 1
        yield _always(f"Airflow {kind}", _priced(hourly["mwaa_environment"], kind))
        # The first worker is in the environment's price.
        if workers > 1:
            yield _always(f"{workers - 1} more workers", (workers - 1) * _priced(hourly["mwaa_worker"], kind))


def _endpoints(by_type: _Types, hourly: Any) -> Iterable[Line]:
    subnets = len(by_type.get("aws_subnet", ()))
    count = sum(each["vpc_endpoint_type"] == "Interface" for each in by_type.get("aws_vpc_endpoint", ()))
    if count:
        yield _always(
            f"{count} interface endpoints in {subnets} zones", count * subnets * hourly["interface_endpoint_zone"]
        )


def _jobs(by_type: _Types, hourly: Any, load: Load) -> Iterable[Line]:
    """Three streams that never end: a driver each, and executors for bronze and refine; all of 2 vCPU and 8 GB."""
    for application in by_type.get("aws_emrserverless_application", ()):
        kind = application["architecture"]
        worker = 2 * _priced(hourly["emr_vcpu"], kind) + 8 * _priced(hourly["emr_gigabyte"], kind)
        executors = 1 + max(1, math.ceil(load.events_per_second / _EVENTS_PER_REFINE_WORKER))
        # Nothing is kept warm: without a job the application costs nothing.
        yield Line(
            f"Spark: 3 drivers and {executors} executors of 2 vCPU and 8 GB, all day",
            0.0,
            (3 + executors) * worker * HOURS_PER_MONTH,
        )


def _storage(by_type: _Types, monthly: Any, load: Load) -> Iterable[Line]:
    if "aws_s3_bucket" not in by_type:
        return
    # Bronze and silver, both compressed to about a quarter of the events.
    kept = load.gigabytes_per_month * 12 / 365 * load.days_kept * 2 / 4
    yield Line(f"S3: {kept:,.0f} GB", 0.0, kept * monthly["s3_gigabyte"])
    # A batch of refine every ten seconds and of bronze every ten: twelve objects put and thirty read for each.
    batches = 3600 * HOURS_PER_MONTH / 10 * 2
    requests = batches * (12 * monthly["s3_thousand_puts"] + 30 * monthly["s3_thousand_gets"]) / 1000
    yield Line("S3: requests of two streams", 0.0, requests)
    if "aws_cloudwatch_log_group" in by_type:
        yield Line("logs: 10 GB", 0.0, 10 * monthly["log_gigabyte"])


def _by_the_piece(what: str, count: int, price: float) -> Iterable[Line]:
    if count:
        yield Line(f"{count} {what}", *_spread(count * price))


def _always(what: str, per_hour: float) -> Line:
    return Line(what, per_hour, per_hour * HOURS_PER_MONTH)


def _spread(per_month: float) -> tuple[float, float]:
    return per_month / HOURS_PER_MONTH, per_month


def _priced(table: Mapping[str, float], kind: str) -> float:
    if kind not in table:
        raise SetupError(
            f"{_PRICES.name} has no price for '{kind}'", hint=f"add it to pipelines/platform/{_PRICES.name}"
        )
    return float(table[kind])
