"""The Python environments: finds or brings uv, makes them from hash-locked files, adds the project itself.

An environment runs the code of one clone; that of another clone is refused, not taken over.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from setup.machine import SetupError
from setup.steps import Steps

UV_AT_LEAST = (0, 5)


def environment_for_uv(tools: Path, uv: Path) -> dict[str, str]:
    """uv must use the Python it is given, and leave nothing outside the tools folder where we brought it ourselves."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    # The machine's own certificates, under uv's newer and older name: behind a company's proxy no others work.
    environment.setdefault("UV_SYSTEM_CERTS", "1")
    environment.setdefault("UV_NATIVE_TLS", "1")
    environment.setdefault("UV_HTTP_TIMEOUT", "120")
    environment.pop("VIRTUAL_ENV", None)
    if uv.is_relative_to(tools):
        environment.setdefault("UV_CACHE_DIR", str(tools / "uv-cache"))
    return environment


def find_uv(root: Path, tools: Path, steps: Steps) -> Path:
    """uv from PATH, else the locked one by pip, else by the pip of a virtual environment."""
    on_path = shutil.which("uv")
    if on_path and _uv_version(on_path) >= UV_AT_LEAST:
        return Path(on_path)
    lock = root / "requirements" / "uv.txt"
    locked = _version(lock.read_text(encoding="utf-8"), "uv==")
    by_pip, by_venv = tools / "tools" / "uv", tools / "tools" / "venv"
    for uv in (by_pip / "bin" / "uv", by_venv / "bin" / "uv"):
        if uv.exists() and _uv_version(uv) == locked:
            return uv
    options: tuple[str | Path, ...] = (
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        lock,
    )
    if _succeeds([sys.executable, "-m", "pip", "--version"]):
        shutil.rmtree(by_pip, ignore_errors=True)
        # An option that pip takes from the user's configuration and that excludes --target.
        environment = {**os.environ, "PIP_USER": "0"}
        command: list[str | Path] = [sys.executable, "-m", "pip", "install", "--target", by_pip, *options]
        steps.run("getting uv with pip (about 25 MB)", command, environment=environment)
        return by_pip / "bin" / "uv"
    steps.say("making a virtual environment to get uv with (this Python has no pip)")
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", by_venv], capture_output=True, text=True)
    if made.returncode != 0:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"Python {version} has neither pip nor the venv module", f"sudo apt install python{version}-venv"
        )
    steps.run("getting uv with pip (about 25 MB)", [by_venv / "bin" / "python", "-m", "pip", "install", *options])
    return by_venv / "bin" / "uv"


def make_environment(name: str, root: Path, tools: Path, steps: Steps) -> None:
    """Create or update one environment so that it holds exactly what its lock names."""
    refuse_another_clones(name, root, tools)
    uv = find_uv(root, tools, steps)
    environment = environment_for_uv(tools, uv)
    folder = tools / "envs" / name
    if not _same_python(folder):
        shutil.rmtree(folder, ignore_errors=True)
        creating: list[str | Path] = [uv, "venv", "--quiet", "--python", sys.executable, folder]
        steps.run(f"making the {name} environment", creating, environment=environment)
    python = folder / "bin" / "python"
    lock = root / "requirements" / f"{name}.txt"
    syncing: list[str | Path] = [uv, "pip", "sync", "--python", python, "--require-hashes", lock]
    steps.run(f"installing the {name} packages", syncing, environment=environment)
    _check_imports(name, python)


def install_own(name: str, package: Path, root: Path, tools: Path, steps: Steps) -> None:
    """Install a package of the clone into an environment, editable, with the build tools of its lock and no index."""
    refuse_another_clones(name, root, tools)
    uv = find_uv(root, tools, steps)
    python = tools / "envs" / name / "bin" / "python"
    installing: list[str | Path] = [uv, "pip", "install", "--python", python, "--no-deps", "--no-build-isolation"]
    installing += ["--no-index", "--editable", package]
    what = "the project itself" if package == root else package.relative_to(root)
    steps.run(f"installing {what}", installing, environment=environment_for_uv(tools, uv))


def refuse_another_clones(name: str, root: Path, tools: Path) -> None:
    """Refuse an environment that runs the code of another clone, which would run this one's from then on.

    One below this clone is its own, wherever it was copied from; of a clone that has moved or is gone nothing is left
    to disturb.
    """
    if tools.is_relative_to(root):
        return
    for told in (tools / "envs" / name / "lib").glob("*/site-packages/*.dist-info/direct_url.json"):
        other = _editable(told)
        if other and not other.is_relative_to(root) and (other / "pyproject.toml").is_file():
            raise SetupError(
                f"{tools} runs the code of another clone, {other}", "unset PULSEIQ_TOOLS, or set it to another folder"
            )


def _editable(told: Path) -> Path | None:
    """The folder that an installed package is imported from, where it is not a copy (PEP 610)."""
    content = json.loads(told.read_text(encoding="utf-8"))
    if not content.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(content["url"]).path)).resolve()


def _check_imports(name: str, python: Path) -> None:
    module = {"airflow": "airflow.sdk", "pipelines": "pyspark", "localstack": "localstack"}.get(name)
    if module and not _succeeds([python, "-c", f"import {module}"]):
        raise SetupError(f"the {name} environment cannot import {module}", "make clean, then run it again")


def _same_python(folder: Path) -> bool:
    """Whether the environment is of the running Python's version and still works."""
    check = f"import sys; raise SystemExit(sys.version_info[:2] != {tuple(sys.version_info[:2])})"
    return (folder / "pyvenv.cfg").exists() and _succeeds([folder / "bin" / "python", "-c", check])


def _succeeds(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=300, env=environment).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _uv_version(uv: str | Path) -> tuple[int, ...]:
    """(0,) where it does not run: a version manager's empty shim, for one."""
    try:
        said = subprocess.run([uv, "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    return _version(said, "uv ")


def _version(text: str, before: str) -> tuple[int, ...]:
    """The three numbers that follow `before` at the start of the text."""
    found = re.match(rf"{before}(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(number) for number in found.groups()) if found else (0,)
