"""The life of the local services, told in order: each test goes on where the one before it stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from pipelines.errors import ServiceError
from pipelines.platform import epoch, kafka, ports, process, services
from pipelines.platform import settings as configuration
from pipelines.platform.settings import Settings

PULSEIQ = [sys.executable, "-m", "pipelines.cli.main"]


@dataclass(frozen=True)
class Product:
    topic: str = "life.events"
    redrive_topic: str = "life.redrive"
    decisions_topic: str = "life.decisions"


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, own_services: Callable[[Path], AbstractContextManager[Path]]
) -> Iterator[Path]:
    """Services of this module alone: they are killed here."""
    with own_services(tmp_path_factory.mktemp("life")) as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("PULSEIQ_STORAGE", "localstack")  # that of a store is told in test_storage
        yield folder


def pulseiq(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PULSEIQ, *words], capture_output=True, text=True, timeout=240)


def pids() -> dict[str, int | None]:
    return {state.name: state.pid for state in services.status().services}


def quiet(line: str) -> None:
    """Takes the place of print."""


def test_two_calls_of_up_at_once_start_one_of_each(home: Path) -> None:
    both = [
        subprocess.Popen([*PULSEIQ, "up", "--no-rebuild"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [one.communicate(timeout=280)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert sum("already runs" in text for text in said) == 1, said
    assert sum("Terraform: applied" in text for text in said) == 1, said
    assert services.status().healthy
    for program in services.programs(configuration.local_endpoints()):
        leaders = [each for each in process.members(program) if os.getpgid(each.pid) == each.pid]
        assert len(leaders) == 1


def test_up_again_leaves_everything_alone_and_is_quick(home: Path) -> None:
    before, began = pids(), time.monotonic()
    services.up(quiet)
    assert time.monotonic() - began < 15
    assert pids() == before


def test_a_variable_that_says_another_port_ends_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, port = pids(), configuration.local_endpoints().kafka_port
    monkeypatch.setenv("PULSEIQ_KAFKA_PORT", str(port + 1))
    refused = pulseiq("up", "--no-rebuild")
    assert refused.returncode == 2
    assert f"runs on 127.0.0.1:{port}, and PULSEIQ_KAFKA_PORT now says {port + 1}" in refused.stderr
    assert f"runs on port {port}" in pulseiq("status").stdout
    monkeypatch.setenv("PULSEIQ_KAFKA_PORT", str(port))
    assert pids() == before


def test_nothing_listens_beyond_this_machine(home: Path) -> None:
    for program in services.programs(configuration.local_endpoints()):
        listening = [
            connection.laddr.ip
            for member in process.members(program)
            for connection in member.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert listening
        assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_status_and_doctor_say_so_in_both_forms(home: Path) -> None:
    plain, machine, doctor = pulseiq("status"), pulseiq("status", "--output", "json"), pulseiq("doctor")
    assert (plain.returncode, machine.returncode, doctor.returncode) == (0, 0, 0), doctor.stdout + doctor.stderr
    assert "\x1b" not in plain.stdout + doctor.stdout
    answer = json.loads(machine.stdout)
    assert answer["healthy"] is True
    assert {each["name"]: each["state"] for each in answer["services"]} == {"kafka": "healthy", "localstack": "healthy"}
    assert str(pids()["kafka"]) in plain.stdout
    known = configuration.local_endpoints()
    for word in ("4.1.1", "4.10.0", "4.0.2", known.bootstrap_servers, str(known.endpoint_url)):
        assert word in doctor.stdout


def test_a_killed_localstack_is_noticed_provisioned_anew_and_the_lake_rebuilt(home: Path) -> None:
    settings = configuration.load()
    before, key = epoch.current(settings), settings.kms_key_arn
    kafka.ensure_topics(settings, Product())
    producer = kafka.producer(settings)
    producer.produce(Product.topic, b"kept")
    assert producer.flush(20) == 0
    killed = pids()["localstack"]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until_gone(killed)

    assert pulseiq("status").returncode == 4
    rebuilt: list[Settings] = []
    said: list[str] = []
    settings = services.up(said.append, rebuild=lambda found, _: rebuilt.append(found))

    assert services.status().healthy
    assert pids()["kafka"] is not None
    assert epoch.current(settings) not in (None, before)
    assert settings.kms_key_arn != key
    assert rebuilt == [settings]
    assert any("1 records" in line for line in said), said
    assert sum(kafka.end_offsets(settings, Product.topic).values()) == 1


def test_a_rebuild_that_broke_off_is_due_until_it_succeeds(home: Path) -> None:
    (home / "run" / "rebuild-due").touch()  # as after an `up` that was killed before its rebuild

    def fail(settings: Settings, echo: object) -> None:
        raise ServiceError("no room")

    with pytest.raises(ServiceError, match="no room"):
        services.up(quiet, rebuild=fail)
    services.up(quiet)  # one that cannot rebuild leaves it due
    rebuilt: list[Settings] = []
    for _ in range(2):
        services.up(quiet, rebuild=lambda found, _: rebuilt.append(found))
    assert len(rebuilt) == 1


def test_a_killed_kafka_comes_back_with_its_records(home: Path) -> None:
    settings = configuration.load()
    killed = pids()["kafka"]
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until_gone(killed)
    assert services.status().services[0].state == "down"
    services.up(quiet)
    assert services.status().healthy
    assert sum(kafka.end_offsets(settings, Product.topic).values()) == 1


def test_a_program_that_no_longer_answers_is_started_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_ANSWER_SECONDS", 3.0)
    stuck = pids()["localstack"]
    assert stuck is not None
    os.kill(stuck, signal.SIGSTOP)
    said: list[str] = []
    services.up(said.append)
    assert any("does not answer" in line for line in said), said
    assert pids()["localstack"] not in (None, stuck)
    assert services.status().healthy


def test_down_ends_every_process_and_nothing_else(home: Path) -> None:
    programs = services.programs(configuration.local_endpoints())
    members = [member for program in programs for member in process.members(program)]
    assert len(members) >= 2
    with bystander() as other:
        assert pulseiq("down").returncode == 0
        assert other.poll() is None
    assert [member for member in members if process.alive(member)] == []
    assert not any(ports.listening(program.port) for program in programs)
    again = pulseiq("down")
    assert again.returncode == 0
    assert again.stdout.count("was not running") == 2
    assert pulseiq("status").returncode == 4


def test_a_taken_port_is_one_clear_line_with_its_owner_and_the_way_out(home: Path) -> None:
    known = configuration.local_endpoints()
    with socket.create_server(("127.0.0.1", known.aws_port)):
        refused = pulseiq("up", "--no-rebuild")
    assert refused.returncode == 4
    assert len(refused.stderr.strip().splitlines()) == 1
    for word in (str(known.aws_port), "LocalStack", f"pid {os.getpid()}", "PULSEIQ_AWS_PORT"):
        assert word in refused.stderr
    assert {state.state for state in services.status().services} == {"down"}


@contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], start_new_session=True)
    try:
        yield other
    finally:
        other.kill()
        other.wait(10)


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.05)
