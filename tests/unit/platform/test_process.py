"""Programs in the background, with small real ones in place of Kafka and LocalStack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipelines.errors import ServiceError
from pipelines.platform import ports, process
from pipelines.platform.process import Launch, Program

# Listens on its port, has a child of its own, and ends at TERM.
LISTENER = """
import socket, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("child", child.pid, flush=True)
time.sleep(120)
"""

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(120)
"""

# As Airflow's workers: a child that has lost its mark and does not heed TERM, which its leader does.
RENAMED = """
import subprocess, sys, time
deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(120)"
child = subprocess.Popen([sys.executable, "-c", deaf], env={})
print("child", child.pid, flush=True)
time.sleep(120)
"""


Make = Callable[..., Program]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes programs that are ended, whatever the test did to their files."""
    made: list[Program] = []

    def program(source: str = LISTENER, name: str = "listener") -> Program:
        port = ports.free_port(20_000 + os.getpid() * 37 % 11_000)
        launch = Launch([sys.executable, "-c", source, str(port)], dict(os.environ), tmp_path)
        made.append(Program(name, name.title(), port, "PULSEIQ_TEST_PORT", tmp_path, lambda: launch, lambda: "ok", 0.5))
        return made[-1]

    yield program
    for each in made:
        process.stop(each)


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_a_started_program_is_found_again_and_leads_its_own_session(make: Make) -> None:
    program = make()
    started = process.start(program)
    assert process.find(program) == started
    assert os.getsid(started.pid) == started.pid != os.getsid(0)
    wait_for(lambda: ports.listening(program.port))


def test_a_program_knows_the_port_that_it_was_started_with(make: Make) -> None:
    program = make()
    started = process.start(program)
    assert process.other_port(program, started) is None
    assert process.other_port(replace(program, port=program.port + 1), started) == program.port


def test_stop_ends_the_whole_group_and_a_second_stop_finds_nothing(make: Make) -> None:
    program = make()
    process.start(program)
    wait_for(lambda: "child" in program.log_file.read_text())
    child = psutil.Process(int(program.log_file.read_text().split()[1]))
    wait_for(lambda: len(process.members(program)) == 2)
    assert process.stop(program)
    wait_for(lambda: not process.alive(child))
    assert process.find(program) is None
    assert not program.pid_file.exists()
    assert not ports.listening(program.port)
    assert not process.stop(program)


def test_what_its_dead_leader_left_behind_is_ended_too(make: Make) -> None:
    program = make()
    leader = process.start(program)
    wait_for(lambda: "child" in program.log_file.read_text())
    child = psutil.Process(int(program.log_file.read_text().split()[1]))
    leader.kill()
    wait_for(lambda: not process.alive(leader))
    assert process.alive(child)
    assert process.find(program) is None
    assert process.stop(program)
    assert not process.alive(child)


def test_a_program_that_ignores_term_is_killed_after_its_grace(make: Make) -> None:
    program = make(STUBBORN, "stubborn")
    leader = process.start(program)
    wait_for(lambda: "ready" in program.log_file.read_text())
    began = time.monotonic()
    assert process.stop(program)
    assert 0.5 <= time.monotonic() - began < 5.0
    assert not process.alive(leader)


def test_a_pid_that_another_program_got_is_neither_found_nor_killed(make: Make) -> None:
    program = make()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        program.pid_file.parent.mkdir(parents=True)
        program.pid_file.write_text(json.dumps({"pid": stranger.pid, "start": "another boot/1"}))
        assert process.find(program) is None
        assert not process.stop(program)
        assert stranger.poll() is None
        assert not program.pid_file.exists()
    finally:
        stranger.kill()
        stranger.wait(10)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "start": 1}', '{"pid": 999999999, "start": "a/1"}'])
def test_a_broken_or_dead_pid_file_means_not_running(make: Make, content: str) -> None:
    program = make()
    program.pid_file.parent.mkdir(parents=True)
    program.pid_file.write_text(content)
    assert process.find(program) is None
    started = process.start(program)
    assert process.find(program) == started


def test_a_program_without_its_pid_file_is_adopted(make: Make) -> None:
    program = make()
    started = process.start(program)
    program.pid_file.unlink()
    assert process.find(program) == started
    assert program.pid_file.exists()


def test_the_same_program_of_another_home_is_left_alone(make: Make, tmp_path: Path) -> None:
    program = make()
    started = process.start(program)
    other = Program("listener", "Listener", 1, "X", tmp_path / "other", program.prepare, program.probe)
    assert process.find(other) is None
    assert not process.stop(other)
    assert process.alive(started)


def test_a_taken_port_names_its_owner_and_the_variable_that_changes_it(make: Make) -> None:
    first = make()
    owner = process.start(first)
    wait_for(lambda: ports.listening(first.port))
    second = Program("other", "Other", first.port, "PULSEIQ_OTHER_PORT", first.home, first.prepare, first.probe)
    with pytest.raises(ServiceError, match=rf"port {first.port}.*Other.*pid {owner.pid}") as caught:
        process.start(second)
    assert "export PULSEIQ_OTHER_PORT=" in (caught.value.hint or "")
    proposed = int((caught.value.hint or "").rpartition("=")[2])
    assert proposed != first.port
    assert not ports.listening(proposed)


def test_the_previous_log_is_kept_beside_the_new_one(make: Make) -> None:
    program = make(STUBBORN, "stubborn")
    for _ in range(2):
        process.start(program)
        wait_for(lambda: "ready" in program.log_file.read_text())
        process.stop(program)
    assert (program.home / "log" / "stubborn.previous.log").read_text() == "ready\n"
    assert process.last_lines(program) == "ready"


def test_a_foreground_program_that_takes_too_long_is_interrupted_with_its_children(tmp_path: Path) -> None:
    source = "import subprocess,sys,time\nc=subprocess.Popen(['sleep','60']);print(c.pid,flush=True)\ntime.sleep(60)"
    log = tmp_path / "log" / "tool.log"
    launch = Launch([sys.executable, "-c", source], dict(os.environ), tmp_path)
    assert process.run_in_group(launch, log, 1.0) == 124
    child = int(log.read_text().split()[0])
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_foreground_programs_exit_code_is_its_own(tmp_path: Path) -> None:
    log = tmp_path / "tool.log"
    launch = Launch([sys.executable, "-c", "print('said'); raise SystemExit(3)"], dict(os.environ), tmp_path)
    assert process.run_in_group(launch, log, 20.0) == 3
    assert log.read_text() == "said\n"


def test_what_outlives_its_leader_and_has_lost_its_mark_is_ended_too(make: Make) -> None:
    program = make(RENAMED, "renamed")
    process.start(program)
    wait_for(lambda: "deaf" in program.log_file.read_text() and "child" in program.log_file.read_text())
    (said,) = (line for line in program.log_file.read_text().splitlines() if line.startswith("child"))
    child = psutil.Process(int(said.split()[1]))
    assert process.stop(program)
    assert not process.alive(child)
