"""One job run as it is remembered, and the forms in which the API tells it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from localstack_lakehouse.calls import Answer, Request

ENDED = ("SUCCESS", "FAILED", "CANCELLED")
CANCEL_GRACE_SECONDS = 15
_DETAILS_LENGTH = 256
_DEFAULT_TIMEOUT_MINUTES = 720


@dataclass
class Attempt:
    """One start of the driver."""

    number: int
    created: datetime
    updated: datetime
    state: str = "SUBMITTED"
    details: str = "The job run was submitted."
    started: datetime | None = None
    ended: datetime | None = None

    def move(self, state: str, details: str) -> None:
        """Take another state now."""
        self.details = details[:_DETAILS_LENGTH].strip() or state
        self.updated = datetime.now(UTC)
        self.state = state


@dataclass
class JobRun:
    """One run. `request` is that of StartJobRun; `monitoring` and `defaults` include the application's."""

    identifier: str
    application: str
    arn: str
    account: str
    release: str
    request: Request
    monitoring: Request
    defaults: Mapping[str, str]
    created: datetime
    folder: Path
    tags: dict[str, str]
    attempts: list[Attempt] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    cancel_reason: str = ""
    grace: int = CANCEL_GRACE_SECONDS

    @property
    def last(self) -> Attempt:
        """The newest attempt."""
        return self.attempts[-1]

    @property
    def state(self) -> str:
        """Of the run as a whole."""
        return self.last.state

    @property
    def mode(self) -> str:
        """BATCH or STREAMING."""
        return str(self.request.get("mode") or "BATCH")

    @property
    def timeout_minutes(self) -> int:
        """0 is no limit; a stream has none by default."""
        default = 0 if self.mode == "STREAMING" else _DEFAULT_TIMEOUT_MINUTES
        return int(self.request.get("executionTimeoutMinutes", default))

    def log_folder(self, attempt: Attempt) -> Path:
        """Where the attempt's stdout and stderr are."""
        return self.folder / f"attempt-{attempt.number}"


def form(run: JobRun, attempt: Attempt) -> Answer:
    """JobRun of GetJobRun."""
    finished = attempt.ended or datetime.now(UTC)
    seconds = round((finished - attempt.started).total_seconds()) if attempt.started else 0
    told = summary(run, attempt)
    told["jobRunId"] = told.pop("id")
    told.pop("type")
    told |= {
        "jobDriver": run.request["jobDriver"],
        "tags": dict(run.tags),
        "totalExecutionDurationSeconds": seconds,
        "executionTimeoutMinutes": run.timeout_minutes,
    }
    for name in ("configurationOverrides", "executionIamPolicy", "retryPolicy"):
        if name in run.request:
            told[name] = run.request[name]
    told |= {name: at for name, at in (("startedAt", attempt.started), ("endedAt", attempt.ended)) if at}
    return told


def summary(run: JobRun, attempt: Attempt) -> Answer:
    """JobRunSummary of ListJobRuns."""
    told = {
        "applicationId": run.application,
        "id": run.identifier,
        "mode": run.mode,
        "arn": run.arn,
        "createdBy": f"arn:aws:iam::{run.account}:root",
        "createdAt": run.created,
        "updatedAt": attempt.updated,
        "executionRole": run.request["executionRoleArn"],
        "state": attempt.state,
        "stateDetails": attempt.details,
        "releaseLabel": run.release,
        "type": "Spark",
        "attempt": attempt.number,
        "attemptCreatedAt": attempt.created,
        "attemptUpdatedAt": attempt.updated,
    }
    if "name" in run.request:
        told["name"] = run.request["name"]
    return told


def attempt_summary(run: JobRun, attempt: Attempt) -> Answer:
    """JobRunAttemptSummary of ListJobRunAttempts."""
    told = summary(run, attempt)
    told |= {"jobCreatedAt": run.created, "createdAt": told.pop("attemptCreatedAt")}
    told["updatedAt"] = told.pop("attemptUpdatedAt")
    return told
