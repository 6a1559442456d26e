"""EMR Serverless: applications, and job runs that are real runs of the Spark of this machine.

Release label, capacity, image and network of an application are kept and shown; the Spark that runs is the local one.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from localstack_lakehouse import job_run, spark_command
from localstack_lakehouse.calls import Answer, AwsError, Call, Handler, Request, given, page, unique
from localstack_lakehouse.emr_application import IDLE_MINUTES, KEPT, Application, check_release, invalid, require
from localstack_lakehouse.job_run import ENDED, JobRun
from localstack_lakehouse.job_runner import Runner
from localstack_lakehouse.settings import Settings, Storage

_PAGE_BYTES = 200_000


class EmrServerless:
    """The state of all accounts and regions, and what each operation does with it."""

    def __init__(self, settings: Settings, endpoint: str, shown_address: str) -> None:
        """`endpoint` is where jobs reach AWS, `shown_address` where people reach LocalStack."""
        self._settings = settings
        self._endpoint = endpoint
        self._shown_address = shown_address
        self._applications: dict[str, Application] = {}
        self._runs: dict[tuple[str, str], JobRun] = {}
        self._tokens: dict[tuple[str, ...], tuple[Answer, Answer]] = {}
        self._runner = Runner(settings, endpoint, self._client)

    def handlers(self) -> dict[str, Handler]:
        """Operation -> handler."""
        return {
            "CreateApplication": self._create,
            "GetApplication": lambda call, r: {"application": self._found(call, r).form()},
            "ListApplications": self._list,
            "UpdateApplication": self._update,
            "DeleteApplication": self._delete,
            "StartApplication": self._start,
            "StopApplication": self._stop,
            "StartJobRun": self._start_run,
            "GetJobRun": self._get_run,
            "ListJobRuns": self._list_runs,
            "ListJobRunAttempts": self._list_attempts,
            "CancelJobRun": self._cancel_run,
            "GetDashboardForJobRun": self._dashboard,
            "TagResource": lambda call, r: self._tagged(r["resourceArn"]).update(r["tags"]),
            "UntagResource": self._untag,
            "ListTagsForResource": lambda call, r: {"tags": dict(self._tagged(r["resourceArn"]))},
        }

    def close(self) -> None:
        """Nothing is started any more; what runs is ended by its keeper."""
        self._runner.close()

    def dashboard_page(self, application: str, identifier: str) -> str | None:
        """State and logs of a run as text; None where there is no such run."""
        run = self._runs.get((application, identifier))
        if run is None:
            return None
        attempt = run.last
        parts = [f"{run.arn}\nattempt {attempt.number}: {attempt.state}\n{attempt.details}\n"]
        for name in ("stdout", "stderr"):
            file = run.log_folder(attempt) / name
            content = file.read_bytes()[-_PAGE_BYTES:].decode(errors="replace") if file.exists() else ""
            parts.append(f"\n--- {name}\n{content}")
        return "".join(parts)

    def _client(self, service: str, account: str, region: str) -> Any:
        import boto3
        from botocore.config import Config

        key = "test" if account == "000000000000" else account
        at = self._settings.s3(self._endpoint, key) if service == "s3" else Storage(self._endpoint, key, "test")
        make: Any = boto3.client  # its overloads want the service as a literal
        return make(
            service,
            region_name=region,
            endpoint_url=at.endpoint,
            aws_access_key_id=at.access_key,
            aws_secret_access_key=at.secret_key,
            config=Config(proxies={}, s3={"addressing_style": "path"}, retries={"mode": "standard", "max_attempts": 3}),
        )

    def _once(self, key: tuple[str, ...], request: Request) -> Answer | None:
        """The answer that the same request had before, by its client token; another request's token is refused."""
        before = self._tokens.get((*key, request["clientToken"]))
        if before is None:
            return None
        if before[0] != dict(request):
            raise AwsError("ConflictException", "The client token was used for a request with other parameters.", 409)
        return dict(before[1])

    def _remember(self, key: tuple[str, ...], request: Request, answer: Answer) -> Answer:
        self._tokens[*key, request["clientToken"]] = (dict(request), dict(answer))
        return answer

    def _create(self, call: Call, request: Request) -> Answer:
        key = ("application", call.account, call.region)
        if answer := self._once(key, request):
            return answer
        kind, release = request["type"].capitalize(), request["releaseLabel"]
        check_release(kind, release)
        asked = {
            "architecture": "X86_64",
            "autoStartConfiguration": {"enabled": True},
            "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": IDLE_MINUTES},
        } | copy.deepcopy(given(request, KEPT))
        identifier = f"00{unique(14)}"
        arn = call.arn("emr-serverless", f"/applications/{identifier}")
        now = datetime.now(UTC)
        tags = dict(request.get("tags") or {})
        self._applications[identifier] = Application(identifier, arn, kind, release, asked, tags, now, now, now)
        answer = {"applicationId": identifier, "arn": arn, **given(request, ["name"])}
        return self._remember(key, request, answer)

    def _found(self, call: Call, request: Request) -> Application:
        identifier = request["applicationId"]
        application = self._applications.get(identifier)
        if application is None or application.arn != call.arn("emr-serverless", f"/applications/{identifier}"):
            raise AwsError("ResourceNotFoundException", f"Application {identifier} does not exist", 404)
        self._stop_when_idle(application)
        return application

    def _active(self, application: Application) -> list[JobRun]:
        return [r for (owner, _), r in self._runs.items() if owner == application.identifier and r.state not in ENDED]

    def _stop_when_idle(self, application: Application) -> None:
        """What autoStopConfiguration does, at the time somebody looks."""
        config = application.asked["autoStopConfiguration"]
        if application.state != "STARTED" or not config.get("enabled", True) or self._active(application):
            return
        ends = [r.last.updated for (owner, _), r in self._runs.items() if owner == application.identifier]
        idle = datetime.now(UTC) - max([application.used, *ends])
        if idle > timedelta(minutes=config.get("idleTimeoutMinutes", IDLE_MINUTES)):
            application.move("STOPPED")

    def _list(self, call: Call, request: Request) -> Answer:
        prefix = call.arn("emr-serverless", "/applications/")
        mine = [one for one in self._applications.values() if one.arn.startswith(prefix)]
        for application in mine:
            self._stop_when_idle(application)
        states = request.get("states")
        found = [one.summary() for one in mine if not states or one.state in states]
        return _paged("applications", found, request)

    def _update(self, call: Call, request: Request) -> Answer:
        application = self._found(call, request)
        require(application, "CREATED", "STOPPED")
        if "releaseLabel" in request:
            check_release(application.kind, request["releaseLabel"])
            application.release = request["releaseLabel"]
        application.asked |= copy.deepcopy(given(request, KEPT))
        application.updated = datetime.now(UTC)
        return {"application": application.form()}

    def _delete(self, call: Call, request: Request) -> Answer:
        application = self._found(call, request)
        require(application, "CREATED", "STOPPED")
        application.move("TERMINATED")
        return {}

    def _start(self, call: Call, request: Request) -> Answer:
        application = self._found(call, request)
        require(application, "CREATED", "STOPPED", "STARTED")
        application.move("STARTED")
        return {}

    def _stop(self, call: Call, request: Request) -> Answer:
        application = self._found(call, request)
        require(application, "STARTED", "STOPPED", "CREATED")
        if active := self._active(application):
            names = ", ".join(run.identifier for run in active)
            raise invalid(f"Application {application.identifier} has active job runs: {names}")
        application.move("STOPPED")
        return {}

    def _start_run(self, call: Call, request: Request) -> Answer:
        application = self._found(call, request)
        key = ("run", application.identifier)
        if answer := self._once(key, request):
            return answer
        require(application, "CREATED", "STARTED", "STOPPED")
        if "sparkSubmit" not in (request.get("jobDriver") or {}):
            raise invalid("jobDriver: this EMR Serverless runs Spark jobs only, sparkSubmit is missing")
        if request["executionRoleArn"].split(":")[4] != call.account:
            raise invalid(f"executionRoleArn: {request['executionRoleArn']} is not a role of account {call.account}")
        if application.state != "STARTED":
            if not application.asked["autoStartConfiguration"].get("enabled", True):
                message = f"Application {application.identifier} is {application.state} and does not start by itself"
                raise AwsError("ConflictException", message, 409)
            application.move("STARTED")
        application.used = datetime.now(UTC)
        run = self._new_run(application, call, request)
        self._runs[application.identifier, run.identifier] = run
        self._runner.start(run, call.region)
        answer = {"applicationId": application.identifier, "jobRunId": run.identifier, "arn": run.arn}
        return self._remember(key, request, answer)

    def _new_run(self, application: Application, call: Call, request: Request) -> JobRun:
        overrides = request.get("configurationOverrides") or {}
        identifier = f"00{unique(14)}"
        return JobRun(
            identifier=identifier,
            application=application.identifier,
            arn=f"{application.arn}/jobruns/{identifier}",
            account=call.account,
            release=application.release,
            request=copy.deepcopy(dict(request)),
            monitoring={
                **application.asked.get("monitoringConfiguration", {}),
                **overrides.get("monitoringConfiguration", {}),
            },
            defaults=spark_command.defaults_of(
                application.asked.get("runtimeConfiguration"), overrides.get("applicationConfiguration")
            ),
            created=datetime.now(UTC),
            folder=self._settings.jobs_folder / application.identifier / identifier,
            tags=dict(request.get("tags") or {}),
        )

    def _run(self, call: Call, request: Request) -> JobRun:
        application = self._found(call, request)
        run = self._runs.get((application.identifier, request["jobRunId"]))
        if run is None:
            raise AwsError("ResourceNotFoundException", f"Job run {request['jobRunId']} does not exist", 404)
        return run

    def _get_run(self, call: Call, request: Request) -> Answer:
        run = self._run(call, request)
        number = request.get("attempt") or len(run.attempts)
        if number > len(run.attempts):
            raise AwsError("ResourceNotFoundException", f"Job run {run.identifier} has no attempt {number}", 404)
        return {"jobRun": job_run.form(run, run.attempts[number - 1])}

    def _list_runs(self, call: Call, request: Request) -> Answer:
        application = self._found(call, request)
        earliest, latest = request.get("createdAtAfter"), request.get("createdAtBefore")
        found = [
            job_run.summary(run, run.last)
            for (owner, _), run in reversed(self._runs.items())
            if owner == application.identifier
            and (not request.get("states") or run.state in request["states"])
            and request.get("mode") in (None, run.mode)
            and (earliest is None or run.created >= earliest)
            and (latest is None or run.created <= latest)
        ]
        return _paged("jobRuns", found, request)

    def _list_attempts(self, call: Call, request: Request) -> Answer:
        run = self._run(call, request)
        return _paged("jobRunAttempts", [job_run.attempt_summary(run, one) for one in run.attempts], request)

    def _cancel_run(self, call: Call, request: Request) -> Answer:
        run = self._run(call, request)
        if run.state in ENDED:
            raise invalid(f"Job run {run.identifier} has ended: {run.state}")
        self._runner.cancel(run, "The job run was cancelled.", request.get("shutdownGracePeriodInSeconds"))
        return {"applicationId": run.application, "jobRunId": run.identifier}

    def _dashboard(self, call: Call, request: Request) -> Answer:
        run = self._run(call, request)
        return {"url": f"{self._shown_address}/_emr-serverless/{run.application}/{run.identifier}"}

    def _tagged(self, arn: str) -> dict[str, str]:
        resources: list[Application | JobRun] = [*self._applications.values(), *self._runs.values()]
        for resource in resources:
            if resource.arn == arn:
                return resource.tags
        raise AwsError("ResourceNotFoundException", f"There is no {arn}", 404)

    def _untag(self, call: Call, request: Request) -> None:
        for key in request["tagKeys"]:
            self._tagged(request["resourceArn"]).pop(key, None)


def _paged(member: str, found: list[Answer], request: Request) -> Answer:
    items, token = page(found, request.get("maxResults") or 50, request.get("nextToken"), invalid)
    return {member: items} | ({"nextToken": token} if token else {})
