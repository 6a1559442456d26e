"""Services, two days of the shop's events in the lake, and Airflow, all of this session's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import contract as contracts
from pipelines.platform import airflow, kafka, package, ports, toolchain
from pipelines.platform import services as local_services
from pipelines.platform.settings import Settings, local_endpoints
from tests.airflow.api import Api, States
from tests.airflow.traffic import sent
from tests.products import Product


@pytest.fixture(scope="session")
def shop(services: Settings) -> Product:
    """The shop, two days of it in every table, and what its jobs need in the artifacts bucket."""
    product = Product(services, contracts.load("shop"))
    kafka.ensure_topics(services, product.contract)
    sent(product, malformed=0.002)
    package.publish(services, echo=lambda line: None)
    return product


@pytest.fixture(scope="session")
def database(shop: Product) -> Iterator[None]:
    """Airflow's database and pools, in the home of the services."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PULSEIQ_AIRFLOW_PORT", str(ports.free_port(31_000)))
        command = toolchain.airflow()
        for words in (["db", "migrate"], ["pools", "import", str(airflow.DAGS / "pools.json")]):
            done = subprocess.run([command, *words], env=airflow.environment(local_endpoints()), capture_output=True)
            assert done.returncode == 0, done.stderr
        yield


@pytest.fixture(scope="session")
def api(database: None) -> Iterator[Api]:
    """Airflow's own processes: its scheduler takes up every run that it finds, so tests without it come first."""
    local_services.up_airflow(lambda line: None)
    try:
        api = Api(airflow.address(local_endpoints()))
        names = {file.stem for file in airflow.DAGS.glob("*.py")}
        api.until(lambda: names <= {each["dag_id"] for each in api("GET", "/api/v2/dags")["dags"]}, "no DAGs are read")
        yield api
    finally:
        local_services.down_airflow(lambda line: None)


@pytest.fixture(scope="session")
def tested(database: None) -> Callable[..., States]:
    """Runs a DAG by `dag.test()`, in Airflow's environment, against the emulator; returns the states of its tasks."""

    def run(dag: str, **params: Any) -> States:
        python = toolchain.airflow().with_name("python")
        script = Path(__file__).with_name("one_dag.py")
        done = subprocess.run(
            [python, script, dag, json.dumps(params)],
            env=airflow.environment(local_endpoints()),
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        states: States = json.loads(done.stdout.splitlines()[-1])
        return states

    return run
