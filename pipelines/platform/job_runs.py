"""Job runs on EMR Serverless: started and waited for, and as it accounts for them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError
from pipelines.platform import aws
from pipelines.platform.package import Release
from pipelines.platform.settings import Settings

_ENDED = ("SUCCESS", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class JobRun:
    """One ended run: its name, how it ended, and the seconds that it ran."""

    name: str
    state: str
    seconds: float


def between(settings: Settings, begin: datetime, end: datetime) -> Iterator[JobRun]:
    """Runs that were submitted in [begin, end) and have ended; none where there is no application.

    Raises:
        ServiceError: EMR Serverless does not answer.
    """
    application = settings.emr_application_id
    if application is None:
        return
    client = aws.client(settings, "emr-serverless")
    try:
        pages = client.get_paginator("list_job_runs").paginate(
            applicationId=application, createdAtAfter=begin, createdAtBefore=end
        )
        for page in pages:
            for run in page["jobRuns"]:
                if run["state"] in _ENDED:
                    lasted = (run["updatedAt"] - run["createdAt"]).total_seconds()
                    yield JobRun(run.get("name", ""), run["state"], lasted)
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"EMR Serverless does not answer: {error}", hint="pulseiq status") from error


def run(
    settings: Settings,
    release: Release,
    role: str,
    words: Sequence[str],
    driver: Mapping[str, str],
    timeout_seconds: float,
) -> JobRun:
    """Run one `pulseiq` command as a job and wait for its end; `driver` are further variables of the driver.

    Raises:
        ServiceError: there is no application, the job failed or did not end in time; the message has its last words.
    """
    application = settings.emr_application_id
    if application is None:
        raise ServiceError("there is no EMR Serverless application", hint="`compute` in terraform/env says whether")
    variables = {"PULSEIQ_ENV": settings.env, "PYTHONPATH": release.python_path, **driver}
    options = [f"--conf spark.emr-serverless.driverEnv.{name}={value}" for name, value in variables.items()]
    options.append(f"--conf spark.archives={','.join(release.archives)}")
    if release.jars:
        options.append(f"--conf spark.jars={','.join(release.jars)}")
    name = f"pulseiq-{role}"
    client = aws.client(settings, "emr-serverless")
    logs = {"s3MonitoringConfiguration": {"logUri": f"s3://{settings.artifacts_bucket}/logs/"}}
    try:
        started = client.start_job_run(
            applicationId=application,
            executionRoleArn=settings.job_role_arns[role],
            name=name,
            jobDriver={
                "sparkSubmit": {
                    "entryPoint": release.entry,
                    "entryPointArguments": ["--", *words],
                    "sparkSubmitParameters": " ".join(options),
                }
            },
            configurationOverrides={"monitoringConfiguration": logs},
        )["jobRunId"]
        began = time.monotonic()
        while True:
            found = client.get_job_run(applicationId=application, jobRunId=started)["jobRun"]
            seconds = time.monotonic() - began
            if found["state"] in _ENDED or seconds > timeout_seconds:
                break
            time.sleep(1)
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"EMR Serverless does not answer: {error}", hint="pulseiq status") from error
    if found["state"] != "SUCCESS":
        raise ServiceError(
            f"job {name} is {found['state']} after {seconds:.0f} s: {found.get('stateDetails', '')[-300:]}",
            hint=f"read s3://{settings.artifacts_bucket}/logs/applications/{application}/jobs/{started}/",
        )
    return JobRun(name, found["state"], seconds)


def stop_application(target: aws.Target, application: str, timeout_seconds: float = 300.0) -> None:
    """Stop an application and wait for it: one that is started is not deleted.

    Raises:
        ServiceError: jobs run in it, or it does not stop in time.
    """
    client = aws.client(target, "emr-serverless")
    deadline = time.monotonic() + timeout_seconds
    try:
        if client.get_application(applicationId=application)["application"]["state"] == "STARTED":
            client.stop_application(applicationId=application)
        while (state := client.get_application(applicationId=application)["application"]["state"]) == "STOPPING":
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"application {application} is still {state}", hint="cancel its jobs, then try again"
                )
            time.sleep(1)
    except client.exceptions.ResourceNotFoundException:
        return  # somebody deleted it
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"application {application} does not stop: {error}", hint="cancel its jobs") from error
