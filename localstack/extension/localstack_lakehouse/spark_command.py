"""From a Spark job driver, as EMR Serverless takes it, to a call of the spark-submit of this machine."""

from __future__ import annotations

import os
import re
import shlex
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localstack_lakehouse.calls import Request
from localstack_lakehouse.settings import Settings

# Fetches one object, given as s3://bucket/key, into a file.
Fetch = Callable[[str, Path], None]

_DRIVER_ENV, _EXECUTOR_ENV = "spark.emr-serverless.driverEnv.", "spark.executorEnv."
# Options of spark-submit that are lists of files, and the properties behind them.
_FILES = {
    "--py-files": "spark.submit.pyFiles",
    "--files": "spark.files",
    "--jars": "spark.jars",
    "--archives": "spark.archives",
}
_FLAGS = {"--verbose", "-v", "--supervise"}
# Of Java's properties files.
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_INHERITED = ("PATH", "HOME", "LANG", "TZ", "USER")


class JobError(Exception):
    """The job cannot be started as it is described; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where a job runs: S3 and the rest of AWS, and the folder that is its working directory."""

    endpoint: str
    region: str
    access_key: str
    folder: Path


@dataclass(frozen=True)
class Command:
    """What to execute. `environment` is the whole of it."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


def prepare(driver: Request, defaults: Mapping[str, str], place: Place, settings: Settings, fetch: Fetch) -> Command:
    """Fetch what the job needs into its folder and say how it is started.

    Args:
        driver: the sparkSubmit member of a job driver.
        defaults: Spark properties of the application and of the run's overrides.
        place: where it runs.
        settings: which Spark, Java and Python.
        fetch: brings an object of S3.

    Raises:
        JobError: there is no Spark, or the parameters cannot be read.
    """
    submit = _spark_submit(settings)
    given, options = parse(driver.get("sparkSubmitParameters") or "")
    properties = {**_platform(place, settings), **defaults, **given}
    if settings.spark_classpath:
        _add_to_classpath(properties, submit.parent.parent, settings.spark_classpath)
    for name in _FILES.values():
        if name in properties and name != "spark.archives":
            uris = [uri for uri in re.split(r"[,\s]+", properties[name]) if uri]
            properties[name] = ",".join(_local(uri, place.folder, fetch) for uri in uris)
    for archive in filter(None, re.split(r"[,\s]+", properties.pop("spark.archives", ""))):
        _unpack(archive, place.folder, fetch)
    entry = _local(driver["entryPoint"], place.folder, fetch)
    file = place.folder / "spark-defaults.conf"
    file.write_text(as_properties(properties), encoding="utf-8")
    argv = [str(submit), "--master", settings.spark_master, "--properties-file", str(file), *options, entry]
    return Command((*argv, *driver.get("entryPointArguments", [])), _environment(properties, place, settings))


def parse(parameters: str) -> tuple[dict[str, str], list[str]]:
    """Spark properties and remaining options of a string of sparkSubmitParameters.

    Raises:
        JobError: it is not a list of options with values.
    """
    properties: dict[str, str] = {}
    options: list[str] = []
    try:
        words = shlex.split(parameters)
    except ValueError as error:
        raise JobError(f"sparkSubmitParameters cannot be read: {error}") from error
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            raise JobError(f"sparkSubmitParameters have '{word}' where an option was expected")
        name, equals, value = word.partition("=")
        if name in _FLAGS:
            continue
        if not equals:
            value = next(rest, "")
            if not value:
                raise JobError(f"sparkSubmitParameters end with '{name}', which needs a value")
        if name in ("--conf", "-c"):
            key, equals, setting = value.partition("=")
            if not equals:
                raise JobError(f"--conf '{value}' in sparkSubmitParameters is not key=value")
            properties[key.strip()] = setting
        elif name in _FILES:
            properties[_FILES[name]] = value
        elif name not in ("--master", "--deploy-mode"):
            options += [name, value]
    return properties, options


def defaults_of(*configurations: Iterable[Request] | None) -> dict[str, str]:
    """Properties of the classification spark-defaults; the later list wins."""
    found: dict[str, str] = {}
    for configuration in configurations:
        for one in configuration or ():
            if one["classification"] == "spark-defaults":
                found |= one.get("properties") or {}
    return found


def as_properties(properties: Mapping[str, str]) -> str:
    """In the form of Java's properties files."""

    def escaped(text: str, special: str) -> str:
        return "".join(_ESCAPES.get(letter, f"\\{letter}" if letter in special else letter) for letter in text)

    return "".join(f"{escaped(name, ' :=')}={escaped(value, '')}\n" for name, value in properties.items())


