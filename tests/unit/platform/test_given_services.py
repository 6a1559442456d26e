"""Services that somebody else starts and ends, as Docker Compose does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipelines.errors import ServiceError, SetupError, UsageError
from pipelines.platform import broker, minio, ports, services, settings


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing runs, and nothing may be started."""
    kafka_port = ports.free_port(31_100)
    for name, value in {
        "PULSEIQ_ENV": "local",
        "PULSEIQ_SERVICES": "given",
        "PULSEIQ_LISTEN": "0.0.0.0",
        "PULSEIQ_HOME": str(tmp_path),
        "PULSEIQ_KAFKA_PORT": str(kafka_port),
        "PULSEIQ_AWS_PORT": str(ports.free_port(kafka_port + 1)),
        "PULSEIQ_STORAGE": "localstack",
        "PULSEIQ_STORAGE_PORT": "19000",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("given")
def test_they_listen_where_they_are_told_and_send_clients_to_loopback(tmp_path: Path) -> None:
    known = settings.endpoints()
    text = broker.server_properties(known.kafka_port, 1, tmp_path, known.listen)
    assert f"listeners=PLAINTEXT://0.0.0.0:{known.kafka_port}," in text
    assert f"advertised.listeners=PLAINTEXT://127.0.0.1:{known.kafka_port}\n" in text
    assert known.endpoint_url == f"http://127.0.0.1:{known.aws_port}"


@pytest.mark.usefixtures("given")
def test_up_waits_for_them_and_says_which_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_START_SECONDS", 0.1)
    with pytest.raises(ServiceError, match="Kafka does not answer"):
        services.up(lambda line: None)


@pytest.mark.usefixtures("given")
def test_a_home_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.touch()
    for home in ("/proc/x", str(file)):
        monkeypatch.setenv("PULSEIQ_HOME", home)
        with pytest.raises(UsageError, match=f"PULSEIQ_HOME is {home}, and nothing can be written there"):
            services.up(lambda line: None)


@pytest.mark.usefixtures("given")
def test_a_store_is_one_of_them_only_where_it_is_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def names() -> list[str]:
        return [program.name for program in services.programs(settings.endpoints())]

    assert names() == ["kafka", "localstack"]
    monkeypatch.setenv("PULSEIQ_STORAGE", "http://127.0.0.1:19000")
    assert names() == ["kafka", "localstack"]
    monkeypatch.setenv("PULSEIQ_STORAGE", "minio")
    assert names() == ["kafka", "minio", "localstack"]
    monkeypatch.setenv("PULSEIQ_MINIO", sys.executable)
    launch = minio.prepare(settings.endpoints())
    assert launch.argv[0] == sys.executable
    assert launch.argv[-1] == str(tmp_path / "data" / "minio")
    assert "0.0.0.0:19000" in launch.argv


@pytest.mark.usefixtures("given")
def test_nothing_is_started_where_the_store_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PULSEIQ_SERVICES", "PULSEIQ_LISTEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PULSEIQ_STORAGE", "minio")
    monkeypatch.setenv("PULSEIQ_MINIO", "nowhere/minio")
    with pytest.raises(SetupError, match="PULSEIQ_MINIO is 'nowhere/minio'"):
        services.up(lambda line: None)
    assert {state.state for state in services.status().services} == {"down"}


@pytest.mark.usefixtures("given")
def test_down_leaves_them_to_whoever_started_them() -> None:
    with pytest.raises(UsageError, match="whoever started the services"):
        services.down()


@pytest.mark.usefixtures("given")
def test_status_of_one_is_down_while_it_does_not_answer() -> None:
    assert services.state("kafka").state == "down"
    with pytest.raises(UsageError, match="no service 'zookeeper'"):
        services.state("zookeeper")


@pytest.mark.parametrize(
    ("variable", "value"), [("PULSEIQ_SERVICES", "docker"), ("PULSEIQ_LISTEN", "everywhere"), ("PULSEIQ_LISTEN", "::")]
)
def test_a_setting_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UsageError, match=f"{variable} is '{value}'"):
        settings.endpoints()
