"""What a job needs where nothing is installed: the project, its packages, its jars; built here, put on S3 by digest.

Built from the same locks as the environment of this machine. Locally a job's Python is that environment, and Spark's
class path has the jars, so packages and jars are left out unless asked for; EMR has neither.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError, SetupError
from pipelines.platform import aws, toolchain
from pipelines.platform.settings import PROJECT_ROOT, Settings

CURRENT = "releases/current.json"
ENTRY = "from pipelines.cli.submitted import main\n\nmain()\n"
# EMR Serverless on ARM64, Python as in the locks.
EMR_PLATFORM = "aarch64-manylinux_2_28"
# EMR brings Spark itself; `delta-spark` is its Python face, which no job uses.
_NOT_PACKED = {"pyspark", "delta-spark"}
# EMR brings S3A and the SDK of AWS.
_EMR_JARS = re.compile(r"^(hadoop-aws|bundle|wildfly-openssl)-")
_FIRST = 315532800  # 1980: the oldest time that archives agree on; the same content gives the same digest


@dataclass(frozen=True)
class Release:
    """URIs of one release, and the PYTHONPATH under which a driver finds its archives unpacked."""

    name: str
    entry: str
    archives: tuple[str, ...]
    jars: tuple[str, ...]
    python_path: str


def publish(settings: Settings, *, dependencies: bool | None = None, echo: Callable[[str], object] = print) -> Release:
    """Build, upload what is not there yet, and make it the current release; DAGs go to Airflow's bucket, if any.

    Args:
        dependencies: pack packages and jars too; by default only for AWS.

    Raises:
        SetupError: a build failed; the message has its last line.
    """
    packed = settings.endpoint_url is None if dependencies is None else dependencies
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        archives = {"project": project_archive(folder)}
        if packed:
            archives["packages"] = packages_archive(
                folder, EMR_PLATFORM if settings.endpoint_url is None else None, echo
            )
        uris = [f"{_upload(settings, path, echo)}#{name}" for name, path in archives.items()]
        jars = [
            path for conf in ("spark", "pulseiq") for path in toolchain.jars(conf) if not _EMR_JARS.match(path.name)
        ]
        uploaded = [_upload(settings, path, echo) for path in jars] if packed else []
        entry = folder / "entry.py"
        entry.write_text(ENTRY, encoding="utf-8")
        name = uris[0].rpartition("/")[2].partition(".")[0]
        where = _upload(settings, entry, echo)
    path = ":".join(f"./{each}" for each in archives)
    release = Release(name, where, tuple(uris), tuple(uploaded), path)
    s3 = aws.client(settings, "s3")
    s3.put_object(Bucket=settings.artifacts_bucket, Key=CURRENT, Body=json.dumps(asdict(release)).encode())
    echo(f"current release: {name}, s3://{settings.artifacts_bucket}/{CURRENT}")
    _upload_dags(settings, echo)
    return release


def current(settings: Settings) -> Release:
    """What was published last.

    Raises:
        ServiceError: nothing was, or S3 does not answer.
    """
    s3 = aws.client(settings, "s3")
    where = f"s3://{settings.artifacts_bucket}/{CURRENT}"
    try:
        found: dict[str, Any] = json.loads(s3.get_object(Bucket=settings.artifacts_bucket, Key=CURRENT)["Body"].read())
    except s3.exceptions.NoSuchKey as error:
        raise ServiceError(f"{where} is not there: no package for jobs", hint="pulseiq package") from error
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"{where} cannot be read: {error}", hint="pulseiq status") from error
    return Release(**found | {name: tuple(found[name]) for name in ("archives", "jars")})


def project_archive(folder: Path) -> Path:
    """The project's wheel, unpacked, with the contracts beside it."""
    wheels = folder / "wheel"
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)], "building the wheel")
    content = folder / "project"
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
        wheel.extractall(content)  # noqa: S202 - built a moment ago
    shutil.copytree(PROJECT_ROOT / "contracts", content / "contracts")
    return _packed(content, "project", folder)


def packages_archive(folder: Path, platform: str | None, echo: Callable[[str], object]) -> Path:
    """The project's locked packages as one folder, for a platform as uv names it; None is this machine."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=!~ ;\[]", each)[0] for each in project["dependencies"]]
    wanted = [name for name in names if name not in _NOT_PACKED]
    content = folder / "packages"
    command = [str(toolchain.uv()), "pip", "install", "--quiet", "--target", str(content), "--only-binary", ":all:"]
    command += ["--constraint", str(PROJECT_ROOT / "requirements" / "pipelines.txt")]
    command += ["--python-version", f"{sys.version_info[0]}.{sys.version_info[1]}"]
    if platform:
        command += ["--python-platform", platform]
    echo(f"packages: {len(wanted)} with what they need, for {platform or 'this machine'}")
    _run([*command, *wanted], "installing the packages")
    shutil.rmtree(content / "bin", ignore_errors=True)
    return _packed(content, "packages", folder)


def _packed(content: Path, name: str, folder: Path) -> Path:
    """A tar of a folder, named by the digest of what is in it."""
    digest = hashlib.sha256()
    draft = folder / f"{name}.tar.gz"
    with (
        draft.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=_FIRST) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(content.rglob("*")):
            if path.is_dir() or path.suffix == ".pyc":
                continue
            body = path.read_bytes()
            digest.update(str(path.relative_to(content)).encode() + b"\0" + hashlib.sha256(body).digest())
            info = tarfile.TarInfo(str(path.relative_to(content)))
            info.size, info.mtime, info.mode = len(body), _FIRST, path.stat().st_mode & 0o755
            tar.addfile(info, io.BytesIO(body))
    return draft.rename(folder / f"{name}-{digest.hexdigest()[:16]}.tar.gz")


def _upload(settings: Settings, path: Path, echo: Callable[[str], object]) -> str:
    """Put a file under `releases/` unless it is there; a name with a digest never changes its content."""
    key = f"releases/{path.name}"
    uri = f"s3://{settings.artifacts_bucket}/{key}"
    s3 = aws.client(settings, "s3")
    size = path.stat().st_size
    present = s3.list_objects_v2(Bucket=settings.artifacts_bucket, Prefix=key).get("Contents", [])
    if not any(each["Key"] == key and each["Size"] == size for each in present):
        s3.upload_file(str(path), settings.artifacts_bucket, key)
        echo(f"uploaded {uri} ({size:,} bytes)")
    return uri


def _upload_dags(settings: Settings, echo: Callable[[str], object]) -> None:
    bucket = settings.airflow_bucket
    if bucket is None:
        return
    folder = PROJECT_ROOT / "dags"
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    for path in files:
        aws.client(settings, "s3").upload_file(str(path), bucket, f"dags/{path.relative_to(folder)}")
    echo(f"uploaded {len(files)} files to s3://{bucket}/dags")


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=1200)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise SetupError(f"{what} failed: {lines[-1][:300] if lines else 'it said nothing'}", hint="make setup")
