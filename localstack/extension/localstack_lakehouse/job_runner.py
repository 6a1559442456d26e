"""Runs jobs: each from SUBMITTED to its end, in a thread of its own."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localstack_lakehouse import keeper, spark_command
from localstack_lakehouse.job_logs import Clients, JobLogs
from localstack_lakehouse.job_run import CANCEL_GRACE_SECONDS, ENDED, Attempt, JobRun
from localstack_lakehouse.settings import Settings
from localstack_lakehouse.spark_command import JobError, Place

LOG = logging.getLogger(__name__)

_SEARCHED_BYTES = 200_000
_SHIP_SECONDS = 2.0
_RETRY_PAUSE_SECONDS = 3.0
_STREAMING_FAILURES_AN_HOUR = 5
# What a Python traceback or a Java stack trace ends or begins with.
_ERROR = re.compile(r"^(?:Caused by: |Exception in thread \S+ )?[\w.$]*(?:Error|Exception|Interrupt|SystemExit)\b.*")

# A line of Spark's log that says what goes on.
_REPORT = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d (?:INFO|DEBUG|WARN) ")


class Runner:
    """Runs jobs; `clients` makes an AWS client for an account, as (service, account, region)."""

    def __init__(self, settings: Settings, endpoint: str, clients: Callable[[str, str, str], Any]) -> None:
        self._settings = settings
        self._endpoint = endpoint
        self._clients = clients
        self._closing = threading.Event()

    def start(self, run: JobRun, region: str) -> None:
        """Begin the run in the background."""
        self._begin_attempt(run)
        threading.Thread(target=self._work, args=(run, region), name=f"job-{run.identifier}", daemon=True).start()

    def cancel(self, run: JobRun, reason: str, grace: int | None = None) -> None:
        """Ask the run to end; it is CANCELLED when every process of it is gone."""
        run.grace = CANCEL_GRACE_SECONDS if grace is None else grace
        run.cancel_reason = reason
        if run.state not in ENDED:
            run.last.move("CANCELLING", reason)
        run.cancelled.set()
        _tell_keeper(run)

    def close(self) -> None:
        """LocalStack ends: nothing is started any more. The keepers see their input close and end what they keep."""
        self._closing.set()

    def _begin_attempt(self, run: JobRun) -> Attempt:
        now = datetime.now(UTC)
        run.attempts.append(Attempt(len(run.attempts) + 1, now, now))
        return run.last

    def _work(self, run: JobRun, region: str) -> None:
        def clients(service: str) -> Any:
            return self._clients(service, run.account, region)

        while True:
            attempt = run.last
            try:
                state, details = self._attempt(run, attempt, clients, region)
            except JobError as error:
                state, details = "FAILED", str(error)
            except Exception as error:  # a run must never stay RUNNING with nobody behind it
                LOG.exception("job run %s broke off", run.identifier)
                state, details = "FAILED", f"{type(error).__name__}: {error}"
            attempt.ended = datetime.now(UTC)
            if state == "FAILED" and not run.cancelled.is_set() and self._may_retry(run):
                attempt.move(state, details)
                run.cancelled.wait(_RETRY_PAUSE_SECONDS)
                self._begin_attempt(run)
                continue
            attempt.move(state, details)
            return

    def _may_retry(self, run: JobRun) -> bool:
        policy = run.request.get("retryPolicy") or {}
        if run.mode == "STREAMING":
            recent = [a for a in run.attempts if (datetime.now(UTC) - a.created).total_seconds() < 3600]
            allowed = policy.get("maxFailedAttemptsPerHour") or _STREAMING_FAILURES_AN_HOUR
            return len(recent) < allowed and not self._closing.is_set()
        return len(run.attempts) < (policy.get("maxAttempts") or 1) and not self._closing.is_set()

    def _attempt(self, run: JobRun, attempt: Attempt, clients: Clients, region: str) -> tuple[str, str]:
        """State and details that it ended with."""
        folder = run.log_folder(attempt)
        place = Place(self._endpoint, region, _access_key(run.account), folder / "work")
        place.folder.mkdir(parents=True)
        _check_role(clients("iam"), run.request["executionRoleArn"])
        attempt.move("SCHEDULED", "Fetching the job's files.")
        fetch = _fetcher(clients("s3"))
        driver = run.request["jobDriver"]["sparkSubmit"]
        command = spark_command.prepare(driver, run.defaults, place, self._settings, fetch)
        if run.cancelled.is_set():
            return "CANCELLED", run.cancel_reason
        path = f"applications/{run.application}/jobs/{run.identifier}"
        path += "" if attempt.number == 1 else f"/attempts/{attempt.number}"
        logs = JobLogs(folder, path, run.monitoring, clients)
        try:
            return self._watch(run, attempt, command, logs)
        finally:
            logs.ship(last=True)
            shutil.rmtree(place.folder, ignore_errors=True)

    def _watch(self, run: JobRun, attempt: Attempt, command: spark_command.Command, logs: JobLogs) -> tuple[str, str]:
        folder = run.log_folder(attempt)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            run.process = subprocess.Popen(
                [sys.executable, "-I", keeper.__file__, *command.argv],
                env=dict(command.environment),
                cwd=folder / "work",
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        attempt.started = datetime.now(UTC)
        if not run.cancelled.is_set():
            attempt.move("RUNNING", "The driver runs.")
        deadline = time.monotonic() + run.timeout_minutes * 60 if run.timeout_minutes else None
        while True:
            if run.cancelled.is_set():
                _tell_keeper(run)
            try:
                code = run.process.wait(timeout=_SHIP_SECONDS)
                break
            except subprocess.TimeoutExpired:
                logs.ship()
            if deadline is not None and time.monotonic() > deadline and not run.cancelled.is_set():
                self.cancel(run, f"The job run timed out after {run.timeout_minutes} minutes.")
        if run.cancelled.is_set():
            return "CANCELLED", run.cancel_reason
        if code == 0:
            return "SUCCESS", "The job run completed successfully."
        reason = last_error(*(_end_of(folder / name) for name in ("stdout", "stderr")))
        text = "Job failed, please check complete logs in configured logging destination."
        return "FAILED", f"{text} ExitCode: {code}. Last few exceptions: {reason}"


def last_error(*logs: str) -> str:
    """The last line that names an error in the first log that has one; where none has, the last that is no report.

    spark-submit sends what a Python driver says on standard error to standard output, so that log comes first.
    """
    texts = [[line.strip() for line in log.splitlines() if line.strip()] for log in logs]
    for telling in (_ERROR.match, lambda line: not _REPORT.match(line)):
        for lines in texts:
            found = next((line for line in reversed(lines) if telling(line)), None)
            if found is not None:
                return found
    return next((lines[-1] for lines in texts if lines), "the driver printed nothing")


def _end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _SEARCHED_BYTES))
        return file.read().decode(errors="replace")


def _tell_keeper(run: JobRun) -> None:
    """Close the keeper's input, with the time of grace; it ends the job then."""
    process = run.process
    if process is None or process.stdin is None or process.stdin.closed:
        return
    try:
        process.stdin.write(str(run.grace).encode())
        process.stdin.close()
    except OSError:
        return  # it has just ended by itself


def _access_key(account: str) -> str:
    """LocalStack takes a key of twelve digits for an account, and any other for the first one."""
    return "test" if account == "000000000000" else account


def _check_role(iam: Any, arn: str) -> None:
    """As on AWS, a run whose role cannot be assumed by EMR Serverless never starts."""
    name = arn.rpartition("/")[2]
    try:
        policy = str(iam.get_role(RoleName=name)["Role"].get("AssumeRolePolicyDocument"))
    except iam.exceptions.NoSuchEntityException:
        policy = ""
    if "emr-serverless.amazonaws.com" not in policy:
        reason = "it does not exist or is not set up with the required trust relationship with EMR Serverless"
        raise JobError(f"Could not assume runtime role {arn} because {reason}.")


def _fetcher(s3: Any) -> spark_command.Fetch:
    def fetch(uri: str, target: Path) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            s3.download_file(bucket, key, str(target))
        except Exception as error:  # botocore's errors have no common base worth importing
            raise JobError(f"{uri} cannot be read: {error}") from error

    return fetch
