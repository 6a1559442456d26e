from __future__ import annotations

import http.server
import json
import threading
from pathlib import Path

import pytest
from localstack_lakehouse.mwaa import Mwaa
from localstack_lakehouse.settings import Settings

ENVIRONMENT = {
    "Name": "shop",
    "ExecutionRoleArn": "arn:aws:iam::000000000000:role/airflow",
    "SourceBucketArn": "arn:aws:s3:::dags",
    "DagS3Path": "dags",
    "NetworkConfiguration": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
}
# What an Airflow of this machine has and MWAA's model does not allow.
TOLERATED = ("WebserverUrl", "Hostname")


def settings(url: str | None) -> Settings:
    return Settings(None, None, None, "local[1]", None, None, Path("unused"), url)


@pytest.fixture
def call(api):
    return api("mwaa", Mwaa(settings("http://127.0.0.1:1")).handlers(), TOLERATED)


class Airflow(http.server.BaseHTTPRequestHandler):
    """The two routes of Airflow's API that are used, with its own answers."""

    def do_GET(self):
        if self.path == "/auth/token":
            return self.answer(201, {"access_token": "let-me-in"})
        if self.headers["Authorization"] != "Bearer let-me-in":
            return self.answer(401, {"detail": "Unauthorized"})
        if self.path == "/api/v2/dags?limit=1":
            return self.answer(200, {"dags": [], "total_entries": 0})
        return self.answer(404, {"detail": "Not Found"})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def airflow():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Airflow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_environment_lives_from_creation_to_deletion(call, refused):
    arn = call("CreateEnvironment", **ENVIRONMENT, Tags={"team": "data"})["Arn"]
    made = call("GetEnvironment", Name="shop")["Environment"]
    assert made["Status"] == "AVAILABLE"
    assert made["WebserverUrl"] == "http://127.0.0.1:1"
    call("UpdateEnvironment", Name="shop", MaxWorkers=3)
    changed = call("GetEnvironment", Name="shop")["Environment"]
    assert changed["MaxWorkers"] == 3
    assert changed["LastUpdate"]["Status"] == "SUCCESS"
    assert call("ListTagsForResource", ResourceArn=arn)["Tags"] == {"team": "data"}
    call("DeleteEnvironment", Name="shop")
    assert call("ListEnvironments")["Environments"] == []
    refused("ResourceNotFoundException", call, "GetEnvironment", Name="shop")


def test_changing_the_security_groups_keeps_the_subnets(call):
    call("CreateEnvironment", **ENVIRONMENT)
    call("UpdateEnvironment", Name="shop", NetworkConfiguration={"SecurityGroupIds": ["sg-2"]})
    network = call("GetEnvironment", Name="shop")["Environment"]["NetworkConfiguration"]
    assert network == {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-2"]}


def test_an_environment_without_subnets_is_refused(call, refused):
    request = ENVIRONMENT | {"NetworkConfiguration": {"SecurityGroupIds": ["sg-1"]}}
    assert "two subnets" in refused("ValidationException", call, "CreateEnvironment", **request)


def test_the_rest_api_is_that_of_the_running_airflow(api, refused, airflow):
    call = api("mwaa", Mwaa(settings(airflow)).handlers(), TOLERATED)
    call("CreateEnvironment", **ENVIRONMENT)
    answer = call("InvokeRestApi", Name="shop", Path="/dags", Method="GET", QueryParameters={"limit": 1})
    assert answer == {"RestApiStatusCode": 200, "RestApiResponse": {"dags": [], "total_entries": 0}}
    request = {"Name": "shop", "Path": "/nothing", "Method": "GET"}
    assert "404" in refused("RestApiClientException", call, "InvokeRestApi", **request)
    assert call("CreateWebLoginToken", Name="shop")["WebToken"] == "let-me-in"


def test_an_airflow_that_is_down_is_said_to_be(call, refused):
    call("CreateEnvironment", **ENVIRONMENT)
    request = {"Name": "shop", "Path": "/dags", "Method": "GET"}
    assert "does not answer" in refused("InternalServerException", call, "InvokeRestApi", **request)
