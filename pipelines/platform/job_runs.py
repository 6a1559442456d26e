"""Job runs on EMR Serverless: submitted, watched, cancelled, and as it accounts for them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError, UsageError
from pipelines.platform import aws, spark
from pipelines.platform.package import Release
from pipelines.platform.settings import Settings

# The commands `pulseiq run ...` that read on until they are ended.
_ENDLESS = ("bronze", "refine", "detect", "live")
_ENDED = ("SUCCESS", "FAILED", "CANCELLED")
_UNDER_WAY = ("SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "QUEUED")
# A stream that broke off is started again, unless it has broken off so often within an hour.
_STREAM_FAILURES = 5
_CANCEL_SECONDS = 90.0


@dataclass(frozen=True)
class Submitted:
    """A run that may still be under way, by its identifier."""

    identifier: str
    application: str
    name: str
    logs: str
    began: float


@dataclass(frozen=True)
class Listed:
    """One run as EMR Serverless tells it; `command` is empty in a list, which says nothing of it."""

    run: Submitted
    state: str
    details: str
    mode: str
    attempt: int
    created: datetime
    command: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For people and for JSON."""
        return {
            "id": self.run.identifier,
            "job": self.run.name,
            **({"command": self.command} if self.command else {}),
            "mode": self.mode,
            "attempt": self.attempt,
            "created": self.created.isoformat(timespec="seconds"),
            "state": self.state,
            "details": self.details,
            "logs": self.run.logs,
        }


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
    for found in _listed(settings, createdAtAfter=begin, createdAtBefore=end):
        if found["state"] in _ENDED:
            lasted = (found["updatedAt"] - found["createdAt"]).total_seconds()
            yield JobRun(found.get("name", ""), found["state"], lasted)


def run(
    settings: Settings,
    release: Release,
    role: str,
    words: Sequence[str],
    timeout_seconds: float,
    driver: Mapping[str, str] | None = None,
    *,
    brief: bool = False,
) -> JobRun:
    """Run one `pulseiq` command as a job and wait for its end; see `submit`.

    Raises:
        ServiceError: there is no application, the job failed or did not end in time; the message has its last words.
    """
    submitted = submit(settings, release, role, words, driver, brief=brief)
    while check(settings, submitted):
        seconds = time.monotonic() - submitted.began
        if seconds > timeout_seconds:
            raise ServiceError(f"job {submitted.name} still runs after {seconds:.0f} s", hint=f"read {submitted.logs}")
        time.sleep(1)
    return JobRun(submitted.name, "SUCCESS", time.monotonic() - submitted.began)


def submit(
    settings: Settings,
    release: Release,
    role: str,
    words: Sequence[str],
    driver: Mapping[str, str] | None = None,
    *,
    brief: bool = False,
    failures: int = _STREAM_FAILURES,
) -> Submitted:
    """Submit one `pulseiq` command as a job.

    What runs until it is cancelled is submitted as a stream: EMR ends a batch after twelve hours, and starts a stream
    again that failed.

    Args:
        driver: further variables of the driver.
        brief: for a run of seconds, see `spark.session`.
        failures: of a stream within an hour, with which it is given up.

    Raises:
        UsageError: there is no such role.
        ServiceError: there is no application, or EMR Serverless does not answer.
    """
    application = _application(settings)
    if role not in settings.job_role_arns:
        raise UsageError(f"no job has the role '{role}'", hint=f"one of {', '.join(sorted(settings.job_role_arns))}")
    variables = {"PULSEIQ_ENV": settings.env, "PYTHONPATH": release.python_path, **(driver or {})}
    properties = {
        **settings.job_properties,
        **{f"spark.emr-serverless.driverEnv.{name}": value for name, value in variables.items()},
        # EMR knows nothing of what Delta allocates.
        "spark.driver.extraJavaOptions": shlex.join(spark.jvm_options(brief)),
        "spark.executorEnv.PYTHONPATH": release.python_path,
        "spark.archives": ",".join(release.archives),
    }
    if release.jars:
        properties["spark.jars"] = ",".join(release.jars)
    name = _name(role)
    mode: dict[str, Any] = {}
    if endless(words):
        mode = {"mode": "STREAMING", "retryPolicy": {"maxFailedAttemptsPerHour": failures}}
    began = time.monotonic()
    with _answering():
        started = aws.client(settings, "emr-serverless").start_job_run(
            applicationId=application,
            executionRoleArn=settings.job_role_arns[role],
            name=name,
            **mode,
            jobDriver={
                "sparkSubmit": {
                    "entryPoint": release.entry,
                    "entryPointArguments": ["--", *words],
                    "sparkSubmitParameters": " ".join(
                        f"--conf {shlex.quote(f'{key}={value}')}" for key, value in properties.items()
                    ),
                }
            },
            configurationOverrides={"monitoringConfiguration": _monitoring(settings)},
        )["jobRunId"]
    return _submitted(settings, application, started, name, began)


def endless(words: Sequence[str]) -> bool:
    """Whether a `pulseiq` command runs until somebody ends it."""
    return len(words) > 1 and words[0] == "run" and words[1] in _ENDLESS and "--once" not in words


