"""Who is let in, and what a browser is told: hosts, tokens, posts of other sites, headers."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipelines import contract as contracts
from pipelines.api.security import Access
from tests.simulated_lake import Simulated, settings_of, without_services

HERE = "http://127.0.0.1:8040"
TOKEN = "a token that is long enough"
PAGES = ("/", "/incidents", "/api/now", "/metrics", "/events", "/api/openapi.json")


@pytest.fixture
def empty(tmp_path) -> Simulated:
    return Simulated(settings_of(tmp_path), contracts.load("shop"), (), None)


def client(app: FastAPI, base: str = HERE) -> TestClient:
    return TestClient(app, base_url=base, follow_redirects=False)


@pytest.mark.parametrize("host", ["127.0.0.1:8040", "localhost:8040", "localhost", "[::1]:8040"])
def test_this_machines_own_names_are_answered(empty, host):
    assert client(without_services(empty)[0]).get("/api/now", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8040", ""])
def test_a_foreign_name_for_this_machine_is_refused(empty, host):
    assert client(without_services(empty)[0]).get("/api/now", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("path", PAGES)
def test_without_the_token_nothing_is_said(empty, path):
    answer = client(without_services(empty, TOKEN)[0], "http://dashboard.example").get(path)
    assert answer.status_code in (303, 401)
    assert "shop" not in answer.text


@pytest.mark.parametrize("given", ["Bearer wrong", "Bearer ", "Basic " + TOKEN, TOKEN, "Bearer é"])
def test_what_is_not_the_token_is_refused(empty, given):
    answer = client(without_services(empty, TOKEN)[0], "http://dashboard.example").get(
        "/api/now", headers={"authorization": given.encode()}
    )
    assert answer.status_code == 401


def test_the_token_opens_the_api_and_signs_a_browser_in(empty):
    asked = client(without_services(empty, TOKEN)[0], "http://dashboard.example")
    assert asked.get("/api/now", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert asked.post("/sign-in", data={"token": "wrong"}).status_code == 401
    signed = asked.post("/sign-in", data={"token": TOKEN})
    assert signed.status_code == 303
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in signed.headers["set-cookie"].split(";")}
    assert TOKEN not in signed.headers["set-cookie"]
    assert asked.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
)
def test_a_post_that_another_site_sent_is_refused(empty, headers):
    app, access = without_services(empty)
    form = {"form_token": access.form_token, "action": "acknowledge", "actor": "Ada"}
    assert client(app).post("/incidents/x/responses", data=form, headers=headers).status_code == 403


def test_a_form_without_our_token_is_refused(empty):
    app, access = without_services(empty)
    form = {"form_token": Access().form_token, "action": "acknowledge", "actor": "Ada"}
    refused = client(app).post("/incidents/x/responses", data=form)
    assert refused.status_code == 400
    assert "the form is too old" in refused.text
    # With it the next thing that is wrong is the incident.
    assert client(app).post("/incidents/x/responses", data={**form, "form_token": access.form_token}).status_code == 404


def test_a_form_of_another_type_cannot_be_sent_to_the_api(empty):
    body = b'{"action": "acknowledge", "actor": "Ada"}'
    answer = client(without_services(empty)[0]).post(
        "/api/incidents/x/responses", content=body, headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("path", ["/", "/api/now", "/static/app.css", "/nowhere", "/healthz"])
def test_every_answer_says_that_no_foreign_script_may_run(empty, path):
    headers = client(without_services(empty)[0]).get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_a_form_beyond_all_measure_is_refused(empty):
    answer = client(without_services(empty)[0]).post("/incidents/x/responses", content=b"note=" + b"x" * 20_000)
    assert answer.status_code == 400
    assert "too large" in answer.text
