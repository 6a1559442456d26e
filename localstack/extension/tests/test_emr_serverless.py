"""Runs behind a spark-submit that is a script: it starts the job's Python file, as Spark's own does, without a JVM."""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest
from localstack_lakehouse.emr_serverless import EmrServerless
from localstack_lakehouse.job_run import ENDED
from localstack_lakehouse.job_runner import last_error
from localstack_lakehouse.settings import Settings
from moto import mock_aws

ROLE = "arn:aws:iam::000000000000:role/job"
TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "emr-serverless.amazonaws.com"}}]}
SUBMIT = """#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift 2; done
exec "$PYSPARK_DRIVER_PYTHON" "$@"
"""


class Jobs:
    """EMR Serverless with an application, a bucket for jobs and logs, and a role."""

    def __init__(self, api: Any, folder: Path, monkeypatch: Any) -> None:
        submit = folder / "spark" / "bin" / "spark-submit"
        submit.parent.mkdir(parents=True)
        submit.write_text(SUBMIT)
        submit.chmod(0o755)
        settings = Settings(None, folder / "spark", sys.executable, "local[1]", None, None, folder / "jobs", None)
        service = EmrServerless(settings, "http://127.0.0.1:1", "http://127.0.0.1:4566")
        self.clients = {name: boto3.client(name, region_name="us-east-1") for name in ("s3", "iam", "logs")}
        monkeypatch.setattr(service._runner, "_clients", lambda name, account, region: self.clients[name])
        self.call = api("emr-serverless", service.handlers())
        self.page = service.dashboard_page
        self.clients["s3"].create_bucket(Bucket="jobs")
        self.clients["iam"].create_role(RoleName="job", AssumeRolePolicyDocument=json.dumps(TRUST))
        self.application = self.create()

    def create(self, **more: Any) -> str:
        request = {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK", "clientToken": f"token-{time.time_ns()}"}
        return self.call("CreateApplication", **request | more)["applicationId"]

    def start(self, source: str, role: str = ROLE, **more: Any) -> str:
        self.clients["s3"].put_object(Bucket="jobs", Key="job.py", Body=source.encode())
        request = {
            "applicationId": self.application,
            "clientToken": f"token-{time.time_ns()}",
            "executionRoleArn": role,
            "jobDriver": {"sparkSubmit": {"entryPoint": "s3://jobs/job.py"}},
        }
        return self.call("StartJobRun", **request | more)["jobRunId"]

    def get(self, run: str) -> dict[str, Any]:
        return self.call("GetJobRun", applicationId=self.application, jobRunId=run)["jobRun"]

    def wait(self, run: str, *states: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = self.get(run)
            if found["state"] in (states or ENDED):
                return found
            time.sleep(0.05)
        raise AssertionError(f"the run is still {found['state']}")

    def state(self) -> str:
        return self.call("GetApplication", applicationId=self.application)["application"]["state"]


@pytest.fixture
def jobs(api, tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield Jobs(api, tmp_path, monkeypatch)


def test_an_application_is_created_and_starts_with_its_first_run(jobs):
    assert jobs.state() == "CREATED"
    jobs.wait(jobs.start("print('hello')"))
    assert jobs.state() == "STARTED"


def test_an_application_that_does_not_start_by_itself_refuses_a_run(jobs, refused):
    jobs.application = jobs.create(autoStartConfiguration={"enabled": False})
    with pytest.raises(Exception, match="does not start by itself"):
        jobs.start("print('hello')")
    jobs.call("StartApplication", applicationId=jobs.application)
    assert jobs.wait(jobs.start("print('hello')"))["state"] == "SUCCESS"


def test_a_started_application_is_neither_changed_nor_deleted(jobs, refused):
    jobs.call("StartApplication", applicationId=jobs.application)
    for operation in ("UpdateApplication", "DeleteApplication"):
        more = {"clientToken": "t"} if operation.startswith("Update") else {}
        message = refused("ValidationException", jobs.call, operation, applicationId=jobs.application, **more)
        assert "[CREATED, STOPPED]. Current status: STARTED" in message
    jobs.call("StopApplication", applicationId=jobs.application)
    jobs.call("DeleteApplication", applicationId=jobs.application)
    assert jobs.state() == "TERMINATED"


@pytest.mark.parametrize("label", ["emr-spark-8.0.0", "emr-7.10.0", "emr-7.9.0-latest", "emr-6.15.0-20231101"])
def test_release_labels_of_both_families_are_taken(jobs, label):
    jobs.application = jobs.create(releaseLabel=label)
    application = jobs.call("GetApplication", applicationId=jobs.application)["application"]
    assert application["releaseLabel"] == label


def test_an_unknown_release_label_is_refused(jobs):
    with pytest.raises(Exception, match="not supported for release label 'spark-4'"):
        jobs.create(releaseLabel="spark-4")


def test_a_failed_run_tells_its_last_error_and_exit_code(jobs):
    run = jobs.wait(jobs.start("print('before')\nraise ValueError('the file has no rows')"))
    assert run["state"] == "FAILED"
    assert "ExitCode: 1." in run["stateDetails"]
    assert run["stateDetails"].endswith("ValueError: the file has no rows")


def running(pid: int) -> bool:
    """Not where it only waits for somebody to ask after its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_cancelled_run_is_cancelled_when_its_processes_are_gone(jobs, refused):
    source = (
        "import subprocess\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True)\nimport time; time.sleep(600)"
    )
    run = jobs.start(source)
    jobs.wait(run, "RUNNING")
    while "--- stdout\n\n" in jobs.page(jobs.application, run):
        time.sleep(0.05)
    child = jobs.page(jobs.application, run).split("--- stdout\n")[1].split()[0]
    jobs.call("CancelJobRun", applicationId=jobs.application, jobRunId=run)
    assert jobs.wait(run)["state"] == "CANCELLED"
    assert not running(int(child))
    refused("ValidationException", jobs.call, "CancelJobRun", applicationId=jobs.application, jobRunId=run)


def test_a_run_is_cancelled_when_its_time_is_over(jobs, monkeypatch):
    monkeypatch.setattr("localstack_lakehouse.job_run.JobRun.timeout_minutes", 0.02)
    run = jobs.start("import time; time.sleep(600)")
    deadline = time.monotonic() + 60
    runs = {"applicationId": jobs.application}
    while jobs.call("ListJobRuns", **runs, states=list(ENDED))["jobRuns"] == [] and time.monotonic() < deadline:
        time.sleep(0.1)
    [ended] = jobs.call("ListJobRuns", **runs)["jobRuns"]
    assert (ended["id"], ended["state"]) == (run, "CANCELLED")
    assert "timed out" in ended["stateDetails"]


def test_logs_are_on_s3_and_cloudwatch_in_emrs_layout(jobs):
    monitoring = {
        "s3MonitoringConfiguration": {"logUri": "s3://jobs/logs/"},
        "cloudWatchLoggingConfiguration": {"enabled": True, "logGroupName": "/jobs", "logStreamNamePrefix": "nightly"},
    }
    run = jobs.start("print('one')\nprint('two')", configurationOverrides={"monitoringConfiguration": monitoring})
    assert jobs.wait(run)["state"] == "SUCCESS"
    path = f"applications/{jobs.application}/jobs/{run}/SPARK_DRIVER/stdout"
    body = jobs.clients["s3"].get_object(Bucket="jobs", Key=f"logs/{path}.gz")["Body"].read()
    assert gzip.decompress(body) == b"one\ntwo\n"
    events = jobs.clients["logs"].get_log_events(logGroupName="/jobs", logStreamName=f"nightly/{path}")["events"]
    assert [event["message"] for event in events] == ["one", "two"]


def test_logs_are_sent_while_the_job_runs(jobs):
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://jobs/logs"}}
    run = jobs.start(
        "import time\nprint('begun', flush=True)\ntime.sleep(600)",
        configurationOverrides={"monitoringConfiguration": monitoring},
    )
    key, deadline = f"logs/applications/{jobs.application}/jobs/{run}/SPARK_DRIVER/stdout.gz", time.monotonic() + 30
    found: list[str] = []
    while key not in found and time.monotonic() < deadline:
        found = [item["Key"] for item in jobs.clients["s3"].list_objects_v2(Bucket="jobs").get("Contents", [])]
        time.sleep(0.1)
    assert key in found
    assert jobs.get(run)["state"] == "RUNNING"
    jobs.call("CancelJobRun", applicationId=jobs.application, jobRunId=run, shutdownGracePeriodInSeconds=1)
    jobs.wait(run)


def test_a_bucket_for_logs_that_is_missing_does_not_end_the_job(jobs, caplog):
    monitoring = {"s3MonitoringConfiguration": {"logUri": "s3://nowhere/logs"}}
    run = jobs.start("print('one')", configurationOverrides={"monitoringConfiguration": monitoring})
    assert jobs.wait(run)["state"] == "SUCCESS"
    assert "do not reach s3://nowhere/logs" in caplog.text


def test_one_client_token_starts_one_run(jobs, refused):
    first = jobs.start("print(1)", clientToken="same")
    assert jobs.start("print(1)", clientToken="same") == first
    with pytest.raises(Exception, match="with other parameters"):
        jobs.start("print(1)", clientToken="same", name="another")
    jobs.wait(first)
    assert len(jobs.call("ListJobRuns", applicationId=jobs.application)["jobRuns"]) == 1


@pytest.mark.parametrize(
    ("mode", "policy"), [("BATCH", {"maxAttempts": 2}), ("STREAMING", {"maxFailedAttemptsPerHour": 2})]
)
def test_a_failed_attempt_is_repeated_as_often_as_the_policy_says(jobs, monkeypatch, mode, policy):
    monkeypatch.setattr("localstack_lakehouse.job_runner._RETRY_PAUSE_SECONDS", 0.01)
    run = jobs.start("raise SystemExit(3)", mode=mode, retryPolicy=policy)
    attempts = {"applicationId": jobs.application, "jobRunId": run}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = jobs.call("ListJobRunAttempts", **attempts)["jobRunAttempts"]
        if [one["state"] for one in found] == ["FAILED", "FAILED"]:
            break
        time.sleep(0.05)
    assert [one["attempt"] for one in found] == [1, 2]


@pytest.mark.parametrize("role", ["missing", "distrusting"])
def test_a_role_that_cannot_be_assumed_fails_the_run(jobs, role):
    if role == "distrusting":
        other = json.dumps({"Statement": [{"Principal": {"Service": "ec2.amazonaws.com"}}]})
        jobs.clients["iam"].create_role(RoleName=role, AssumeRolePolicyDocument=other)
    run = jobs.wait(jobs.start("print(1)", role=f"arn:aws:iam::000000000000:role/{role}"))
    assert run["state"] == "FAILED"
    assert "Could not assume runtime role" in run["stateDetails"]


def test_an_entry_point_that_is_missing_fails_the_run(jobs):
    driver = {"sparkSubmit": {"entryPoint": "s3://jobs/none.py"}}
    run = jobs.wait(jobs.start("print(1)", jobDriver=driver))
    assert run["state"] == "FAILED"
    assert "s3://jobs/none.py cannot be read" in run["stateDetails"]


def test_a_hive_query_is_refused(jobs):
    with pytest.raises(Exception, match="runs Spark jobs only"):
        jobs.start("", jobDriver={"hive": {"query": "s3://jobs/query.sql"}})


def test_an_application_with_a_running_job_does_not_stop(jobs, refused):
    run = jobs.start("import time; time.sleep(600)")
    assert run in refused("ValidationException", jobs.call, "StopApplication", applicationId=jobs.application)
    jobs.call("CancelJobRun", applicationId=jobs.application, jobRunId=run)
    jobs.wait(run)
    jobs.call("StopApplication", applicationId=jobs.application)


@pytest.mark.parametrize(
    ("logs", "said"),
    [
        (("Traceback ...\nValueError: x\n", "INFO end"), "ValueError: x"),
        (
            ("before", 'Exception in thread "main" a.B\nCaused by: java.io.IOException: gone\n\tat x'),
            "Caused by: java.io.IOException: gone",
        ),
        (("", "a\nlast words"), "last words"),
        # What a Python driver says of its end is no exception's name.
        (("tool: no such product\n", "Using Spark's log\n26/11/27 08:36:49 INFO Hook: bye"), "tool: no such product"),
        (("", "Error: no such class\n26/11/27 08:36:49 INFO Hook: bye"), "Error: no such class"),
        (("", ""), "the driver printed nothing"),
    ],
)
def test_the_last_error_of_a_log_is_found(logs, said):
    assert last_error(*logs) == said
