"""MWAA: the life cycle of environments, in front of the one Airflow that runs on this machine.

An environment is a record of what was asked for; its web server is that Airflow, whatever the record says.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localstack_lakehouse.calls import Answer, AwsError, Call, Handler, Request, given, page
from localstack_lakehouse.settings import Settings

_KEPT = (
    "ExecutionRoleArn",
    "SourceBucketArn",
    "DagS3Path",
    "NetworkConfiguration",
    "PluginsS3Path",
    "PluginsS3ObjectVersion",
    "RequirementsS3Path",
    "RequirementsS3ObjectVersion",
    "StartupScriptS3Path",
    "StartupScriptS3ObjectVersion",
    "AirflowConfigurationOptions",
    "EnvironmentClass",
    "MaxWorkers",
    "MinWorkers",
    "MaxWebservers",
    "MinWebservers",
    "Schedulers",
    "KmsKey",
    "AirflowVersion",
    "WeeklyMaintenanceWindowStart",
    "WebserverAccessMode",
    "EndpointManagement",
)
# What MWAA fills in; of its documentation, 2025-11.
_DEFAULTS: Answer = {
    "EnvironmentClass": "mw1.small",
    "MaxWorkers": 10,
    "MinWorkers": 1,
    "MaxWebservers": 2,
    "MinWebservers": 2,
    "Schedulers": 2,
    "AirflowVersion": "3.0.6",
    "WeeklyMaintenanceWindowStart": "SUN:03:30",
    "WebserverAccessMode": "PRIVATE_ONLY",
    "EndpointManagement": "SERVICE",
}
_LOGS = ("DagProcessingLogs", "SchedulerLogs", "TaskLogs", "WebserverLogs", "WorkerLogs")
_ANSWER_SECONDS = 10
# A proxy of the environment knows nothing of this machine's loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Environment:
    """One environment. `asked` holds the members that the request and the answer share."""

    name: str
    arn: str
    created: datetime
    asked: Answer
    logs: Answer
    tags: dict[str, str]
    last_update: Answer | None = None


class Mwaa:
    """The state of all accounts and regions, and what each operation does with it."""

    def __init__(self, settings: Settings) -> None:
        self._airflow = settings.airflow_url
        self._environments: dict[str, Environment] = {}

    def handlers(self) -> dict[str, Handler]:
        """Operation -> handler."""
        return {
            "CreateEnvironment": self._create,
            "GetEnvironment": lambda call, r: {"Environment": self._form(call, self._found(call, r["Name"]))},
            "UpdateEnvironment": self._update,
            "DeleteEnvironment": self._delete,
            "ListEnvironments": self._list,
            "CreateWebLoginToken": self._web_token,
            "CreateCliToken": self._cli_token,
            "InvokeRestApi": self._rest,
            "TagResource": lambda call, r: self._tagged(r).update(r["Tags"]),
            "UntagResource": self._untag,
            "ListTagsForResource": lambda call, r: {"Tags": dict(self._tagged(r))},
        }

    def _create(self, call: Call, request: Request) -> Answer:
        arn = call.arn("airflow", f"environment/{request['Name']}")
        if arn in self._environments:
            raise _invalid(f"Environment with name '{request['Name']}' already exists")
        network = request["NetworkConfiguration"]
        if not network.get("SubnetIds") or not network.get("SecurityGroupIds"):
            raise _invalid("NetworkConfiguration needs two subnets and at least one security group")
        if not request["SourceBucketArn"].startswith("arn:aws:s3:::"):
            raise _invalid(f"'{request['SourceBucketArn']}' is not the ARN of a bucket")
        asked = _DEFAULTS | given(request, _KEPT)
        logs = request.get("LoggingConfiguration") or {}
        tags = dict(request.get("Tags") or {})
        self._environments[arn] = Environment(request["Name"], arn, datetime.now(UTC), asked, logs, tags)
        return {"Arn": arn}

    def _found(self, call: Call, name: str) -> Environment:
        arn = call.arn("airflow", f"environment/{name}")
        if arn not in self._environments:
            raise AwsError("ResourceNotFoundException", f"No environment with name {name}", 404)
        return self._environments[arn]

    def _update(self, call: Call, request: Request) -> Answer:
        environment = self._found(call, request["Name"])
        changed = given(request, _KEPT)
        network = {**environment.asked["NetworkConfiguration"], **changed.get("NetworkConfiguration", {})}
        environment.asked = environment.asked | changed | {"NetworkConfiguration": network}
        environment.logs = environment.logs | (request.get("LoggingConfiguration") or {})
        environment.last_update = {"Status": "SUCCESS", "CreatedAt": datetime.now(UTC)}
        environment.last_update |= given(request, ["WorkerReplacementStrategy"])
        return {"Arn": environment.arn}

    def _delete(self, call: Call, request: Request) -> Answer:
        del self._environments[self._found(call, request["Name"]).arn]
        return {}

    def _list(self, call: Call, request: Request) -> Answer:
        prefix = call.arn("airflow", "environment/")
        names = sorted(one.name for arn, one in self._environments.items() if arn.startswith(prefix))
        found, token = page(names, request.get("MaxResults") or 25, request.get("NextToken"), _invalid)
        return {"Environments": found} | ({"NextToken": token} if token else {})

    def _form(self, call: Call, environment: Environment) -> Answer:
        role = f"arn:aws:iam::{call.account}:role/aws-service-role/airflow.amazonaws.com/AWSServiceRoleForAmazonMWAA"
        form = {
            "Name": environment.name,
            "Arn": environment.arn,
            "Status": "AVAILABLE",
            "CreatedAt": environment.created,
            "ServiceRoleArn": role,
            "Tags": dict(environment.tags),
            "LoggingConfiguration": _logging(call, environment),
            **environment.asked,
        }
        if self._airflow:
            form["WebserverUrl"] = self._airflow
        if environment.last_update:
            form["LastUpdate"] = environment.last_update
        return form

    def _web_token(self, call: Call, request: Request) -> Answer:
        self._found(call, request["Name"])
        address = urllib.parse.urlsplit(self._address())
        return {"WebToken": self._token(), "WebServerHostname": address.netloc}

    def _cli_token(self, call: Call, request: Request) -> Answer:
        """Refused: what takes such a token is a page that only MWAA's own Airflow has."""
        self._found(call, request["Name"])
        raise AwsError(
            "ResourceNotFoundException", "an Airflow outside MWAA has no /aws_mwaa/cli; use InvokeRestApi", 404
        )

    def _rest(self, call: Call, request: Request) -> Answer:
        """Airflow's own REST API, asked with a token of its own; errors of it are told as MWAA tells them."""
        self._found(call, request["Name"])
        query = urllib.parse.urlencode(request.get("QueryParameters") or {}, doseq=True)
        path = f"/api/v2/{request['Path'].lstrip('/')}" + (f"?{query}" if query else "")
        body = json.dumps(request["Body"]).encode() if request.get("Body") is not None else None
        status, answer = self._ask(request["Method"], path, body, self._token())
        if status >= 400:
            code = "RestApiClientException" if status < 500 else "RestApiServerException"
            raise AwsError(code, f"Airflow answered {status}: {json.dumps(answer)[:500]}", 400 if status < 500 else 500)
        return {"RestApiStatusCode": status, "RestApiResponse": answer}

    def _token(self) -> str:
        """A token of Airflow's simple auth manager where everybody is its administrator, as `standalone` can run."""
        status, answer = self._ask("GET", "/auth/token", None, None)
        token = answer.get("access_token")
        if status >= 400 or not token:
            raise AwsError(
                "AccessDeniedException", f"Airflow at {self._airflow} gives no token: it answered {status}", 403
            )
        return str(token)

    def _ask(self, method: str, path: str, body: bytes | None, token: str | None) -> tuple[int, Answer]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        asked = urllib.request.Request(self._address() + path, body, headers, method=method)  # noqa: S310
        try:
            with _direct.open(asked, timeout=_ANSWER_SECONDS) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())
        except OSError as error:
            message = f"Airflow at {self._airflow} does not answer: {error}"
            raise AwsError("InternalServerException", message, 500) from error

    def _address(self) -> str:
        if not self._airflow:
            message = "no Airflow was named to LocalStack: LAKEHOUSE_AIRFLOW_URL is not set"
            raise AwsError("InternalServerException", message, 500)
        return self._airflow

    def _tagged(self, request: Request) -> dict[str, str]:
        environment = self._environments.get(request["ResourceArn"])
        if environment is None:
            raise AwsError("ResourceNotFoundException", f"No environment {request['ResourceArn']}", 404)
        return environment.tags

    def _untag(self, call: Call, request: Request) -> None:
        for key in request.get("tagKeys", request.get("TagKeys", [])):
            self._tagged(request).pop(key, None)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message, 400)


def _logging(call: Call, environment: Environment) -> Answer:
    """Each kind of log: off unless asked for, with the log group that MWAA would write to."""
    told: dict[str, Any] = {}
    for kind in _LOGS:
        wanted = {"Enabled": False, "LogLevel": "INFO"} | (environment.logs.get(kind) or {})
        group = f"log-group:airflow-{environment.name}-{kind.removesuffix('Logs')}"
        told[kind] = {**wanted, "CloudWatchLogGroupArn": call.arn("logs", group)}
    return told


def _json(content: bytes) -> Answer:
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {"detail": content.decode(errors="replace")[:500]}
    return found if isinstance(found, dict) else {"items": found}
