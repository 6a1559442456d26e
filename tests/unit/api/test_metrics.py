"""Prometheus' metrics: what they say is the lake's, and Grafana's dashboard and the reference name no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.simulated_lake import Simulated, settings_of, without_services

ROOT = Path(__file__).resolve().parents[3]
# Without Kafka nobody knows how many wait there.
ONLY_WITH_KAFKA = {"pulseiq_waiting_records"}


def scraped(made: Simulated) -> dict[str, dict[tuple[str, ...], float]]:
    text = TestClient(without_services(made)[0], base_url="http://127.0.0.1").get("/metrics").text
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(value for name, value in sorted(sample.labels.items()) if name != "product")
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_metrics_say_what_the_lake_holds(made):
    found = scraped(made)
    assert found["pulseiq_up"][()] == 1
    assert found["pulseiq_state"][("abnormal",)] == 1
    assert sum(found["pulseiq_open_incidents"].values()) == len(made.incidents) == 1
    batches = made.lake.read("shop", "batches").to_pandas()
    assert found["pulseiq_events_total"][("silver",)] == batches["silver"].sum()
    assert found["pulseiq_batches_total"][()] == len(batches)
    assert found["pulseiq_last_tick_age_seconds"][()] > 0


def test_a_lake_that_does_not_answer_is_down_and_nothing_else_is_claimed(made, tmp_path):
    (tmp_path / "shop" / "incidents" / "_delta_log").mkdir(parents=True)
    (tmp_path / "shop" / "incidents" / "_delta_log" / "00000000000000000000.json").write_text("{not json")
    broken = Simulated(settings_of(tmp_path), made.contract, (), made.until)
    assert scraped(broken) == {"pulseiq_up": {(): 0.0}}


def test_grafana_names_metrics_and_labels_that_exist(made):
    known = scraped(made)
    dashboard = json.loads((ROOT / "grafana" / "pulseiq.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for expression in asked for name in re.findall(r"pulseiq_\w+", expression)}
    assert named - ONLY_WITH_KAFKA <= set(known)
    # And every metric can be seen on it.
    assert set(known) <= named | {"pulseiq_events_created", "pulseiq_batches_created"}


def test_the_reference_lists_every_metric(made):
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    listed = set(re.findall(r"`(pulseiq_\w+)`", text))
    assert listed == set(scraped(made)) | ONLY_WITH_KAFKA
