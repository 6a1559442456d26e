"""The JSON answers and the pages on a lake with an open incident: what they say, and that it is the lake's."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipelines.incidents import responses
from tests.simulated_lake import Simulated, settings_of, without_services

HERE = "http://127.0.0.1:8040"


@pytest.fixture
def client(made: Simulated) -> TestClient:
    return TestClient(without_services(made)[0], base_url=HERE, follow_redirects=False)


@pytest.fixture
def own(made: Simulated, tmp_path: Path) -> tuple[TestClient, Simulated]:
    """A copy that may be written to."""
    shutil.copytree(made.settings.home, tmp_path / "lake")
    copy = Simulated(settings_of(tmp_path / "lake"), made.contract, made.incidents, made.until)
    return TestClient(without_services(copy)[0], base_url=HERE, follow_redirects=False), copy


def test_the_state_names_the_incident_that_makes_it(client, made):
    found = client.get("/api/now").json()
    assert (found["state"], found["verdict"]) == ("abnormal", "changed behaviour")
    assert [each["incident_id"] for each in found["counted"]] == [made.incidents[0].incident_id]
    assert sum(found["by_level"].values()) == 1


def test_the_whole_metrics_curve_is_learnt_history_and_then_judged_windows_with_a_band(client):
    points = client.get("/api/series/conversion_rate").json()["points"]
    judged = [each["judged"] for each in points]
    assert judged == sorted(judged)
    assert 20 <= sum(judged) <= 26
    assert all(each["low"] <= each["expected"] <= each["high"] for each in points if each["judged"])
    assert all(each["low"] is None for each in points if not each["judged"])


def test_the_segments_curve_marks_the_windows_that_fired(client, made):
    curves = client.get(f"/api/incidents/{made.incidents[0].incident_id}/curves").json()
    assert [each["series"] for each in curves] == ["conversion_rate{region=eu-west,device=ios}", "conversion_rate"]
    assert curves[0]["banded"]
    assert any(each["fired"] for each in curves[0]["points"])


def test_the_tree_adds_up_at_every_level_and_marks_the_way_to_the_cause(client, made):
    address = f"/api/incidents/{made.incidents[0].incident_id}/segments"
    top = client.get(address).json()
    assert {name: [each["value"] for each in parts if each["in_cause"]] for name, parts in top["parts"].items()} == {
        "region": ["eu-west"], "device": ["ios"], "app_version": []}  # fmt: skip
    for parts in top["parts"].values():
        assert sum(each["actual"] for each in parts) == pytest.approx(top["total"]["actual"])
        assert sum(each["share"] for each in parts) == pytest.approx(1)
    down = client.get(address, params={"within": ["region=eu-west", "device=ios"]}).json()
    assert down["total"]["actual"] < 0.4 * down["total"]["expected"]
    assert set(down["parts"]) == {"app_version"}


def test_every_test_that_fired_is_shown_with_its_numbers(client, made):
    found = client.get(f"/api/incidents/{made.incidents[0].incident_id}").json()
    assert found["evidence"]
    for each in found["evidence"]:
        assert each["p_value"] <= each["limit"]
        assert each["value"] < each["expected"]
    assert [each["what"] for each in found["course"]][:2] == ["began", "opened"]


def test_the_chart_in_the_page_is_the_curve_of_the_answer(client):
    page = client.get("/").text
    drawn = json.loads(re.search(r'id="chart-traffic">(.*?)</script>', page)[1])
    points = client.get("/api/series/traffic").json()["points"]
    assert drawn["value"] == pytest.approx([each["value"] for each in points], rel=1e-4)
    assert drawn["marks"] == []


def test_what_an_event_holds_cannot_become_part_of_a_page(client):
    page = client.get("/quality").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def say(client: TestClient, made: Simulated, **word: object) -> dict:
    answer = client.post(f"/api/incidents/{made.incidents[0].incident_id}/responses", json={"actor": "Ada", **word})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_false_alarm_ends_the_alarm_until_it_is_taken_back(own):
    client, made = own
    say(client, made, action="false alarm", note="a test of ours")
    assert client.get("/api/now").json()["state"] == "normal"
    assert responses.false_alarms(responses.read(made.lake, "shop")) == {made.incidents[0].incident_id}
    say(client, made, action="withdraw")
    assert client.get("/api/now").json()["state"] == "abnormal"


def test_a_mute_of_the_segment_names_series_as_the_detector_does(own):
    client, made = own
    say(client, made, action="mute", note="known", scope="segment", hours=8)
    heard = responses.heard(made.contract, responses.read(made.lake, "shop")).sensitivity.mute[-1]
    assert heard.covers("conversion_rate", "conversion_rate{region=eu-west,device=ios}")
    assert not heard.covers("conversion_rate", "conversion_rate")
    assert heard.since == made.until
    assert (heard.until - heard.since).total_seconds() == 8 * 3600


def test_a_reason_is_asked_for_where_one_is_owed(own):
    client, made = own
    word = {"actor": "Ada", "action": "false alarm"}
    answer = client.post(f"/api/incidents/{made.incidents[0].incident_id}/responses", json=word)
    assert (answer.status_code, "needs a note" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/incidents/none", 404, "no incident of shop begins with 'none'"),
        ("/api/series/nothing", 404, "'nothing' is no series of shop"),
        ("/api/series/traffic{planet=mars}", 404, "names no dimension"),
        ("/api/series/traffic{device=toaster}", 404, "'traffic{device=toaster}' has no window from 20"),
        ("/api/incidents?limit=0", 422, "parameter 'limit' is '0': expected 1 or more"),
        ("/api/incidents?open=perhaps", 422, "parameter 'open' is 'perhaps': expected true or false"),
        ("/api/series/traffic?since=soon", 422, "parameter 'since' is 'soon': expected a time such as"),
        ("/api/incidents/none/segments?within=ios", 422, "is 'ios': expected a text of the form dimension=value"),
        ("/api/series/traffic?since=2026-01-02&until=2026-01-01", 400, "is no stretch of at most 60 days"),
        ("/api/ledger", 503, "does not answer"),
        ("/api/nowhere", 404, "there is no such page"),
    ],
)
def test_a_refusal_says_what_and_the_next_step(client, path, status, said):
    answer = client.get(path)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert answer.json()["next"]


def test_pages_refuse_as_pages(client):
    answer = client.get("/incidents/none")
    assert answer.status_code == 404
    assert "no incident of shop begins with &#39;none&#39;" in answer.text
    assert "pulseiq incidents list shop" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/incidents?which=foo", 422, "parameter &#39;which&#39; is &#39;foo&#39;: expected &#39;open&#39;"),
        ("/series/traffic?days=-1", 422, "parameter &#39;days&#39; is &#39;-1&#39;: expected 1 or more"),
        ("/series/traffic?days=abc", 422, "parameter &#39;days&#39; is &#39;abc&#39;: expected a whole number"),
        ("/series/traffic{device=toaster}", 404, "has no window from 20"),
    ],
)
def test_a_page_that_was_asked_for_wrongly_is_a_page_that_says_so(client, path, status, said):
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert said in answer.text


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "the body: it is missing"),
        (b"{", "the body: it is no JSON"),
        (b"[]", "the body: expected a JSON object"),
        (b"{}", "field 'action': it is missing"),
        (b'{"action": "shout", "actor": "Ada"}', "field 'action' is 'shout': expected 'acknowledge'"),
        (b'{"action": "acknowledge", "actor": ""}', "field 'actor' is '': expected 1 or more characters"),
        (
            b'{"action": "acknowledge", "actor": "Ada", "\\ud800": 1}',
            "the body is '\\ud800': expected a text of Unicode",
        ),
        (b'{"action": "note", "actor": "Ada", "colour": 1}', "field 'colour' is 1: there is no such field"),
        (b'{"action": "mute", "actor": "Ada", "hours": "soon"}', "field 'hours' is 'soon': expected a number"),
    ],
)
def test_a_body_of_another_form_is_refused_in_one_sentence(client, sent, said):
    answer = client.post("/api/incidents/x/responses", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "next"}
    assert said in answer.json()["error"]
    assert answer.json()["next"]


def test_the_schema_states_a_refusal_in_the_form_that_it_has(client):
    paths = client.get("/api/openapi.json").json()["paths"]
    forms = [
        each["responses"]["422"]["content"]["application/json"]["schema"] for path in paths.values()
        for each in path.values()
    ]  # fmt: skip
    assert forms
    assert all(each == {"$ref": "#/components/schemas/Problem"} for each in forms)


def test_an_empty_lake_is_unknown_and_no_page_fails(made, tmp_path):
    empty = Simulated(settings_of(tmp_path), made.contract, (), made.until)
    client = TestClient(without_services(empty)[0], base_url=HERE)
    assert client.get("/api/now").json()["state"] == "unknown"
    for path in ("/", "/incidents", "/quality", "/pipeline", "/series/traffic", "/api", "/metrics", "/readyz"):
        assert client.get(path).status_code == 200, path
