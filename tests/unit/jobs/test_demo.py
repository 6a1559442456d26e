"""What the demo waits for before it reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from pipelines.incidents import store
from pipelines.incidents.store import Tick
from pipelines.jobs import demo

LEARNT = datetime(2026, 11, 27, 12, 10, tzinfo=UTC)
SENT = LEARNT - timedelta(seconds=30)
LATER = LEARNT + timedelta(seconds=15)
TOLD = Tick(tick_at=LATER, now=LATER, data_until=LATER, caught_up=True, windows=24, baseline_until=SENT)


@pytest.mark.parametrize(
    "early",
    [
        None,
        # It knew nothing of what is normal, and so it judged nothing.
        replace(TOLD, now=LEARNT - timedelta(seconds=1), data_until=LEARNT, windows=0, baseline_until=None),
        replace(TOLD, caught_up=False),
        replace(TOLD, data_until=None),
        replace(TOLD, data_until=SENT - timedelta(seconds=1)),
    ],
)
def test_a_verdict_is_one_that_knew_what_is_normal_and_had_read_everything(
    monkeypatch: pytest.MonkeyPatch, early: Tick | None
) -> None:
    ticks: Iterator[Tick | None] = iter([early, early, TOLD])
    monkeypatch.setattr(store, "last_tick", lambda *_arguments: next(ticks))
    monkeypatch.setattr(demo, "Lake", lambda _settings: None)
    monkeypatch.setattr(demo.time, "sleep", lambda _seconds: None)
    streams = SimpleNamespace(settings=None, contract=SimpleNamespace(product="shop"), check=lambda: None)
    demo._await_verdict(streams, LEARNT, SENT, SimpleNamespace(progress=lambda _text: None))  # type: ignore[arg-type]
    assert next(ticks, "none is left") == "none is left"
