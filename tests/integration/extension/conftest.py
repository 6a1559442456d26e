"""The AWS services that localstack/extension adds, as boto3 sees them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from pipelines.platform import aws
from pipelines.platform.settings import Settings

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "emr-serverless.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


@pytest.fixture(scope="session")
def job_role(services: Settings) -> str:
    """ARN of a role that EMR Serverless may assume."""
    name = f"job-{uuid.uuid4().hex[:8]}"
    made = aws.client(services, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    return str(made["Role"]["Arn"])


@pytest.fixture
def bucket(services: Settings) -> str:
    """A bucket of the test's own."""
    name = f"jobs-{uuid.uuid4().hex[:8]}"
    s3: Any = aws.client(services, "s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": services.region})
    return name
