"""Prometheus' metrics of a product, read at each scrape; names and labels are listed in docs/reference/api.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipelines.api.pipeline import CLASSES
from pipelines.api.reading import Reader
from pipelines.errors import PulseIQError
from pipelines.incidents import responses


class Exporter(Collector):
    """Collects one product's metrics. Where the lake does not answer only `pulseiq_up` is given, as 0."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def describe(self) -> list[Metric]:
        """Nothing is asked of the lake when it is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it is now."""
        try:
            found = [*self._state(), *self._pipeline(), *self._people()]
            up = 1.0
        except PulseIQError:
            found, up = [], 0.0
        yield self._gauge("pulseiq_up", "1 when the lake answers", up)
        yield from found

    def _state(self) -> Iterator[Metric]:
        at = datetime.now(UTC)
        now = self._reader.now_answer(at)
        state = GaugeMetricFamily("pulseiq_state", "1 for the state that holds", labels=["product", "state"])
        for name in ("normal", "abnormal", "unknown"):
            state.add_metric([now.product, name], float(now.state == name))
        yield state
        opened = GaugeMetricFamily(
            "pulseiq_open_incidents", "Incidents that make the product abnormal", labels=["product", "severity"]
        )
        for level, count in now.by_level.items():
            opened.add_metric([now.product, level], count)
        yield opened
        if now.evaluated_at is not None:
            age = (at - now.evaluated_at).total_seconds()
            yield self._gauge("pulseiq_last_tick_age_seconds", "Since the detect loop last judged: the heartbeat", age)
        if now.data_until is not None:
            behind = (at - now.data_until).total_seconds()
            yield self._gauge("pulseiq_data_age_seconds", "Since the time up to which the data are known", behind)

    def _pipeline(self) -> Iterator[Metric]:
        found = self._reader.pipeline(datetime.now(UTC))
        product = found.product
        events = CounterMetricFamily(
            "pulseiq_events",
            "Events that refine has put in a class; late ones are silver too",
            labels=["product", "class"],
        )
        for name in CLASSES:
            events.add_metric([product, name], getattr(found.total, name))
        yield events
        batches = CounterMetricFamily("pulseiq_batches", "Batches that refine has written", labels=["product"])
        batches.add_metric([product], found.batches)
        yield batches
        if found.waiting is not None:
            yield self._gauge("pulseiq_waiting_records", "Records in Kafka that refine has not read", found.waiting)
        if found.batch_median is not None and found.batch_95 is not None:
            seconds = GaugeMetricFamily(
                "pulseiq_batch_seconds", "What refine's batches of the last day took", labels=["product", "quantile"]
            )
            seconds.add_metric([product, "0.5"], found.batch_median)
            seconds.add_metric([product, "0.95"], found.batch_95)
            yield seconds
        if found.tick_seconds is not None:
            yield self._gauge("pulseiq_tick_seconds", "What the detect loop's last tick took", found.tick_seconds)
        held = sum(each.rows for each in self._reader.quality().held if each.state == "held")
        yield self._gauge("pulseiq_held_events", "Events of batches that wait for a person's decision", held)

    def _people(self) -> Iterator[Metric]:
        counted = responses.false_alarms(self._reader.said())
        yield self._gauge("pulseiq_false_alarms", "Incidents that a person called a false alarm", len(counted))

    def _gauge(self, name: str, meaning: str, value: float) -> Metric:
        found = GaugeMetricFamily(name, meaning, labels=["product"])
        found.add_metric([self._reader.product], value)
        return found
