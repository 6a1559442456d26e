"""`up`, `down` and `status` of the local services: Kafka, LocalStack, a store of buckets, and what Terraform makes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

import psutil

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import airflow, broker, kafka, localstack, minio, package, ports, process, provision, toolchain
from pipelines.platform import settings as configuration
from pipelines.platform.process import Program
from pipelines.platform.settings import Endpoints, Settings
from pipelines.platform.terraform import STACK

Echo = Callable[[str], object]

_START_SECONDS = 120.0
_LOCK_SECONDS = 300.0
_ANSWER_SECONDS = 15.0


@dataclass(frozen=True)
class ServiceState:
    """One service as it is now. `memory_mb` is resident, over all its processes."""

    name: str
    title: str
    address: str
    state: str  # "healthy", "not answering", "down"
    pid: int | None = None
    detail: str = ""
    seconds: float | None = None
    memory_mb: int | None = None


@dataclass(frozen=True)
class Status:
    """All services; `provisioned` is in words, None when LocalStack holds what it must."""

    services: tuple[ServiceState, ...]
    unprovisioned: str | None

    @property
    def healthy(self) -> bool:
        """Whether everything that a run needs is there."""
        return self.unprovisioned is None and all(service.state == "healthy" for service in self.services)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "services": [asdict(service) for service in self.services], "healthy": self.healthy}


def programs(known: Endpoints) -> tuple[Program, ...]:
    """The local services, in the order they are shown."""
    storage = (minio.program(known),) if known.own_storage else ()
    return (broker.program(known), *storage, localstack.program(known))


def extras(known: Endpoints) -> tuple[Program, ...]:
    """Services that are started only when asked for; a store that was, by an `up` that knew of it, among them."""
    return (airflow.program(known), *(() if known.own_storage else (minio.program(known),)))


def up_airflow(echo: Echo = print) -> str:
    """Start Airflow beside the other services, which must be up; returns its address."""
    known = configuration.local_endpoints()
    configuration.load()
    with _alone(known, echo):
        _start((airflow.program(known),), echo)
    return airflow.address(known)


def down_airflow(echo: Echo = print) -> None:
    """End every process of Airflow."""
    known = configuration.local_endpoints()
    with _alone(known, echo):
        echo("Airflow: ended" if process.stop(airflow.program(known)) else "Airflow: was not running")


def up(echo: Echo = print, *, rebuild: Callable[[Settings, Echo], object] | None = None) -> Settings:
    """Start what does not run, apply Terraform where it is needed, and wait until all of it answers.

    Safe to call again and from several processes at once.

    Args:
        echo: called with one line for each thing done.
        rebuild: fills the lake from Kafka; called when its bucket was gone and Kafka still has records. Without it the
            lake stays empty, and the next call that has one catches up.

    Raises:
        UsageError: what runs has its buckets in another store.
        SetupError: a tool is missing, or the package of jobs was not built.
        ServiceError: a port is taken, a service does not start, Terraform failed.
    """
    known = configuration.local_endpoints()
    due = known.home / "run" / "rebuild-due"
    with _alone(known, echo):
        provision.refuse_another_store(known)
        if known.supervised and known.own_storage:
            toolchain.minio()  # no set-up brings it: missed before anything is started
        (_start if known.supervised else _await)(programs(known), echo)
        why = provision.reason(known)
        if why is None:
            echo("Terraform: nothing to do")
        else:
            began = time.monotonic()
            echo(f"Terraform: {why}, applying {STACK.relative_to(configuration.PROJECT_ROOT)}")
            if provision.lake_is_gone(known):
                due.touch()
            provision.apply(known, echo)
            echo(f"Terraform: applied in {time.monotonic() - began:.1f} s")
    settings = configuration.load()
    if why is not None and settings.emr_application_id is not None:
        # A LocalStack that forgot its buckets forgot what jobs are made of, too, and Airflow goes on starting them.
        package.publish(settings, echo=lambda line: None)
    if due.exists() and rebuild is not None:
        _rebuild(settings, rebuild, echo)
        due.unlink(missing_ok=True)
    return settings


def down(echo: Echo = print) -> None:
    """End every process of the services; Kafka's records stay, and a store's buckets. What LocalStack holds is gone."""
    known = configuration.local_endpoints()
    if not known.supervised:
        problem = "PULSEIQ_SERVICES is 'given': whoever started the services ends them"
        raise UsageError(problem, hint="docker compose down, where Compose did")
    with _alone(known, echo):
        wanted = (*programs(known), *(each for each in extras(known) if process.find(each)))
        began = time.monotonic()
        with ThreadPoolExecutor(len(wanted)) as pool:
            ending = {program.title: pool.submit(process.stop, program) for program in wanted}
            for title, ended in ending.items():
                ran = ended.result()
                echo(f"{title}: ended after {time.monotonic() - began:.1f} s" if ran else f"{title}: was not running")


def status() -> Status:
    """What runs, and whether it answers."""
    known = configuration.local_endpoints()
    states = tuple(_state(program, known.supervised) for program in programs(known))
    emulator = states[-1]  # it is shown last
    why = provision.reason(known) if emulator.state == "healthy" else "LocalStack does not answer"
    return Status((*states, *(_state(each, known.supervised) for each in extras(known) if process.find(each))), why)


def state(name: str) -> ServiceState:
    """One service as it is now; UsageError when there is none of this name."""
    known = configuration.local_endpoints()
    return _state(_named(known, name), known.supervised)


def serve(name: str) -> NoReturn:
    """Become one of the services, in the foreground: for containers and service managers.

    Raises:
        UsageError: there is no service of this name.
        ServiceError: its port is taken.
    """
    known = configuration.local_endpoints()
    program = _named(known, name)
    ports.refuse_taken(program.port, program.title, program.port_variable)
    launch = program.prepare()
    os.chdir(launch.cwd)
    os.execve(launch.argv[0], list(launch.argv), dict(launch.env))  # noqa: S606


def _named(known: Endpoints, name: str) -> Program:
    wanted = {program.name: program for program in (*programs(known), *extras(known))}
    if name not in wanted:
        raise UsageError(f"there is no service '{name}'", hint=f"one of: {', '.join(wanted)}")
    return wanted[name]


def _await(wanted: tuple[Program, ...], echo: Echo) -> None:
    """Wait for services that others start."""
    began = time.monotonic()
    for program in wanted:
        while program.probe() is None:
            if time.monotonic() - began > _START_SECONDS:
                raise ServiceError(
                    f"{program.title} does not answer at {ports.LOOPBACK}:{program.port} after {_START_SECONDS:.0f} s",
                    hint="see whoever starts it: PULSEIQ_SERVICES is 'given'",
                )
            time.sleep(0.5)
        echo(f"{program.title}: answers at {ports.LOOPBACK}:{program.port}")


def _start(wanted: tuple[Program, ...], echo: Echo) -> None:
    """Start what is missing, all at once, and wait for all of it."""
    began = time.monotonic()
    running: dict[str, psutil.Process] = {}
    started = set()
    for program in wanted:
        found = process.find(program)
        if found is not None:
            _refuse_moved(program, found)
        if found is not None and _deaf(program):
            echo(f"{program.title}: pid {found.pid} runs but does not answer; starting it anew")
            process.stop(program)
            found = None
        if found is None:
            ports.refuse_taken(program.port, program.title, program.port_variable)
    for program in wanted:
        found = process.find(program)
        if found is None:
            found = process.start(program)
            started.add(program.name)
        running[program.name] = found
    waiting = list(wanted)
    while waiting:
        for program in list(waiting):
            answer = program.probe()
            leader = running[program.name]
            if answer is not None:
                waiting.remove(program)
                word = f"started in {time.monotonic() - began:.1f} s" if program.name in started else "already runs"
                echo(f"{program.title}: {word}, {ports.LOOPBACK}:{program.port}, pid {leader.pid}")
            elif not process.alive(leader):
                raise ServiceError(
                    f"{program.title} ended at its start: {process.last_lines(program)}",
                    hint=f"read {program.log_file}",
                )
            elif time.monotonic() - began > max(_START_SECONDS, program.start_seconds):
                raise ServiceError(
                    f"{program.title} (pid {leader.pid}) does not answer after {time.monotonic() - began:.0f} s",
                    hint=f"read {program.log_file}, then pulseiq down",
                )
        if waiting:
            time.sleep(0.1)


def _refuse_moved(program: Program, leader: psutil.Process) -> None:
    """A program that is well where it is, is not ended because a variable says another port today."""
    port = process.other_port(program, leader)
    if port is not None:
        raise UsageError(
            f"{program.title} (pid {leader.pid}) runs on {ports.LOOPBACK}:{port}, and {program.port_variable} now says "
            f"{program.port}",
            hint=f"pulseiq down, then pulseiq up; or {program.port_variable}={port} for every command",
        )


def _deaf(program: Program) -> bool:
    """Whether a running program does not answer, though it had the time to."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        if program.probe() is not None:
            return False
        if process.find(program) is None:
            return True
        time.sleep(0.2)
    return True


