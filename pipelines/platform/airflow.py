"""Airflow on this machine: web server, scheduler and DAG processor as one program, on loopback only.

No triggerer: no task defers. No password: every server here listens on 127.0.0.1, or in a container is published there,
and trusts who reaches it. Its database, logs and secrets are in `data/airflow` of the home; `dags/` is read where it
is.
"""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any

from pipelines.platform import aws, toolchain
from pipelines.platform.ports import LOOPBACK, opened
from pipelines.platform.process import Launch, Program, inherited
from pipelines.platform.settings import PROJECT_ROOT, Endpoints

DAGS = PROJECT_ROOT / "dags"
# Two jobs at once are all that two cores bear.
_TASKS = 2
_PARTS = ("metadatabase", "scheduler", "dag_processor")


def program(known: Endpoints) -> Program:
    """Airflow as a program in the background."""
    return Program(
        name="airflow",
        title="Airflow",
        port=known.airflow_port,
        port_variable="PULSEIQ_AIRFLOW_PORT",
        home=known.home,
        prepare=lambda: prepare(known),
        probe=lambda: probe(known),
        grace_seconds=20.0,  # running tasks cancel their jobs
        start_seconds=600.0,  # its first start makes the database
    )


def address(known: Endpoints) -> str:
    """Of the page and the API."""
    return f"http://{LOOPBACK}:{known.airflow_port}"


def prepare(known: Endpoints) -> Launch:
    """Say how it is started: the database and the pools first, then all parts together."""
    command = str(toolchain.airflow())
    first = [[command, "db", "migrate"], [command, "pools", "import", str(DAGS / "pools.json")]]
    parts = [
        [command, "api-server", "--host", known.listen, "--port", str(known.airflow_port), "--workers", "1"],
        [command, "scheduler", "--skip-serve-logs"],
        [command, "dag-processor"],
    ]
    home = _folder(known)
    home.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-I", str(Path(__file__).with_name("together.py")), json.dumps([first, parts])]
    return Launch(argv, environment(known), home)


def environment(known: Endpoints) -> dict[str, str]:
    """The whole environment of Airflow's processes, and of a command of it that means this Airflow."""
    home = _folder(known)
    kept = inherited()
    extra: dict[str, Any] = {"endpoint_url": known.endpoint_url, "region_name": known.region}
    if known.storage_endpoint is not None:
        extra["service_config"] = {"s3": {"endpoint_url": known.storage_endpoint}}
    connection = {
        "conn_type": "aws",
        "login": aws.LOCAL_ACCESS_KEY,
        "password": aws.LOCAL_SECRET_KEY,
        "extra": extra,
    }
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
        "AIRFLOW_VAR_PULSEIQ_ENV": known.env,
        "AIRFLOW_VAR_PULSEIQ_PRODUCT": "shop",
        "AIRFLOW__API__BASE_URL": address(known),
        "AIRFLOW__API__SECRET_KEY": _secret(home, "api"),
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(home, "jwt"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address(known)}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": str(_TASKS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # boto3 must not ask the cloud's address for credentials, nor a proxy for the loopback.
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": f"{LOOPBACK},localhost",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONWARNINGS": "ignore::DeprecationWarning",
    }


def probe(known: Endpoints) -> str | None:
    """What runs, in words; None until every part says that it is healthy."""
    try:
        with opened(f"{address(known)}/api/v2/monitor/health", seconds=5) as answer:
            said = json.load(answer)
    except (OSError, ValueError):
        return None
    states = {part: (said.get(part) or {}).get("status") for part in _PARTS}
    return "web server, scheduler, DAG processor" if set(states.values()) == {"healthy"} else None


def _folder(known: Endpoints) -> Path:
    return known.home / "data" / "airflow"


def _secret(home: Path, name: str) -> str:
    """Kept in a file that only its owner reads, so that a restart does not log everybody out."""
    file = home / f"{name}.secret"
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text()
