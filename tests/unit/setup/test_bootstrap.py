"""The command as a person runs it: refusals are one line that says what to do, and a finished set-up costs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone that has what the set-up reads, and nothing set up."""
    target = tmp_path / "clone"
    for name in ("scripts", "requirements", "localstack"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "ivy.xml"):
        shutil.copy(ROOT / name, target / name)
    return target


def programs(tmp_path: Path, **scripts: str) -> str:
    """A PATH that holds only the given shell scripts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in scripts.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    return str(folder)


def bootstrap(clone: Path, *arguments: str, python: Path | str = sys.executable, **environment: str):
    ours = () if clone == ROOT else ("PULSEIQ_HOME", "PULSEIQ_TOOLS")
    kept = {key: value for key, value in os.environ.items() if key not in ours}
    return subprocess.run(
        [python, clone / "scripts" / "bootstrap", *arguments],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_refused(outcome, *words: str) -> None:
    assert outcome.returncode == 5, outcome
    assert len(outcome.stderr.strip().splitlines()) == 1, outcome.stderr
    for word in (*words, "| next:"):
        assert word in outcome.stderr


def test_too_little_memory_is_refused_with_both_figures(clone: Path):
    outcome = bootstrap(clone, "--least-memory", "100000")
    assert_refused(outcome, "GB of memory are free", "100000 GB are needed")


def test_a_python_without_pip_and_venv_is_told_the_apt_line(clone: Path, tmp_path: Path):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    # Isolated mode finds no pip; the failing venv is what Ubuntu's python3 without python3-venv does.
    (clone / "scripts" / "pip.py").write_text("raise SystemExit(1)")
    (clone / "scripts" / "venv.py").write_text("raise SystemExit(1)")
    outcome = bootstrap(clone, "--least-memory", "0", PATH=programs(tmp_path), PYTHONPATH=str(clone / "scripts"))
    assert_refused(outcome, f"sudo apt install python{version}-venv")


def test_a_download_without_network_is_tried_again_and_then_explained(clone: Path, tmp_path: Path):
    path = programs(
        tmp_path,
        uv='case "$1" in --version) echo "uv 9.9.9";; venv) exit 0;; '
        f'*) echo "error: dns error: failed to lookup address information"; echo try >>{tmp_path}/tries; exit 1;; esac',
    )
    outcome = bootstrap(clone, "--least-memory", "0", PATH=f"{path}:/usr/bin:/bin")
    assert_refused(outcome, "no network")
    assert (tmp_path / "tries").read_text().count("try") == 3


def test_a_full_disk_is_not_tried_again(clone: Path, tmp_path: Path):
    path = programs(
        tmp_path,
        uv='case "$1" in --version) echo "uv 9.9.9";; venv) exit 0;; '
        f'*) echo "error: No space left on device (os error 28)"; echo try >>{tmp_path}/tries; exit 2;; esac',
    )
    outcome = bootstrap(clone, "--least-memory", "0", PATH=f"{path}:/usr/bin:/bin")
    assert_refused(outcome, "the disk is full")
    assert (tmp_path / "tries").read_text().count("try") == 1


def test_the_tools_of_another_clone_are_left_as_they_are(clone: Path, tmp_path: Path):
    package = tmp_path / "tools/envs/pipelines/lib/python3.12/site-packages/pulseiq-0.1.0.dist-info"
    package.mkdir(parents=True)
    (package / "direct_url.json").write_text(f'{{"url": "{ROOT.as_uri()}", "dir_info": {{"editable": true}}}}')
    path = programs(tmp_path, uv=f'echo "uv 9.9.9"; echo "$1" >>{tmp_path}/tries')
    tools = str(tmp_path / "tools")
    outcome = bootstrap(clone, "--least-memory", "0", PATH=f"{path}:/usr/bin:/bin", PULSEIQ_TOOLS=tools)
    assert_refused(outcome, f"another clone, {ROOT}", "PULSEIQ_TOOLS")
    assert not (tmp_path / "tries").exists()
    assert not (tmp_path / "tools" / "stamps").exists()


def test_what_is_to_do_is_listed_without_doing_it(clone: Path):
    outcome = bootstrap(clone, "--check", "--least-memory", "0")
    assert outcome.returncode == 1
    assert "pipelines" in outcome.stdout
    assert "jars" in outcome.stdout
    assert not (clone / ".pulseiq").exists()


def test_help_works_without_anything_installed(clone: Path):
    outcome = bootstrap(clone, "--help")
    assert outcome.returncode == 0
    assert "--least-memory" in outcome.stdout


def test_a_finished_setup_takes_under_a_third_of_a_second():
    """On the clone that these tests run in, which is set up, or they would not run."""
    if bootstrap(ROOT, "--check", "--least-memory", "0").returncode:
        pytest.fail("this clone is not set up: make setup")
    times = []
    for _ in range(5):
        started = time.monotonic()
        outcome = bootstrap(ROOT, "--quiet", "--least-memory", "0")
        times.append(time.monotonic() - started)
        assert outcome.stdout == ""
    assert min(times) < 0.3
