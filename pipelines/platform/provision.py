"""What LocalStack must hold: Terraform's platform stack, applied when it came up empty or the configuration changed.

LocalStack forgets everything at its end and Terraform's state does not, so a state that speaks of resources which are
gone is removed first. Where the buckets are in a store of their own and still there, it is kept: Terraform finds by
itself what else is gone, and leaves the lake and its epoch as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import botocore.exceptions

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import aws, epoch, localstack
from pipelines.platform.settings import MANIFEST, Endpoints
from pipelines.platform.settings import manifest as manifest_of
from pipelines.platform.terraform import Stack


def reason(known: Endpoints) -> str | None:
    """Why Terraform must be applied, in words; None when everything is as it should be."""
    missing = _missing(known)
    if missing:
        return missing
    applied = _applied_file(known)
    return None if applied.exists() and applied.read_text() == Stack(known).digest() else "the configuration changed"


def came_up_empty(known: Endpoints) -> bool:
    """Whether LocalStack, and the store of the buckets, hold nothing of ours."""
    try:
        aliases = [alias["AliasName"] for alias in aws.client(known, "kms").list_aliases(Limit=100)["Aliases"]]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise _silent(known, error) from error
    return not any("pulseiq" in name for name in aliases) and not _buckets(known) and not manifest_of(known)


def lake_is_gone(known: Endpoints) -> bool:
    """Whether there is no lake bucket, so that the one that is made next is empty."""
    return not any(name.endswith("-lake") for name in _buckets(known))


def refuse_another_store(known: Endpoints) -> None:
    """UsageError where a running LocalStack was provisioned with another store of the buckets than the one asked for.

    Terraform would make a second, empty lake there, and jobs would still look for theirs in the first.
    """
    found = manifest_of(known) if localstack.probe(known) is not None else {}
    there = found.get("storage_endpoint")
    if found and there != known.storage_endpoint:
        names = [place or "LocalStack" for place in (there, known.storage_endpoint)]
        problem = f"the lake that runs is in {names[0]}, and PULSEIQ_STORAGE says {names[1]}"
        raise UsageError(problem, hint="set PULSEIQ_STORAGE as it was, or pulseiq down, then pulseiq up")


def apply(known: Endpoints, echo: Callable[[str], object]) -> None:
    """Bring LocalStack to what Terraform's configuration says.

    Raises:
        ServiceError: Terraform failed; the message has its first error and the path of its log.
    """
    stack = Stack(known)
    forget_what_is_gone(stack, echo)
    _applied_file(known).unlink(missing_ok=True)
    stack.initialise()
    stack.run("apply", "-auto-approve", *stack.variables())
    confirm(known)


def confirm(known: Endpoints) -> None:
    """Write down that the configuration was applied; ServiceError when something is missing all the same."""
    missing = _missing(known)
    if missing:
        raise ServiceError(f"Terraform was applied, and still {missing}", hint="pulseiq down, then pulseiq up")
    _applied_file(known).write_text(Stack(known).digest())


def forget_what_is_gone(stack: Stack, echo: Callable[[str], object]) -> None:
    """Remove a state that speaks of an emulator which came up empty since."""
    stack.folder.mkdir(parents=True, exist_ok=True)
    stale = [path for path in stack.folder.glob("platform.tfstate*") if path.is_file()]
    if stale and came_up_empty(stack.known):
        for path in stale:
            path.unlink()
        echo("Terraform: the state speaks of a LocalStack that is gone; starting without it")


def _missing(known: Endpoints) -> str | None:
    found = manifest_of(known)
    if not found:
        return "LocalStack is empty"
    lacking = sorted(set(MANIFEST) - set(found))
    if lacking:
        return f"the manifest lacks {', '.join(lacking)}"
    return None if _has_epoch(known, found["lake_bucket"]) else "the lake bucket is gone"


def _buckets(known: Endpoints) -> list[str]:
    """Names of the buckets that are there and ours."""
    try:
        there = [bucket["Name"] for bucket in aws.client(known, "s3").list_buckets()["Buckets"]]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise _silent(known, error) from error
    made = Stack(known).buckets()
    return [name for name in there if "pulseiq" in name or name in made]


def _applied_file(known: Endpoints) -> Path:
    return Stack(known).folder / "applied"


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
    where = " or ".join(filter(None, (f"LocalStack at {known.endpoint_url}", known.storage_endpoint)))
    return ServiceError(f"{where} does not answer as AWS: {error}", hint="pulseiq status")
