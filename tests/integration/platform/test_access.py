"""The policies as they are applied: what the scanner and Terraform's own tests see only in parts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from pipelines.jobs.catalog import FILE
from pipelines.platform import aws
from pipelines.platform.settings import Settings


@pytest.fixture(scope="module")
def policies(services: Settings) -> dict[str, list[dict[str, Any]]]:
    """Role -> its statements, of every role that Terraform made here."""
    iam = aws.client(services, "iam")
    found = {}
    for arn in services.job_role_arns.values():
        role = arn.rpartition("/")[2]
        names = iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        found[role] = [statement for document in documents for statement in document["Statement"]]
    return found


def many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


# Of an address that names a whole resource; what comes behind is a part of it, as a log group's streams.
_ARN_PARTS = 6


def wildcards(statements: list[dict[str, Any]]) -> Iterator[str]:
    for statement in statements:
        yield from (f"{statement['Sid']}: {action}" for action in many(statement["Action"]) if "*" in action)
        # `*` where a service, an account or a bucket's name must be; behind a name it is a part of what is named.
        for resource in many(statement["Resource"]):
            parts = resource.split("/")[0].split(":")
            if len(parts) > _ARN_PARTS and parts[-1] == "*":
                parts.pop()
            if "*" in "".join(parts):
                yield f"{statement['Sid']}: {resource}"


def test_no_role_may_do_everything_or_on_everything(policies: dict[str, list[dict[str, Any]]]) -> None:
    assert {role.removeprefix("pulseiq-local-") for role in policies} == {
        *("bronze", "refine", "detect", "baseline", "live", "replay"),
        *("publish", "audit", "reconcile", "maintenance", "cost"),
    }
    assert {role: found for role, statements in policies.items() if (found := list(wildcards(statements)))} == {}


def test_every_table_of_the_catalog_is_written_by_some_job(policies: dict[str, list[dict[str, Any]]]) -> None:
    written = set()
    for statement in (each for statements in policies.values() for each in statements if each["Sid"] == "WriteTables"):
        places = [resource.split("/") for resource in many(statement["Resource"])]
        written |= {place[2] for place in places if place[1] == "*"}
    assert {name for product in json.loads(FILE.read_text()).values() for name in product["tables"]} <= written


def test_every_role_that_a_dag_asks_for_is_there(policies: dict[str, list[dict[str, Any]]]) -> None:
    dags = "\n".join(file.read_text() for file in (FILE.parents[3] / "dags").glob("*.py"))
    asked = set(re.findall(r'role="(\w+)"', dags))
    assert asked
    assert {f"pulseiq-local-{role}" for role in asked} <= set(policies)


def test_only_jobs_of_the_application_take_the_roles(services: Settings) -> None:
    iam = aws.client(services, "iam")
    for arn in services.job_role_arns.values():
        (statement,) = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "emr-serverless.amazonaws.com"}
        assert str(services.emr_application_id) in statement["Condition"]["ArnLike"]["aws:SourceArn"]


@pytest.mark.parametrize(
    "statement",
    [
        {"Sid": "a", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/x/*"},
        {"Sid": "b", "Action": ["s3:GetObject"], "Resource": "*"},
        {"Sid": "c", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::*/x"]},
    ],
)
def test_the_search_finds_wildcards(statement: dict[str, Any]) -> None:
    assert list(wildcards([statement]))