def _spark_submit(settings: Settings) -> Path:
    if settings.spark_home is None:
        raise JobError("no Spark was named to LocalStack: LAKEHOUSE_SPARK_HOME is not set")
    submit = settings.spark_home / "bin" / "spark-submit"
    if not submit.is_file():
        raise JobError(f"LAKEHOUSE_SPARK_HOME has no bin/spark-submit: {settings.spark_home}")
    return submit


def _platform(place: Place, settings: Settings) -> dict[str, str]:
    """What EMR's own spark-defaults.conf does there: s3:// is S3A, and credentials are those of the run."""
    s3 = "spark.hadoop.fs.s3a."
    storage = settings.s3(place.endpoint, place.access_key)
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.defaultJavaOptions": f"-Djava.io.tmpdir={place.folder / 'tmp'}",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(place.folder / "warehouse"),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
        s3 + "endpoint": storage.endpoint,
        s3 + "endpoint.region": place.region,
        s3 + "path.style.access": "true",
        s3 + "connection.ssl.enabled": "false",
        s3 + "aws.credentials.provider": "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
        s3 + "access.key": storage.access_key,
        s3 + "secret.key": storage.secret_key,
    }


def _add_to_classpath(properties: dict[str, str], spark_home: Path, jars: str) -> None:
    """Spark's own jars first: bundles of AWS hold older versions of what Spark needs."""
    name = "spark.driver.extraClassPath"
    parts = [properties.get(name), f"{spark_home / 'jars'}/*", jars]
    properties[name] = os.pathsep.join(part for part in parts if part)


def _environment(properties: Mapping[str, str], place: Place, settings: Settings) -> dict[str, str]:
    python = settings.spark_python or "python3"
    scratch = place.folder / "tmp"
    scratch.mkdir(exist_ok=True)
    storage = settings.s3(place.endpoint, place.access_key)
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
        "SPARK_HOME": str(settings.spark_home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(scratch),
        "TMPDIR": str(scratch),
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        "PYTHONUNBUFFERED": "1",
        "AWS_ENDPOINT_URL": place.endpoint,
        "AWS_REGION": place.region,
        "AWS_DEFAULT_REGION": place.region,
        # One pair for all clients of the job: LocalStack takes any.
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if settings.storage is not None:
        environment["AWS_ENDPOINT_URL_S3"] = storage.endpoint
    if settings.java_home:
        environment["JAVA_HOME"] = str(settings.java_home)
    for prefix in (_EXECUTOR_ENV, _DRIVER_ENV):
        environment |= {k.removeprefix(prefix): v for k, v in properties.items() if k.startswith(prefix)}
    return environment


def _local(uri: str, folder: Path, fetch: Fetch) -> str:
    """The path of what the URI names, fetched into the job's folder where it is on S3."""
    if uri.startswith("local://"):
        return uri.removeprefix("local://")
    if not re.match(r"s3[an]?://", uri):
        return uri
    target = folder / uri.rstrip("/").rpartition("/")[2]
    number = 1
    while target.exists():
        number += 1
        target = folder / str(number) / target.name
        target.parent.mkdir(exist_ok=True)
    fetch(re.sub(r"^s3[an]://", "s3://", uri), target)
    return str(target)


def _unpack(archive: str, folder: Path, fetch: Fetch) -> None:
    """Beside the job, under the name behind the `#`: relative paths of it work then as on EMR's workers."""
    uri, _, name = archive.partition("#")
    path = Path(_local(uri, folder, fetch).removeprefix("file://"))
    target = folder / (name or path.name)
    if not name and path.parent == folder:
        path = path.rename(folder / f"{path.name}.packed")
    try:
        _extract(path, target)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise JobError(f"the archive {uri} cannot be unpacked: {error}") from error


def _extract(path: Path, target: Path) -> None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for member in packed.infolist():
                made = Path(packed.extract(member, target))
                mode = stat.S_IMODE(member.external_attr >> 16)
                if mode and not member.is_dir():
                    made.chmod(mode)
        return
    with tarfile.open(path) as packed_tar:
        # Not "data": virtual environments link to the Python of the machine.
        if hasattr(tarfile, "tar_filter"):
            packed_tar.extractall(target, filter="tar")
        else:
            # Python before 3.11.4, as Debian 12 has it, takes whatever name an archive has.
            inside = target.resolve()
            for name in packed_tar.getnames():
                if not (inside / name).resolve().is_relative_to(inside):
                    raise tarfile.TarError(f"{name} lies outside of the archive's folder")
            packed_tar.extractall(target)  # noqa: S202 - every name was looked at
