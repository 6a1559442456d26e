"""Kafka and LocalStack killed while a driver writes, told in order: afterwards every record has its place again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from pipelines import contract as contracts
from pipelines.platform import services
from tests.products import Product

PULSEIQ = [sys.executable, "-m", "pipelines.cli.main"]
PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, own_services: Callable[[Path], AbstractContextManager[Path]]
) -> Iterator[Path]:
    """Services of this module alone: they are killed here."""
    with own_services(tmp_path_factory.mktemp("restart")) as folder:
        yield folder


def shop() -> Product:
    """The shop as it is, because `pulseiq up` rebuilds the products of `contracts/`."""
    return Product(services.up(quiet), contracts.load("shop"))


def quiet(line: str) -> None:
    """Takes the place of print."""


def pulseiq(*words: str) -> str:
    done = subprocess.run([*PULSEIQ, *words], capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def refine_running(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`pulseiq run refine shop` in the background; it and its JVM are killed at the end if they still run."""
    with (home / "driver.log").open("ab") as log:
        words = [*PULSEIQ, "run", "refine", "shop"]
        driver = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield driver
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
            driver.wait(20)


def kill(name: str) -> None:
    (pid,) = (state.pid for state in services.status().services if state.name == name)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=20)


def wait_until_refined(product: Product, events: int) -> None:
    """Return when the ledger has so many events and none waits."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (ledger := product.ledger()).events < events or ledger.waiting:
        assert time.monotonic() < deadline, ledger
        time.sleep(1)


def test_a_driver_outlives_the_restart_of_the_broker(home: Path) -> None:
    product = shop()
    with refine_running(home) as driver:
        sent = product.send(1_000)["events"]
        wait_until_refined(product, sent)
        sent += product.send(1_000, seed=2)["events"]
        kill("kafka")
        services.up(quiet)
        sent += product.send(1_000, seed=3)["events"]
        wait_until_refined(product, sent)
        assert driver.poll() is None


def test_a_lost_lake_ends_the_driver_and_comes_back_from_kafka(home: Path) -> None:
    product = shop()
    before = product.ledger()
    with refine_running(home) as driver:
        sent = before.events + product.send(1_000, seed=4)["events"]
        wait_until_refined(product, sent)
        sent += product.send(1_000, seed=5)["events"]
        kill("localstack")
        said = pulseiq("up")
        assert driver.wait(PATIENCE_SECONDS) > 0
    assert f"rebuilding the lake from {sent:,} records" in said
    product = shop()
    assert product.assert_whole().events == sent

    sent += product.send(1_000, seed=6)["events"]
    pulseiq("run", "live", "shop", "--once")
    assert product.assert_whole().events == sent
