"""Where everything is: made once from the environment and the manifest in SSM, then passed in.

Terraform writes the manifest `/pulseiq/<env>/...`, locally and on AWS. Nothing but `pipelines.platform` reads
environment variables:

| variable | meaning | default |
|---|---|---|
| PULSEIQ_ENV | `local` or `aws` | `local` |
| PULSEIQ_HOME | pid files, logs and data of the local services | `.pulseiq` of the project |
| PULSEIQ_KAFKA_PORT, PULSEIQ_AWS_PORT, PULSEIQ_AIRFLOW_PORT | ports of the local services | 9092, 4566, 8080 |
| PULSEIQ_STORAGE | where S3 is: `localstack`, `minio` (which `up` starts), or a store's address | `localstack` |
| PULSEIQ_STORAGE_PORT | port of MinIO | 9000 |
| PULSEIQ_SERVICES | `own`: `pulseiq up` starts them; `given`: somebody else does, as in containers | `own` |
| PULSEIQ_LISTEN | address that the local services listen on; clients always go to 127.0.0.1 | 127.0.0.1 |
| PULSEIQ_REGION | AWS region | local: eu-central-1; aws: AWS_REGION |
| PULSEIQ_DASHBOARD_TOKEN | what `pulseiq dashboard` asks of everybody | none on 127.0.0.1, elsewhere one is made up |
| PULSEIQ_TERRAFORM_VARS | `name=value` of Terraform that go before the file of variables, separated by spaces | |
| PULSEIQ_REHEARSAL | not empty: `aws` on the local emulator, see `make rehearse` | |

This is the only module that asks which environment it is; all else follows from Terraform's variables, and reaches the
code through the manifest.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import aws

PROJECT_ROOT = Path(__file__).resolve().parents[2]
MANIFEST = (
    *("lake_bucket", "artifacts_bucket", "reports_bucket", "kms_key_arn"),
    *("bootstrap_servers", "kafka_authentication", "event_retention_days", "job_role_arns", "alerts_topic_arn"),
)
_OPTIONAL = (
    *("max_message_bytes", "emr_application_id", "job_log_group", "glue_databases", "airflow_bucket"),
    *("storage_endpoint", "job_properties"),
)
_NUMBERS = ("event_retention_days", "max_message_bytes")
_MAPPINGS = ("job_role_arns", "job_properties", "glue_databases")

_LOOPBACK = "127.0.0.1"
_LOCAL_REGION = "eu-central-1"
_AIRFLOW_PORT = 8080
_STORAGE_PORT = 9000
# Whoever sets them means an emulator, or a store beside it.
_OF_THIS_MACHINE = ("PULSEIQ_AWS_PORT", "PULSEIQ_STORAGE")
REHEARSAL_HINT = "pulseiq down, unset PULSEIQ_STORAGE, pulseiq up"


@dataclass(frozen=True)
class Endpoints:
    """What is known before any manifest exists: enough to start the services and to look the manifest up.

    `supervised` says that the local services are ours to start and to end, `listen` where they take connections,
    `terraform_vars` are the user's own values of Terraform's variables, `storage_endpoint` is an S3 apart from the
    emulator's, and `own_storage` says that it is a program of ours.
    """

    env: Literal["local", "aws"]
    home: Path
    region: str
    endpoint_url: str | None
    kafka_port: int
    aws_port: int
    airflow_port: int = _AIRFLOW_PORT
    supervised: bool = True
    listen: str = _LOOPBACK
    terraform_vars: tuple[str, ...] = ()
    storage_endpoint: str | None = None
    storage_port: int = _STORAGE_PORT
    own_storage: bool = False

    @property
    def bootstrap_servers(self) -> str:
        """The local broker."""
        return f"{_LOOPBACK}:{self.kafka_port}"

    @property
    def serves_itself(self) -> bool:
        """Whether the services are processes of this machine, started and ended by `pulseiq up` and `down`."""
        return self.env == "local"

    @property
    def rehearsal(self) -> bool:
        """Whether AWS's variables are tried on the local emulator."""
        return self.env == "aws" and self.endpoint_url is not None


