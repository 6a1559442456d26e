"""LocalStack: AWS on one port of this machine, without Docker. It forgets everything when it ends, its buckets too;
those that are to stay have a store of their own, see `pipelines.platform.minio`.

Owns how it is started and asked after its health. What it must hold is Terraform's, see `pipelines.platform.provision`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from pipelines.platform import airflow, aws, toolchain
from pipelines.platform.ports import LOOPBACK, opened
from pipelines.platform.process import Launch, Program, inherited
from pipelines.platform.settings import PROJECT_ROOT, Endpoints


def program(known: Endpoints) -> Program:
    """LocalStack as a program in the background."""
    return Program(
        name="localstack",
        title="LocalStack",
        port=known.aws_port,
        port_variable="PULSEIQ_AWS_PORT",
        home=known.home,
        prepare=lambda: prepare(known),
        probe=lambda: probe(known),
        grace_seconds=5.0,  # it has nothing to save
    )


def prepare(known: Endpoints) -> Launch:
    """Empty LocalStack's folders and say how it is started."""
    data = known.home / "data" / "localstack"
    folders = {name: data / name for name in ("root", "volume", "tmp", "s3", "jobs")}
    # What an earlier one left there belongs to buckets that it has forgotten.
    shutil.rmtree(data, ignore_errors=True)
    for folder in folders.values():
        folder.mkdir(parents=True)
    address = f"{LOOPBACK}:{known.aws_port}"
    env = inherited()
    env |= _environment_file() | {
        "GATEWAY_LISTEN": f"{known.listen}:{known.aws_port}",
        "LOCALSTACK_HOST": address,
        "FILESYSTEM_ROOT": str(folders["root"]),
        "LOCALSTACK_VOLUME_DIR": str(folders["volume"]),
        "TMPDIR": str(folders["tmp"]),
        "PULSEIQ_S3_FOLDER": str(folders["s3"]),
        "PULSEIQ_CATALOG_FOLDER": str(toolchain.tools_dir() / "localstack"),
    }
    env |= _lent_to_extension(known, folders["jobs"])
    # Isolated: LocalStack's package has no __init__ and would take in any folder of its name on the path.
    argv = [str(toolchain.localstack_python()), "-I", str(PROJECT_ROOT / "localstack" / "start.py")]
    return Launch(argv, env, data)


def _lent_to_extension(known: Endpoints, jobs: Path) -> dict[str, str]:
    """What `localstack/extension` puts behind MSK, EMR Serverless and MWAA: what this machine has of each."""
    connectors = [*toolchain.jars("spark"), *toolchain.jars("pulseiq")]
    lent = {
        "LAKEHOUSE_BROKERS": known.bootstrap_servers,
        "LAKEHOUSE_SPARK_HOME": str(toolchain.spark_home()),
        "LAKEHOUSE_SPARK_PYTHON": sys.executable,
        "LAKEHOUSE_SPARK_CLASSPATH": os.pathsep.join(map(str, connectors)),
        "LAKEHOUSE_JAVA_HOME": str(toolchain.java_home()),
        "LAKEHOUSE_JOBS": str(jobs),
        "LAKEHOUSE_AIRFLOW_URL": airflow.address(known),
    }
    if known.storage_endpoint is not None:
        lent |= {
            "LAKEHOUSE_S3_ENDPOINT": known.storage_endpoint,
            "LAKEHOUSE_S3_ACCESS_KEY": aws.LOCAL_ACCESS_KEY,
            "LAKEHOUSE_S3_SECRET_KEY": aws.LOCAL_SECRET_KEY,
        }
    return lent


def probe(known: Endpoints) -> str | None:
    """LocalStack's version; None when it does not answer."""
    try:
        with opened(f"http://{LOOPBACK}:{known.aws_port}/_localstack/health", seconds=3) as answer:
            return f"version {json.load(answer)['version']}"
    except (OSError, ValueError, KeyError):
        return None


def _environment_file() -> dict[str, str]:
    lines = (PROJECT_ROOT / "localstack" / "local.env").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
