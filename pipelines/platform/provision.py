"""What LocalStack must hold: Terraform's platform stack, applied when it came up empty or the configuration changed.

LocalStack forgets everything at its end and Terraform's state does not, so a state that speaks of resources which are
gone is removed first.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions

from pipelines.errors import ServiceError
from pipelines.platform import aws, epoch, toolchain
from pipelines.platform.process import Launch, run_in_group
from pipelines.platform.settings import MANIFEST, PROJECT_ROOT, Endpoints
from pipelines.platform.settings import manifest as manifest_of

STACK = PROJECT_ROOT / "terraform" / "stacks" / "platform"
VARIABLES = PROJECT_ROOT / "terraform" / "env" / "local.tfvars"

_TIMEOUT_SECONDS = 300.0


def reason(known: Endpoints) -> str | None:
    """Why Terraform must be applied, in words; None when everything is as it should be."""
    missing = _missing(known)
    if missing:
        return missing
    applied = _applied_file(known)
    return None if applied.exists() and applied.read_text() == _digest(known) else "the configuration changed"


def came_up_empty(known: Endpoints) -> bool:
    """Whether LocalStack holds nothing of ours."""
    s3, kms = aws.client(known, "s3"), aws.client(known, "kms")
    try:
        buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
        aliases = [alias["AliasName"] for alias in kms.list_aliases(Limit=100)["Aliases"]]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise _silent(known, error) from error
    ours = [name for name in (*buckets, *aliases) if "pulseiq" in name]
    return not ours and not manifest_of(known)


def apply(known: Endpoints, echo: Callable[[str], object]) -> None:
    """Bring LocalStack to what Terraform's configuration says.

    Raises:
        ServiceError: Terraform failed; the message has its first error and the path of its log.
    """
    folder = _folder(known)
    folder.mkdir(parents=True, exist_ok=True)
    _applied_file(known).unlink(missing_ok=True)
    if came_up_empty(known):
        stale = [path for path in folder.glob("platform.tfstate*") if path.is_file()]
        for path in stale:
            path.unlink()
        if stale:
            echo("Terraform: the state speaks of a LocalStack that is gone; starting without it")
    initialise(known)
    terraform(known, "apply", "-auto-approve", *variables(known))
    missing = _missing(known)
    if missing:
        raise ServiceError(f"Terraform was applied, and still {missing}", hint="pulseiq down, then pulseiq up")
    _applied_file(known).write_text(_digest(known))


def initialise(known: Endpoints) -> None:
    """`terraform init` where it was not done for these sources; state and plugins stay outside the checkout."""
    done = _folder(known) / "initialised"
    digest = f"{_digest(known)} {' '.join(toolchain.terraform())} {toolchain.provider_mirror()}"
    providers = list((_folder(known) / "plugins" / "providers").glob("*/*/*/*/*"))
    if not providers or not done.exists() or done.read_text() != digest:
        terraform(
            known,
            "init",
            "-reconfigure",
            "-lockfile=readonly",
            f"-backend-config=path={_folder(known) / 'platform.tfstate'}",
        )
        done.write_text(digest)


def variables(known: Endpoints) -> tuple[str, ...]:
    """Terraform's variables for this machine: the committed file and what follows from our own variables."""
    return (
        f"-var-file={VARIABLES}",
        f"-var=region={known.region}",
        f"-var=endpoint_url={known.endpoint_url}",
        f"-var=bootstrap_servers={known.bootstrap_servers}",
    )


def terraform(known: Endpoints, command: str, *arguments: str, expected: tuple[int, ...] = (0,)) -> int:
    """Run one command of Terraform on the platform stack; its output goes to the log. Returns its exit code."""
    log = log_file(known)
    log.parent.mkdir(parents=True, exist_ok=True)
    start = log.stat().st_size if log.exists() else 0
    launch = Launch(
        [*toolchain.terraform(), command, "-input=false", "-no-color", *arguments], _environment(known), STACK
    )
    code = run_in_group(launch, log, _TIMEOUT_SECONDS)
    if code in expected:
        return code
    with log.open("rb") as file:
        file.seek(start)
        said = file.read().decode(errors="replace")
    if code == 124:
        raise ServiceError(
            f"terraform {command} did not end within {_TIMEOUT_SECONDS:.0f} s", hint=f"read {log}, then pulseiq up"
        )
    exists = re.search(r"AlreadyOwnedByYou|AlreadyExists|already exists", said)
    hint = "pulseiq down, then pulseiq up: LocalStack forgets what it holds" if exists else f"read {log}"
    raise ServiceError(f"terraform {command} failed: {_first_error(said)}", hint=hint)


def log_file(known: Endpoints) -> Path:
    """Everything that Terraform said."""
    return known.home / "log" / "terraform.log"


def _missing(known: Endpoints) -> str | None:
    found = manifest_of(known)
    if not found:
        return "LocalStack is empty"
    lacking = sorted(set(MANIFEST) - set(found))
    if lacking:
        return f"the manifest lacks {', '.join(lacking)}"
    return None if _has_epoch(known, found["lake_bucket"]) else "the lake bucket is gone"


def _folder(known: Endpoints) -> Path:
    return known.home / "data" / "terraform"


def _applied_file(known: Endpoints) -> Path:
    return _folder(known) / "applied"


def _digest(known: Endpoints) -> str:
    """Changes with every file and variable that Terraform reads."""
    digest = hashlib.sha256(json.dumps(variables(known)).encode())
    root = PROJECT_ROOT / "terraform"
    for path in sorted([*root.glob("modules/*/*.tf"), *STACK.glob("*.tf"), STACK / ".terraform.lock.hcl", VARIABLES]):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _environment(known: Endpoints) -> dict[str, str]:
    """Nothing of AWS from the user's shell: a profile or a key there is not meant for an emulator."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1,localhost")))
    return (
        inherited
        | toolchain.terraform_environment(known.home)
        | {"TF_DATA_DIR": str(_folder(known) / "plugins"), "NO_PROXY": direct, "no_proxy": direct}
        # A third less work for 300 MB more: its schema of all of AWS keeps Go's garbage collector busy.
        | {"GOGC": os.environ.get("GOGC") or "400"}
        | {
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
    )


def _has_epoch(known: Endpoints, bucket: str) -> bool:
    try:
        aws.client(known, "s3").head_object(Bucket=bucket, Key=epoch.KEY)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NoSuchBucket"):
            return False
        raise _silent(known, error) from error
    except botocore.exceptions.BotoCoreError as error:
        raise _silent(known, error) from error
    return True


def _silent(known: Endpoints, error: Exception) -> ServiceError:
    return ServiceError(f"LocalStack at {known.endpoint_url} does not answer as AWS: {error}", hint="pulseiq status")


def _first_error(said: str) -> str:
    """Terraform's first error, without its frame."""
    lines = [line.strip("│╷╵ ").strip() for line in said.splitlines()]
    for position, line in enumerate(lines):
        if line.startswith("Error:"):
            detail = next((each for each in lines[position + 1 :] if each), "")
            return f"{line.removeprefix('Error:').strip()} {detail}".strip()[:400]
    return next((line for line in reversed(lines) if line), "it said nothing")[:400]
