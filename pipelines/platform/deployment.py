"""Plans that a person sees before they are applied, on this machine and on AWS, with what they cost.

On AWS nothing is changed without a confirmation that was asked for after the estimate. The state is in a bucket of its
own there, which the first apply makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import aws, cost, inventory, job_runs, localstack, provision
from pipelines.platform.cost import Estimate, Load
from pipelines.platform.inventory import Changes, Resource
from pipelines.platform.settings import REHEARSAL_HINT, Endpoints, manifest, storage_beside
from pipelines.platform.terraform import Stack, StateBucket

Echo = Callable[[str], object]

_NO_CREDENTIALS = {"InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch", "UnrecognizedClientException"}


@dataclass(frozen=True)
class Plan:
    """A saved plan: what it does, what there will be, and what that costs; no estimate where nothing is paid for."""

    stack: Stack
    account: str
    changes: Changes
    resources: tuple[Resource, ...]
    estimate: Estimate | None

    def __str__(self) -> str:
        return f"{self.changes}, in account {self.account}, {self.stack.known.region}"


def plan(known: Endpoints, load: Load | None = None, echo: Echo = print) -> Plan:
    """Plan the environment without changing anything.

    Raises:
        UsageError: a variable has a value that the stack refuses.
        ServiceError: no credentials, LocalStack is down, or Terraform failed.
    """
    account = account_of(known)
    stack = Stack(known)
    if known.endpoint_url is not None:
        provision.forget_what_is_gone(stack, echo)
    bucket = _state_bucket(stack, account)
    if bucket is not None and not _exists(known, bucket):
        echo(f"Terraform: there is no state yet (bucket {bucket.name}); planning from nothing")
        bucket = None
    stack.initialise(bucket)
    file = stack.folder / "plan"
    stack.run("plan", f"-out={file}", *stack.variables())
    shown = stack.show(file)
    found = tuple(inventory.resources(shown))
    paid = not known.serves_itself
    return Plan(stack, account, inventory.changes(shown), found, cost.estimate(found, load) if paid else None)


def apply(planned: Plan, echo: Echo = print) -> None:
    """Apply a plan, and make the bucket of its state first where there is none.

    Raises:
        ServiceError: AWS refused something, or somebody else holds the state's lock.
    """
    stack = planned.stack
    known = stack.known
    bucket = _state_bucket(stack, planned.account)
    if bucket is not None and not _exists(known, bucket):
        _make(known, bucket)
        echo(f"Terraform: made {bucket.name} for the state")
        # The plan was made for a state in a file, and Terraform would refuse it.
        stack.initialise(bucket)
        stack.run("apply", "-auto-approve", *stack.variables())
    else:
        stack.run("apply", "-auto-approve", str(stack.folder / "plan"))
    provision.confirm(known)


def destroy(known: Endpoints) -> None:
    """Destroy what the stack made; the bucket of the state stays."""
    account = account_of(known)
    stack = Stack(known)
    stack.initialise(_state_bucket(stack, account))
    application = manifest(known).get("emr_application_id")
    if application is not None:
        job_runs.stop_application(known, application)
    stack.run("destroy", "-auto-approve", *stack.variables())


def leftovers(known: Endpoints) -> list[str]:
    """What the endpoint still holds of a stack that was destroyed, asked of each service; the state's bucket stays."""
    name = f"pulseiq-{Stack(known).name}"
    asked: tuple[tuple[str, str, str, str], ...] = (
        ("s3", "list_buckets", "Buckets", "Name"),
        ("iam", "list_roles", "Roles", "RoleName"),
        ("kms", "list_aliases", "Aliases", "AliasName"),
        ("logs", "describe_log_groups", "logGroups", "logGroupName"),
        ("sns", "list_topics", "Topics", "TopicArn"),
        ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        ("kafka", "list_clusters_v2", "ClusterInfoList", "ClusterName"),
        ("glue", "get_databases", "DatabaseList", "Name"),
    )
    left = []
    for service, operation, items, field in asked:
        for item in getattr(aws.client(known, service), operation)()[items]:
            if name in item[field].replace("_", "-"):
                left.append(f"{service} {item[field]}")
    # EMR Serverless lists what it deleted too.
    there = ["CREATING", "CREATED", "STARTING", "STARTED", "STOPPING", "STOPPED"]
    applications = aws.client(known, "emr-serverless").list_applications(states=there)["applications"]
    left += [f"emr-serverless {each['name']}" for each in applications if name in each["name"]]
    environments = aws.client(known, "mwaa").list_environments()["Environments"]
    left += [f"mwaa {each}" for each in environments if name in each]
    left += [f"ssm /pulseiq/{known.env}/{each}" for each in manifest(known)]
    return left


def account_of(known: Endpoints) -> str:
    """The account that the credentials belong to.

    Raises:
        ServiceError: there are none, they are not valid, or LocalStack does not answer.
        UsageError: LocalStack was started beside a store of the buckets, and this is a rehearsal.
    """
    if known.endpoint_url is not None and localstack.probe(known) is None:
        raise ServiceError(f"LocalStack at {known.endpoint_url} does not answer", hint="pulseiq up")
    if known.rehearsal and (elsewhere := storage_beside(known)):
        # Jobs would be fetched from the store, and the rehearsal's are in LocalStack.
        raise UsageError(f"the lake that runs is in {elsewhere}, not in LocalStack", hint=REHEARSAL_HINT)
    try:
        return str(aws.client(known, "sts").get_caller_identity()["Account"])
    except ClientError as error:
        code = error.response["Error"]["Code"]
        told = "are not valid" if code in _NO_CREDENTIALS else f"were refused: {code}"
        raise ServiceError(f"the AWS credentials {told}", hint="aws sso login, or export AWS_PROFILE=...") from error
    except BotoCoreError as error:
        raise ServiceError(
            f"there are no AWS credentials that work: {error}",
            hint="export AWS_PROFILE=..., or try it on this machine: PULSEIQ_REHEARSAL=1",
        ) from error


def _state_bucket(stack: Stack, account: str) -> StateBucket | None:
    if not stack.keeps_state_in_s3:
        return None
    known = stack.known
    return StateBucket(f"pulseiq-state-{account}-{known.region}", known.region, known.endpoint_url)


def _exists(known: Endpoints, bucket: StateBucket) -> bool:
    try:
        aws.client(known, "s3").head_bucket(Bucket=bucket.name)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchBucket"):
            return False
        raise ServiceError(
            f"the bucket {bucket.name} of Terraform's state cannot be read: {error.response['Error']['Code']}",
            hint="ask its owner for s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject",
        ) from error
    return True


def _make(known: Endpoints, bucket: StateBucket) -> None:
    """Versioned, encrypted and closed: a state holds every name and some secrets."""
    s3 = aws.client(known, "s3")
    place = {} if bucket.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": bucket.region}}
    s3.create_bucket(Bucket=bucket.name, **place)  # type: ignore[arg-type]
    s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(
        Bucket=bucket.name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