def listed(settings: Settings, *, ended: bool = False) -> list[Listed]:
    """Runs that have not ended, or all that are remembered, newest first; none where there is no application.

    Raises:
        ServiceError: EMR Serverless does not answer.
    """
    wanted = {} if ended else {"states": list(_UNDER_WAY)}
    found = [_told(settings, each["id"], each) for each in _listed(settings, **wanted)]
    return sorted(found, key=lambda each: each.created, reverse=True)


def under_way(settings: Settings, role: str) -> list[Submitted]:
    """Runs of a role that somebody has submitted and that have not ended; see `listed`."""
    return [each.run for each in listed(settings) if each.run.name == _name(role)]


def shown(settings: Settings, identifier: str) -> Listed:
    """One run.

    Raises:
        UsageError: there is none of this name.
        ServiceError: there is no application, or EMR Serverless does not answer.
    """
    client = aws.client(settings, "emr-serverless")
    with _answering():
        try:
            found = client.get_job_run(applicationId=_application(settings), jobRunId=identifier)["jobRun"]
        except (client.exceptions.ResourceNotFoundException, client.exceptions.ValidationException) as error:
            raise UsageError(f"there is no job '{identifier}'", hint="pulseiq jobs list --all") from error
    return _told(settings, identifier, found)


def check(settings: Settings, submitted: Submitted) -> bool:
    """Whether a run is still under way; False when it has ended well.

    Raises:
        ServiceError: it failed or was cancelled; the message has its last words.
    """
    state, details = _state(settings, submitted)
    if state not in _ENDED:
        return True
    if state != "SUCCESS":
        seconds = time.monotonic() - submitted.began
        raise ServiceError(
            f"job {submitted.name} is {state} after {seconds:.0f} s: {details[-300:]}", hint=f"read {submitted.logs}"
        )
    return False


def cancel(settings: Settings, submitted: Submitted) -> str:
    """Ask a run to end, and wait until every process of it has; one that has ended already is left alone.

    Returns:
        The state that it ended in.

    Raises:
        ServiceError: it does not end.
    """
    state = _state(settings, submitted)[0]
    if state in _ENDED:
        return state
    with _answering():
        aws.client(settings, "emr-serverless").cancel_job_run(
            applicationId=submitted.application, jobRunId=submitted.identifier
        )
    deadline = time.monotonic() + _CANCEL_SECONDS
    while (state := _state(settings, submitted)[0]) not in _ENDED:
        if time.monotonic() > deadline:
            raise ServiceError(f"job {submitted.name} is still {state}", hint=f"read {submitted.logs}")
        time.sleep(0.5)
    return state


@contextmanager
def _answering() -> Iterator[None]:
    """Within it, an error of AWS's client is one of ours."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"EMR Serverless does not answer: {error}", hint="pulseiq status") from error


def _listed(settings: Settings, **wanted: Any) -> Iterator[dict[str, Any]]:
    """The wanted runs as ListJobRuns tells them; none where there is no application."""
    application = settings.emr_application_id
    if application is None:
        return
    with _answering():
        pages = aws.client(settings, "emr-serverless").get_paginator("list_job_runs")
        for page in pages.paginate(applicationId=application, **wanted):
            yield from page["jobRuns"]


def _application(settings: Settings) -> str:
    if settings.emr_application_id is None:
        raise ServiceError(
            "there is no EMR Serverless application to run jobs",
            hint="`compute` in terraform/env, or in PULSEIQ_TERRAFORM_VARS, leaves it out",
        )
    return settings.emr_application_id


def _told(settings: Settings, identifier: str, found: Mapping[str, Any]) -> Listed:
    words = found.get("jobDriver", {}).get("sparkSubmit", {}).get("entryPointArguments", [])
    return Listed(
        _submitted(settings, found["applicationId"], identifier, found.get("name", ""), time.monotonic()),
        found["state"],
        found.get("stateDetails", ""),
        found.get("mode", "BATCH"),
        found.get("attempt", 1),
        found["createdAt"].astimezone(UTC),
        shlex.join(["pulseiq", *words[words.index("--") + 1 :]]) if "--" in words else "",
    )


def _name(role: str) -> str:
    return f"pulseiq-{role}"


def _monitoring(settings: Settings) -> dict[str, Any]:
    """To S3 with everything else of a run; to the log group for whoever reads along."""
    where: dict[str, Any] = {"s3MonitoringConfiguration": {"logUri": _logs(settings)}}
    if settings.job_log_group:
        where["cloudWatchLoggingConfiguration"] = {"enabled": True, "logGroupName": settings.job_log_group}
    return where


def _logs(settings: Settings) -> str:
    return f"s3://{settings.artifacts_bucket}/logs/"


def _submitted(settings: Settings, application: str, identifier: str, name: str, began: float) -> Submitted:
    logs = f"{_logs(settings)}applications/{application}/jobs/{identifier}/"
    return Submitted(identifier, application, name, logs, began)


def _state(settings: Settings, submitted: Submitted) -> tuple[str, str]:
    with _answering():
        client = aws.client(settings, "emr-serverless")
        found = client.get_job_run(applicationId=submitted.application, jobRunId=submitted.identifier)["jobRun"]
    return found["state"], found.get("stateDetails", "")


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
