"""Programs in the background: started in a session of their own, found again by a later command, ended as a whole.

A pid alone is no proof: pids are used again. A program is recognised by its pid together with its start, and every
process of it by a mark in its environment, so that nothing else is ever killed and nothing of it is left behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipelines.errors import ServiceError
from pipelines.platform import ports

_MARK = "PULSEIQ_SERVICE"
_PORT = "PULSEIQ_SERVICE_PORT"

# Children of this process; kept so that the dead ones can be reaped.
_children: list[subprocess.Popen[bytes]] = []


def inherited() -> dict[str, str]:
    """What a program of ours has from the user's environment; all else it is given."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}


@dataclass(frozen=True)
class Launch:
    """How to start a program. `env` is its whole environment."""

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True)
class Program:
    """A program in the background: its name, its port, and what is needed to start it and to ask after its health.

    `prepare` writes its configuration and says how it is started; `probe` returns what the program says about itself,
    or None while it does not answer.
    """

    name: str
    title: str
    port: int
    port_variable: str
    home: Path
    prepare: Callable[[], Launch]
    probe: Callable[[], str | None]
    grace_seconds: float = 15.0  # between TERM and KILL
    start_seconds: float = 0.0  # until it answers, where it takes longer than others

    @property
    def pid_file(self) -> Path:
        """Pid and start of the running program."""
        return self.home / "run" / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        """What the program prints; the previous run's is beside it."""
        return self.home / "log" / f"{self.name}.log"

    @property
    def mark(self) -> str:
        """Value of the environment variable that all its processes carry."""
        return f"{self.name}@{self.home}"


def find(program: Program) -> psutil.Process | None:
    """The running program; None when there is none, whatever the pid file says."""
    _reap()
    recorded = _recorded(program)
    if recorded is not None:
        return recorded
    # The command that started it was killed before it could write the pid file.
    leaders = [process for process in _marked(program) if _is_leader(process)]
    if leaders:
        _write_pid_file(program, leaders[0])
        return leaders[0]
    return None


def start(program: Program) -> psutil.Process:
    """Start the program in a session of its own and write its pid file.

    Raises:
        ServiceError: its port is taken; the message names the owner and the variable that changes the port.
    """
    ports.refuse_taken(program.port, program.title, program.port_variable)
    launch = program.prepare()
    for file in (program.pid_file, program.log_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    if program.log_file.exists():
        program.log_file.replace(program.log_file.with_suffix(".previous.log"))
    with program.log_file.open("wb") as log:
        child = subprocess.Popen(
            launch.argv,
            env={**launch.env, _MARK: program.mark, _PORT: str(program.port)},
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(child)
    process = psutil.Process(child.pid)
    _write_pid_file(program, process)
    return process


def stop(program: Program) -> bool:
    """End every process of the program: TERM, after its time of grace KILL. Returns whether there was any."""
    leader = find(program)
    processes = _whole(program, leader)
    if processes:
        _end(processes, signal.SIGTERM, program.grace_seconds)
        # Without its leader a group is known by its mark alone, and a process that renames itself loses its mark.
        left = list({each.pid: each for each in (*processes, *_whole(program, leader)) if alive(each)}.values())
        if _end(left, signal.SIGKILL, 10.0):
            names = ", ".join(str(process.pid) for process in left)
            raise ServiceError(
                f"{program.title} does not end, not even by KILL: pid {names}", hint="restart the machine"
            )
        ports.wait_until_free(program.port)
    program.pid_file.unlink(missing_ok=True)
    return bool(processes)


def members(program: Program) -> list[psutil.Process]:
    """Every process of the running program."""
    return _whole(program, find(program))


def memory(process: psutil.Process) -> int:
    """Resident memory in bytes; 0 when the process has just ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that ended and was not waited for does not."""
    _reap()
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def other_port(program: Program, leader: psutil.Process) -> int | None:
    """The port that a running program was started with, where it is to have another by now."""
    try:
        said = leader.environ().get(_PORT, "")
    except psutil.Error:
        return None
    return int(said) if said.isdecimal() and int(said) != program.port else None


def last_lines(program: Program, count: int = 5) -> str:
    """The end of the program's log, on one line."""
    if not program.log_file.exists():
        return "its log is empty"
    lines = [line.strip() for line in program.log_file.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-count:]) or "its log is empty"


def run_in_group(launch: Launch, log: Path, timeout_seconds: float) -> int:
    """Run a program to its end, its output appended to `log`; returns its exit code, 124 when time was up.

    It is interrupted as a whole, and given time to write its state down, when the time is up or the user interrupts us.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            launch.argv,
            env=dict(launch.env),
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return child.wait(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait(timeout=10)


def _recorded(program: Program) -> psutil.Process | None:
    try:
        record = json.loads(program.pid_file.read_text())
        process = psutil.Process(int(record["pid"]))
        if record["start"] == _start_of(process) and alive(process):
            return process
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        pass
    return None


def _write_pid_file(program: Program, process: psutil.Process) -> None:
    program.pid_file.parent.mkdir(parents=True, exist_ok=True)
    draft = program.pid_file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"pid": process.pid, "start": _start_of(process)}))
    draft.replace(program.pid_file)


def _start_of(process: psutil.Process) -> str:
    """When it started, in a form that a changed clock does not change: ticks since a boot that has an id."""
    stat, boot = Path(f"/proc/{process.pid}/stat"), Path("/proc/sys/kernel/random/boot_id")
    try:
        return f"{boot.read_text().strip()}/{stat.read_text().rpartition(')')[2].split()[19]}"
    except OSError:
        return f"{process.create_time():.2f}"


def _is_leader(process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == process.pid
    except ProcessLookupError:
        return False


def _marked(program: Program) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == program.mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _whole(program: Program, leader: psutil.Process | None) -> list[psutil.Process]:
    """The program's group and everything else that carries its mark."""
    found = {process.pid: process for process in _marked(program)}
    if leader is not None and alive(leader):
        for process in psutil.process_iter():
            try:
                if os.getpgid(process.pid) == leader.pid:
                    found[process.pid] = process
            except ProcessLookupError:
                continue
    return list(found.values())


def _end(processes: Iterable[psutil.Process], number: signal.Signals, seconds: float) -> bool:
    """Signal each and wait; returns whether one is left."""
    waiting = []
    for process in processes:
        try:
            process.send_signal(number)  # psutil refuses when the pid belongs to another process by now
            waiting.append(process)
        except psutil.NoSuchProcess:
            continue
    deadline = time.monotonic() + seconds
    while any(alive(process) for process in waiting) and time.monotonic() < deadline:
        time.sleep(0.05)
    return any(alive(process) for process in waiting)


def _reap() -> None:
    _children[:] = [child for child in _children if child.poll() is None]