def _state(program: Program, supervised: bool) -> ServiceState:
    address = f"{ports.LOOPBACK}:{program.port}"
    found = process.find(program)
    if found is None:
        answer = None if supervised else program.probe()
        state = "down" if answer is None else "healthy"
        return ServiceState(program.name, program.title, address, state, detail=answer or "")
    answer = program.probe()
    elsewhere = process.other_port(program, found)
    advice = f"runs on port {elsewhere}, see {program.port_variable}" if elsewhere else f"see {program.log_file}"
    members = process.members(program)
    return ServiceState(
        name=program.name,
        title=program.title,
        address=address,
        state="healthy" if answer is not None else "not answering",
        pid=found.pid,
        detail=answer or advice,
        seconds=round(time.time() - found.create_time(), 1),
        memory_mb=round(sum(process.memory(member) for member in members) / 2**20),
    )


def _rebuild(settings: Settings, rebuild: Callable[[Settings, Echo], object], echo: Echo) -> None:
    records = sum(
        end - kafka.beginning_offsets(settings, topic).get(partition, 0)
        for topic in kafka.topics(settings)
        if not topic.startswith("__")
        for partition, end in kafka.end_offsets(settings, topic).items()
    )
    if records:
        echo(f"lake: its bucket was gone and Kafka has {records:,} records; rebuilding from them")
        rebuild(settings, echo)


@contextmanager
def _alone(known: Endpoints, echo: Echo) -> Iterator[None]:
    """One `up` or `down` at a time; the others wait, and say for whom."""
    file = known.home / "run" / "services.lock"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    except OSError as error:
        problem = f"PULSEIQ_HOME is {known.home}, and nothing can be written there: {error.strerror}"
        raise UsageError(problem, hint="set it to a folder that you may write to, or leave it out") from error
    deadline = time.monotonic() + _LOCK_SECONDS
    said = False
    with file.open("a+") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip() or "unknown"
                if time.monotonic() > deadline:
                    raise ServiceError(
                        f"another `pulseiq up` or `down` (pid {holder}) is at work since {_LOCK_SECONDS:.0f} s",
                        hint="wait for it, or end it",
                    ) from None
                if not said:
                    echo(f"waiting for another `pulseiq up` or `down` (pid {holder})")
                    said = True
                time.sleep(0.2)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
