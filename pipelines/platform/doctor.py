"""What a person needs to know when something is wrong: versions, where each client points, room, health.

It asks and changes nothing; what cannot be asked is a finding, not an error.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from pipelines.errors import PulseIQError
from pipelines.platform import aws, services, toolchain
from pipelines.platform import settings as configuration

# What the demo needs beside what others on the machine already hold.
MEMORY_MB_NEEDED = 3000
DISK_MB_NEEDED = 3000


@dataclass(frozen=True)
class Finding:
    """One line of the examination. `problem` says what to do; None when all is well."""

    group: str
    name: str
    value: str
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def examine() -> list[Finding]:
    """Everything, in the order it is shown: tools, settings, room, services."""
    return [*_tools(), *_settings(), *_room(), *_services()]


def _tools() -> list[Finding]:
    asked: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Python", lambda: f"{platform.python_version()} ({sys.executable})"),
        ("uv", _uv),
        ("Java", _java),
        ("Terraform", lambda: f"{toolchain.terraform_version()} ({' '.join(toolchain.terraform())})"),
        ("providers", lambda: str(toolchain.provider_mirror() or "from the public registry")),
        ("Spark", lambda: importlib.metadata.version("pyspark")),
        ("Delta", lambda: importlib.metadata.version("delta-spark")),
        ("Kafka broker", lambda: _jar_version("kafka", "kafka-server-common-")),
        ("Kafka client", lambda: f"{importlib.metadata.version('confluent-kafka')}, Spark's {_spark_kafka()}"),
        ("LocalStack", _localstack),
        ("Great Expectations", lambda: importlib.metadata.version("great-expectations")),
    )
    return [_ask("tools", name, question) for name, question in (*asked, *_tools_of_storage())]


def _tools_of_storage() -> tuple[tuple[str, Callable[[], str]], ...]:
    """MinIO is missed only where it is asked for."""
    try:
        wanted = configuration.endpoints().own_storage
    except PulseIQError:
        return ()  # the settings say what is wrong
    return (("MinIO", lambda: str(toolchain.minio())),) if wanted else ()


def _settings() -> list[Finding]:
    try:
        known = configuration.endpoints()
    except PulseIQError as error:
        return [Finding("settings", "PULSEIQ_ENV", os.environ.get("PULSEIQ_ENV", "local"), str(error))]
    shown = [
        Finding("settings", "PULSEIQ_ENV", known.env),
        Finding("settings", "PULSEIQ_HOME", str(known.home)),
        Finding("settings", "AWS clients", f"{known.endpoint_url or 'AWS'}, region {known.region}"),
        Finding("settings", "S3 clients", aws.s3_endpoint(known) or "AWS"),
    ]
    try:
        loaded = configuration.load()
    except PulseIQError as error:
        return [*shown, Finding("settings", "manifest", f"/pulseiq/{known.env}/", str(error))]
    return [
        *shown,
        Finding("settings", "Kafka clients", loaded.bootstrap_servers),
        Finding("settings", "lake", f"s3://{loaded.lake_bucket}"),
        Finding("settings", "artifacts, reports", f"s3://{loaded.artifacts_bucket}, s3://{loaded.reports_bucket}"),
        Finding("settings", "key", loaded.kms_key_arn),
    ]


def _room() -> list[Finding]:
    memory = psutil.virtual_memory().available // 2**20
    home = Path(os.environ.get("PULSEIQ_HOME") or toolchain.project_root())
    while not home.exists():
        home = home.parent
    disk = shutil.disk_usage(home).free // 2**20
    little_memory = None if memory >= MEMORY_MB_NEEDED else f"a demo needs {MEMORY_MB_NEEDED:,} MB: end other programs"
    little_disk = None if disk >= DISK_MB_NEEDED else f"a demo needs {DISK_MB_NEEDED:,} MB: free some room"
    return [
        Finding("room", "processors", str(os.cpu_count())),
        Finding("room", "free memory", f"{memory:,} MB", little_memory),
        Finding("room", "free disk", f"{disk:,} MB at {home}", little_disk),
    ]


def _services() -> list[Finding]:
    try:
        status = services.status()
    except PulseIQError as error:
        return [Finding("services", "all", "unknown", str(error))]
    found = []
    for state in status.services:
        words = [state.state, state.address]
        if state.pid is not None:
            words += [f"pid {state.pid}", f"{state.memory_mb} MB", state.detail]
        problem = None if state.state == "healthy" else "pulseiq up"
        found.append(Finding("services", state.title, ", ".join(words), problem))
    problem = None if status.unprovisioned is None else "pulseiq up"
    found.append(Finding("services", "provisioned", status.unprovisioned or "yes", problem))
    return found


def _ask(group: str, name: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(group, name, question())
    except PulseIQError as error:
        return Finding(group, name, "missing", str(error))
    except importlib.metadata.PackageNotFoundError:
        return Finding(group, name, "missing", "make setup")


def _uv() -> str:
    folder = toolchain.tools_dir() / "tools"
    ours = [folder / kind / "bin" / "uv" for kind in ("uv", "venv")]
    found = shutil.which("uv") or next((str(path) for path in ours if path.exists()), None)
    if found is None:
        return "none; set-up brings it when it needs it"
    try:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        said = []
    return f"{said[1] if len(said) > 1 else 'no answer'} ({found})"


def _java() -> str:
    java = toolchain.java_info()
    return f"{java.version} ({java.executable}, from {java.origin})"


def _jar_version(conf: Any, prefix: str) -> str:
    names = [jar.stem.removeprefix(prefix) for jar in toolchain.jars(conf) if jar.name.startswith(prefix)]
    return names[0] if names else f"no {prefix}*.jar"


def _spark_kafka() -> str:
    return _jar_version("spark", "kafka-clients-")


def _localstack() -> str:
    python = toolchain.localstack_python()
    folders = list(python.parent.parent.glob("lib/python*/site-packages/localstack_core-*.dist-info"))
    version = folders[0].name.removeprefix("localstack_core-").removesuffix(".dist-info") if folders else "no version"
    return f"{version} ({python})"