@dataclass(frozen=True)
class Settings:
    """Every name and address that a run needs.

    `endpoint_url` is None on AWS itself; `kafka_authentication` is `none` or `iam`; `event_retention_days` is -1 where
    Kafka keeps events for ever; `storage_endpoint` is None where S3 is with the rest of AWS. What stands behind the
    defaults is there only where Terraform made it.
    """

    env: str
    home: Path
    region: str
    endpoint_url: str | None
    bootstrap_servers: str
    lake_bucket: str
    artifacts_bucket: str
    reports_bucket: str
    kms_key_arn: str
    kafka_authentication: str = "none"
    event_retention_days: int = -1
    max_message_bytes: int = 10 * 1024 * 1024
    alerts_topic_arn: str | None = None
    emr_application_id: str | None = None
    job_log_group: str | None = None
    airflow_bucket: str | None = None
    storage_endpoint: str | None = None
    job_role_arns: Mapping[str, str] = field(default_factory=dict, hash=False)
    job_properties: Mapping[str, str] = field(default_factory=dict, hash=False)
    glue_databases: Mapping[str, str] = field(default_factory=dict, hash=False)

    def table_uri(self, product: str, table: str) -> str:
        """Location of a table of the lake."""
        return f"s3://{self.lake_bucket}/{product}/{table}"

    def checkpoint_uri(self, product: str, query: str) -> str:
        """Location of a streaming query's checkpoint."""
        return f"s3://{self.lake_bucket}/_checkpoints/{product}/{query}"


def load() -> Settings:
    """Settings from the environment and the manifest.

    Raises:
        UsageError: an environment variable has a value that cannot be used.
        ServiceError: SSM does not answer, or has no manifest.
    """
    known = endpoints()
    values = manifest(known)
    missing = [_prefix(known) + name for name in MANIFEST if name not in values]
    if missing:
        raise ServiceError(f"SSM at {_where(known)} has no {', '.join(missing)}", hint=_next(known))
    if known.env == "local" and os.environ.get("PULSEIQ_KAFKA_PORT"):
        values["bootstrap_servers"] = known.bootstrap_servers
    read: dict[str, Any] = {name: values[name] for name in (*MANIFEST, *_OPTIONAL) if name in values}
    try:
        read |= {name: int(read[name]) for name in _NUMBERS if name in read}
        read |= {name: json.loads(read[name]) for name in _MAPPINGS if name in read}
    except ValueError as error:
        raise ServiceError(f"the manifest in SSM at {_where(known)}: {error}", hint=_next(known)) from error
    return Settings(known.env, known.home, known.region, known.endpoint_url, **read)


def manifest(known: Endpoints) -> dict[str, str]:
    """What Terraform wrote to SSM, name -> value; empty when it wrote nothing yet.

    Raises:
        ServiceError: SSM does not answer.
    """
    prefix = _prefix(known)
    try:
        pages = aws.client(known, "ssm").get_paginator("get_parameters_by_path").paginate(Path=prefix)
        found = [item for page in pages for item in page["Parameters"]]
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"SSM at {_where(known)} does not answer: {error}", hint=_next(known)) from error
    return {item["Name"].removeprefix(prefix): item["Value"] for item in found}


def storage_beside(known: Endpoints) -> str | None:
    """Address of the store that the services of this machine were provisioned with; None where it is LocalStack."""
    return manifest(replace(known, env="local")).get("storage_endpoint")


def endpoints() -> Endpoints:
    """What the environment variables say, without asking any service."""
    name = _environment()
    home = Path(os.environ.get("PULSEIQ_HOME") or PROJECT_ROOT / ".pulseiq").expanduser().absolute()
    kafka_port, aws_port = _port("PULSEIQ_KAFKA_PORT", 9092), _port("PULSEIQ_AWS_PORT", 4566)
    emulator = f"http://{_LOOPBACK}:{aws_port}"
    rehearsal = _rehearsing()
    if name == "local" or (name == "aws" and rehearsal):
        region = _checked(os.environ.get("PULSEIQ_REGION") or _LOCAL_REGION, "PULSEIQ_REGION")
        env: Literal["local", "aws"] = "aws" if rehearsal else "local"
        airflow_port = _port("PULSEIQ_AIRFLOW_PORT", _AIRFLOW_PORT)
        storage_port = _port("PULSEIQ_STORAGE_PORT", _STORAGE_PORT)
        storage = _storage(storage_port, rehearsal=rehearsal)
        return Endpoints(
            *(env, home, region, emulator, kafka_port, aws_port, airflow_port),
            *(_supervised(), _listen(), _terraform_vars()),
            *(storage, storage_port, os.environ.get("PULSEIQ_STORAGE") == "minio"),
        )
    if name == "aws":
        _refuse_local_endpoint()
        return Endpoints("aws", home, _aws_region(), None, kafka_port, aws_port)
    raise UsageError(f"PULSEIQ_ENV is '{name}'", hint="export PULSEIQ_ENV=local, or PULSEIQ_ENV=aws")


