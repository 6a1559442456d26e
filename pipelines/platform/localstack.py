"""LocalStack: AWS on one port of this machine, without Docker. It forgets everything when it ends.

Owns how it is started and asked after its health. What it must hold is Terraform's, see `pipelines.platform.provision`.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.request

from pipelines.platform import toolchain
from pipelines.platform.ports import LOOPBACK
from pipelines.platform.process import Launch, Program
from pipelines.platform.settings import PROJECT_ROOT, Endpoints

# A proxy of the environment knows nothing of this machine's loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
    folders = {name: data / name for name in ("root", "volume", "tmp", "s3")}
    # What an earlier one left there belongs to buckets that it has forgotten.
    shutil.rmtree(data, ignore_errors=True)
    for folder in folders.values():
        folder.mkdir(parents=True)
    address = f"{LOOPBACK}:{known.aws_port}"
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    env |= _environment_file() | {
        "GATEWAY_LISTEN": address,
        "LOCALSTACK_HOST": address,
        "FILESYSTEM_ROOT": str(folders["root"]),
        "LOCALSTACK_VOLUME_DIR": str(folders["volume"]),
        "TMPDIR": str(folders["tmp"]),
        "PULSEIQ_S3_FOLDER": str(folders["s3"]),
        "PULSEIQ_CATALOG_FOLDER": str(toolchain.tools_dir() / "localstack"),
    }
    # Isolated: LocalStack's package has no __init__ and would take in any folder of its name on the path.
    argv = [str(toolchain.localstack_python()), "-I", str(PROJECT_ROOT / "localstack" / "start.py")]
    return Launch(argv, env, data)


def probe(known: Endpoints) -> str | None:
    """LocalStack's version; None when it does not answer."""
    try:
        with _direct.open(f"http://{LOOPBACK}:{known.aws_port}/_localstack/health", timeout=3) as answer:
            return f"version {json.load(answer)['version']}"
    except (OSError, ValueError, KeyError):
        return None


def _environment_file() -> dict[str, str]:
    lines = (PROJECT_ROOT / "localstack" / "local.env").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
