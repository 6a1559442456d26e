"""Real Kafka and LocalStack, provisioned by Terraform, in a home and on ports of their own; ended whatever happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from pipelines.platform import ports
from pipelines.platform import services as local_services
from pipelines.platform import spark as sparks
from pipelines.platform.settings import Settings
from tests.products import Product

# Below the range from which the system takes ports for outgoing connections.
_FIRST_PORT, _LAST_PORT = 20_000, 31_000
# `dags` runs in Airflow's environment, which has no Spark: `make test-dags`. `airflow` needs that one as well as ours:
# `make airflow-test`.
collect_ignore = ["dags", "airflow"]
# What a person says about the tests' own services: where the tools are, and in which store their buckets.
_KEPT = ("PULSEIQ_TOOLS", "PULSEIQ_STORAGE", "PULSEIQ_MINIO")
_SERVICES = {"integration": pytest.mark.integration, "chaos": pytest.mark.chaos}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in these folders needs the services, or starts its own."""
    here = Path(__file__).parent
    for item in items:
        for folder, mark in _SERVICES.items():
            if item.path.is_relative_to(here / folder):
                item.add_marker(mark)


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of running services; every test of the session shares them, so use topics and prefixes of your own."""
    with _own_services(tmp_path_factory.mktemp("services")):
        yield local_services.up()


@pytest.fixture(scope="session")
def own_services() -> Callable[[Path], AbstractContextManager[Path]]:
    """For tests that kill services: the environment of others, not started yet, in a folder, ended with the context."""
    return _without_application


@contextmanager
def _without_application(home: Path) -> Iterator[Path]:
    """No Spark application: Terraform waits half a minute before it first asks after one, at each start anew."""
    with _own_services(home) as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("PULSEIQ_TERRAFORM_VARS", "compute=null")
        yield folder


@pytest.fixture(scope="session")
def spark(services: Settings) -> Iterator[SparkSession]:
    """The session that drivers of the shared services run in, configured as theirs."""
    spark = sparks.session(services, "tests")
    yield spark
    # A test of transformations may have taken its place.
    if SparkSession._instantiatedSession is spark:
        sparks.stop(spark)


@pytest.fixture
def commands_in_session(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that a test invokes use its session; one of their own, with less memory, ends its JVM."""
    monkeypatch.setattr(sparks, "session", lambda *_arguments, **_options: spark)


@pytest.fixture(scope="session")
def new_product(services: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Product]:
    """Makes products that no other test knows, on the shared services."""
    return lambda: Product.new(services, tmp_path_factory.mktemp("contract"))


@contextmanager
def _own_services(home: Path) -> Iterator[Path]:
    """The environment of services that are not started yet, in `home`; ends whatever was started."""
    # A pytest of another process looks for its ports elsewhere.
    first = _FIRST_PORT + os.getpid() * 37 % (_LAST_PORT - _FIRST_PORT)
    kafka_port = ports.free_port(first)
    aws_port = ports.free_port(kafka_port + 20)
    storage_port = ports.free_port(aws_port + 20)
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.startswith(("PULSEIQ_", "AWS_ENDPOINT_URL")) and name not in _KEPT:
                environment.delenv(name)
        environment.setenv("PULSEIQ_HOME", str(home))
        environment.setenv("PULSEIQ_KAFKA_PORT", str(kafka_port))
        environment.setenv("PULSEIQ_AWS_PORT", str(aws_port))
        environment.setenv("PULSEIQ_STORAGE_PORT", str(storage_port))
        try:
            yield home
        finally:
            local_services.down(lambda line: None)
