"""Names out of Terraform's manifest in SSM, and out of the newest release in the artifacts bucket.

Called from templates when a task runs. Two Airflow variables say which deployment is meant: `pulseiq_env` (`aws` when
it is not set) and `pulseiq_product`.
"""

from __future__ import annotations

import json
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.hooks.ssm import SsmHook
from airflow.sdk import Variable

AWS_CONNECTION = "aws_default"
CURRENT_RELEASE = "releases/current.json"


def environment() -> str:
    """`local` or `aws`."""
    return str(Variable.get("pulseiq_env", default="aws"))


def product() -> str:
    """The product that scheduled runs are for."""
    return str(Variable.get("pulseiq_product", default="shop"))


def manifest(name: str) -> str:
    """One value of the manifest; an error names the parameter that is not there."""
    parameter = f"/pulseiq/{environment()}/{name}"
    return str(SsmHook(aws_conn_id=AWS_CONNECTION).get_parameter_value(parameter))


def job_role(job: str) -> str:
    """ARN of the role of a job."""
    roles = json.loads(manifest("job_role_arns"))
    if job not in roles:
        raise LookupError(f"/pulseiq/{environment()}/job_role_arns has no role for '{job}', only {', '.join(roles)}")
    return str(roles[job])


def release() -> dict[str, Any]:
    """What `make package` put into the artifacts bucket last: entry point, archives and jars as URIs."""
    bucket = manifest("artifacts_bucket")
    hook = S3Hook(aws_conn_id=AWS_CONNECTION)
    if not hook.check_for_key(CURRENT_RELEASE, bucket_name=bucket):
        raise LookupError(f"s3://{bucket}/{CURRENT_RELEASE} is not there: make package")
    text = hook.read_key(CURRENT_RELEASE, bucket_name=bucket)
    found: dict[str, Any] = json.loads(text)
    return found


def submit_parameters() -> str:
    """Options of spark-submit: how large workers are, where the project and its packages are unpacked, jars, and which
    environment it is."""
    current = release()
    driver = {"PULSEIQ_ENV": environment(), "PYTHONPATH": current["python_path"]}
    settings = [f"--conf {name}={value}" for name, value in json.loads(manifest("job_properties")).items()]
    settings += [f"--conf spark.emr-serverless.driverEnv.{name}={value}" for name, value in driver.items()]
    settings += [
        f"--conf spark.archives={','.join(current['archives'])}",
        f"--conf spark.executorEnv.PYTHONPATH={current['python_path']}",
    ]
    if current["jars"]:
        settings.append(f"--conf spark.jars={','.join(current['jars'])}")
    return " ".join(settings)


# For `user_defined_macros`: what templates may call.
MACROS = {
    "manifest": manifest,
    "job_role": job_role,
    "release": release,
    "submit_parameters": submit_parameters,
    "product_of_deployment": product,
}
