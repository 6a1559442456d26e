from __future__ import annotations

import pytest

from pipelines.errors import SetupError
from pipelines.platform import cost
from pipelines.platform.cost import HOURS_PER_MONTH, Load
from pipelines.platform.inventory import Resource


def brokers(kind: str, count: int = 3, gigabytes: int = 100) -> Resource:
    nodes = {"instance_type": kind, "storage_info": [{"ebs_storage_info": [{"volume_size": gigabytes}]}]}
    values = {"number_of_broker_nodes": count, "broker_node_group_info": [nodes]}
    return Resource("module.stream[0].aws_msk_cluster.this[0]", "aws_msk_cluster", values)


APPLICATION = Resource("a", "aws_emrserverless_application", {"architecture": "ARM64"})


def test_nothing_costs_nothing() -> None:
    assert (cost.estimate([]).hourly, cost.estimate([]).monthly) == (0, 0)


def test_brokers_cost_by_the_hour_and_their_disks_by_the_month() -> None:
    found = cost.estimate([brokers("kafka.m7g.large")])
    assert found.monthly == pytest.approx(3 * 0.204 * HOURS_PER_MONTH + 300 * 0.10)
    assert found.hourly == pytest.approx(found.monthly / HOURS_PER_MONTH)


def test_jobs_cost_nothing_idle_and_more_with_more_events() -> None:
    few, many = (cost.estimate([APPLICATION], Load(rate)) for rate in (1_000, 30_000))
    assert few.hourly == 0
    worker = (2 * 0.042094 + 8 * 0.004628) * HOURS_PER_MONTH
    assert few.monthly == pytest.approx(5 * worker)
    assert many.monthly == pytest.approx(10 * worker)


def test_endpoints_cost_in_every_zone_and_the_gateway_nothing() -> None:
    subnets = [Resource(f"s{n}", "aws_subnet", {}) for n in range(3)]
    kinds = ["Interface", "Interface", "Gateway"]
    endpoints = [Resource(kind, "aws_vpc_endpoint", {"vpc_endpoint_type": kind}) for kind in kinds]
    assert cost.estimate([*subnets, *endpoints]).hourly == pytest.approx(2 * 3 * 0.01)


def test_a_size_without_a_price_is_refused_with_the_table_to_correct() -> None:
    with pytest.raises(SetupError, match=r"kafka\.m9\.huge") as caught:
        cost.estimate([brokers("kafka.m9.huge")])
    assert "prices.yaml" in (caught.value.hint or "")


def test_the_terms_name_load_and_date() -> None:
    terms = cost.estimate([], Load(5_000, 400, 30)).terms
    assert "5,000 events/s of 400 bytes, kept for 30 days" in terms
    assert "us-east-1, 20" in terms