def adopt_endpoint() -> None:
    """Take the emulator's address, and S3's, from the variables by which it hands them to a job, where none is given.

    Not for a job of AWS itself, which is to be refused with a forgotten endpoint.
    """
    address = os.environ.get("AWS_ENDPOINT_URL")
    if address and (_environment() == "local" or _rehearsing()):
        os.environ.setdefault("PULSEIQ_AWS_PORT", str(urlsplit(address).port))
        if storage := os.environ.get("AWS_ENDPOINT_URL_S3"):
            os.environ.setdefault("PULSEIQ_STORAGE", storage)


def dashboard_token() -> str | None:
    """The token that the web app asks for; None where none is set."""
    return os.environ.get("PULSEIQ_DASHBOARD_TOKEN") or None


def local_endpoints() -> Endpoints:
    """What `pulseiq up` needs; UsageError when the environment is not the local one."""
    known = endpoints()
    if known.env != "local":
        raise UsageError(f"PULSEIQ_ENV is '{known.env}': there are no local services", hint="unset PULSEIQ_ENV")
    return known


def _prefix(known: Endpoints) -> str:
    return f"/pulseiq/{known.env}/"


def _where(known: Endpoints) -> str:
    return known.endpoint_url or f"AWS in {known.region}"


def _next(known: Endpoints) -> str:
    if known.env == "local":
        return "pulseiq up"
    return "make rehearse" if known.rehearsal else "check the AWS credentials, and make apply ENV=aws"


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise UsageError(f"{variable} is '{text}', not a port", hint=f"export {variable}={default}")
    return int(text)


def _environment() -> str:
    return os.environ.get("PULSEIQ_ENV") or "local"


def _rehearsing() -> bool:
    return bool(os.environ.get("PULSEIQ_REHEARSAL"))


def _supervised() -> bool:
    whose = os.environ.get("PULSEIQ_SERVICES") or "own"
    if whose not in ("own", "given"):
        raise UsageError(f"PULSEIQ_SERVICES is '{whose}'", hint="export PULSEIQ_SERVICES=own, or given")
    return whose == "own"


def _terraform_vars() -> tuple[str, ...]:
    given = tuple((os.environ.get("PULSEIQ_TERRAFORM_VARS") or "").split())
    for each in given:
        if not re.fullmatch(r"[a-z_]+=\S+", each):
            problem = f"PULSEIQ_TERRAFORM_VARS has '{each}', expected name=value"
            raise UsageError(problem, hint="unset PULSEIQ_TERRAFORM_VARS, or write compute=null")
    return given


def _listen() -> str:
    address = os.environ.get("PULSEIQ_LISTEN") or _LOOPBACK
    try:
        return str(ipaddress.IPv4Address(address))
    except ValueError:
        problem = f"PULSEIQ_LISTEN is '{address}', not an IPv4 address"
        raise UsageError(problem, hint=f"export PULSEIQ_LISTEN={_LOOPBACK}") from None


def _storage(port: int, *, rehearsal: bool) -> str | None:
    """Address of an S3 apart from the emulator's; None where it is the emulator's own."""
    where = os.environ.get("PULSEIQ_STORAGE") or "localstack"
    if where == "localstack":
        return None
    if rehearsal:
        problem = f"PULSEIQ_STORAGE is '{where}', and a rehearsal is of AWS's S3, which LocalStack stands for"
        raise UsageError(problem, hint=REHEARSAL_HINT)
    if where == "minio":
        return f"http://{_LOOPBACK}:{port}"
    if not re.fullmatch(r"http://[\w.-]+:\d+", where):
        problem = f"PULSEIQ_STORAGE is '{where}', expected localstack, minio, or an address as http://127.0.0.1:9000"
        raise UsageError(problem, hint="unset PULSEIQ_STORAGE")
    return where


def _aws_region() -> str:
    for variable in ("PULSEIQ_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        if value := os.environ.get(variable):
            return _checked(value, variable)
    raise UsageError("PULSEIQ_ENV is 'aws' and no region is set", hint="export AWS_REGION=...")


def _checked(region: str, variable: str) -> str:
    """The region, if Amazon has one of this name; a mistyped one would end in a host that does not exist."""
    known = aws.regions()
    if region not in known:
        like = difflib.get_close_matches(region, known, n=1)
        raise UsageError(
            f"{variable} is '{region}', and AWS has no such region",
            hint=f"export {variable}={like[0] if like else _LOCAL_REGION}",
        )
    return region


def _refuse_local_endpoint() -> None:
    """A forgotten endpoint variable would send an AWS run to an emulator, or half of it."""
    for variable, value in os.environ.items():
        if value and (variable.startswith("AWS_ENDPOINT_URL") or variable in _OF_THIS_MACHINE):
            raise UsageError(f"PULSEIQ_ENV is 'aws' but {variable} is set to '{value}'", hint=f"unset {variable}")
