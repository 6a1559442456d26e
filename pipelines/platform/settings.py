"""Where everything is: made once from the environment and the manifest in SSM, then passed in.

Terraform writes the manifest `/pulseiq/<env>/...`, locally and on AWS. Nothing but `pipelines.platform` reads
environment variables:

| variable | meaning | default |
|---|---|---|
| PULSEIQ_ENV | `local` or `aws` | `local` |
| PULSEIQ_HOME | pid files, logs and data of the local services | `.pulseiq` of the project |
| PULSEIQ_KAFKA_PORT, PULSEIQ_AWS_PORT | ports of the local services | 9092, 4566 |
| PULSEIQ_REGION | AWS region | local: eu-central-1; aws: AWS_REGION |
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import aws

PROJECT_ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ("lake_bucket", "artifacts_bucket", "reports_bucket", "kms_key_arn", "bootstrap_servers")

_LOOPBACK = "127.0.0.1"
_LOCAL_REGION = "eu-central-1"


@dataclass(frozen=True)
class Endpoints:
    """What is known before any manifest exists: enough to start the services and to look the manifest up."""

    env: Literal["local", "aws"]
    home: Path
    region: str
    endpoint_url: str | None
    kafka_port: int
    aws_port: int

    @property
    def bootstrap_servers(self) -> str:
        """The local broker."""
        return f"{_LOOPBACK}:{self.kafka_port}"


@dataclass(frozen=True)
class Settings:
    """Every name and address that a run needs. `endpoint_url` is None on AWS itself."""

    env: str
    home: Path
    region: str
    endpoint_url: str | None
    bootstrap_servers: str
    lake_bucket: str
    artifacts_bucket: str
    reports_bucket: str
    kms_key_arn: str

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
    return Settings(known.env, known.home, known.region, known.endpoint_url, **values)


def manifest(known: Endpoints) -> dict[str, str]:
    """What Terraform wrote to SSM, name -> value; names that are not there are left out.

    Raises:
        ServiceError: SSM does not answer.
    """
    prefix = _prefix(known)
    try:
        found = aws.client(known, "ssm").get_parameters(Names=[prefix + name for name in MANIFEST])
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"SSM at {_where(known)} does not answer: {error}", hint=_next(known)) from error
    return {item["Name"].removeprefix(prefix): item["Value"] for item in found["Parameters"]}


def endpoints() -> Endpoints:
    """What the environment variables say, without asking any service."""
    name = os.environ.get("PULSEIQ_ENV") or "local"
    home = Path(os.environ.get("PULSEIQ_HOME") or PROJECT_ROOT / ".pulseiq").expanduser().absolute()
    kafka_port, aws_port = _port("PULSEIQ_KAFKA_PORT", 9092), _port("PULSEIQ_AWS_PORT", 4566)
    if name == "local":
        region = os.environ.get("PULSEIQ_REGION") or _LOCAL_REGION
        return Endpoints("local", home, region, f"http://{_LOOPBACK}:{aws_port}", kafka_port, aws_port)
    if name == "aws":
        _refuse_local_endpoint()
        return Endpoints("aws", home, _aws_region(), None, kafka_port, aws_port)
    raise UsageError(f"PULSEIQ_ENV is '{name}'", hint="export PULSEIQ_ENV=local, or PULSEIQ_ENV=aws")


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
    return "pulseiq up" if known.env == "local" else "apply terraform/stacks/platform, and check the AWS credentials"


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise UsageError(f"{variable} is '{text}', not a port", hint=f"export {variable}={default}")
    return int(text)


def _aws_region() -> str:
    for variable in ("PULSEIQ_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        if value := os.environ.get(variable):
            return value
    raise UsageError("PULSEIQ_ENV is 'aws' and no region is set", hint="export AWS_REGION=...")


def _refuse_local_endpoint() -> None:
    """A forgotten endpoint variable would send an AWS run to an emulator, or half of it."""
    for variable, value in os.environ.items():
        if value and (variable.startswith("AWS_ENDPOINT_URL") or variable == "PULSEIQ_AWS_PORT"):
            raise UsageError(f"PULSEIQ_ENV is 'aws' but {variable} is set to '{value}'", hint=f"unset {variable}")
