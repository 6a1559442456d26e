"""The shop's events on their way to the tables, as its users send them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from pipelines.simulate.run import produce, world_of
from tests.products import Product

PULSEIQ = [sys.executable, "-m", "pipelines.cli.main"]
HISTORY = timedelta(days=2)


def pulseiq(*words: str) -> str:
    done = subprocess.run([*PULSEIQ, *words], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def sent(shop: Product, *, malformed: float) -> None:
    """Two days of traffic to Kafka and through the streams, so many of its records malformed."""
    end = datetime.now(UTC)
    faults = {"malformed": malformed, "duplicates": 0.002, "late": 0.0}
    world = world_of(shop.contract, 5, "none", start=end - HISTORY, end=end, events=20_000, faults=faults)
    produce(shop.settings, shop.contract, world, end - HISTORY, end)
    pulseiq("run", "live", "shop", "--once")
