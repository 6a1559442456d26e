"""`pulseiq simulate` without services: counting, files, slices, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.main import build
from pipelines.errors import ServiceError, UsageError

WORLD = ["--seed", "3", "--days", "1", "--until", "2026-11-18T15:00:00Z", "--events", "60000"]


def simulate(*arguments: str) -> str:
    result = CliRunner().invoke(build(), ["simulate", "shop", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_count_says_what_would_be_sent_and_which_incident_is_in_it(tmp_path: Path):
    labels = tmp_path / "labels.ndjson"
    answer = json.loads(
        simulate(*WORLD, "--scenario", "conversion-drop", "--count", "--labels", str(labels), "--output", "json")
    )
    assert answer["counts"]["events"] == pytest.approx(60_000 * 1.004, rel=0.015)
    assert answer["incidents"] == [json.loads(labels.read_text())]
    assert answer["incidents"][0]["cause"] == {"region": "eu-west", "device": "ios"}


def test_text_names_incident_and_verdict():
    text = simulate(*WORLD, "--scenario", "bad-release", "--count")
    assert "app_version=5.3.0" in text
    assert "expected: bad data" in text


def test_history_and_recent_part_are_one_world(tmp_path: Path):
    whole, history, recent = (tmp_path / name for name in ("whole", "history", "recent"))
    simulate(*WORLD, "--scenario", "regional-outage", "--out", str(whole))
    simulate(*WORLD, "--scenario", "regional-outage", "--to", "-2h", "--out", str(history))
    simulate(*WORLD, "--scenario", "regional-outage", "--from", "-2h", "--out", str(recent))
    assert history.read_bytes() + recent.read_bytes() == whole.read_bytes()
    assert len(recent.read_bytes()) > 100_000
    assert json.loads((tmp_path / "recent.labels.ndjson").read_text())["kind"] == "regional-outage"


def test_rates_of_faults_can_be_set():
    options = ["--duplicates", "0.1", "--late", "0", "--malformed", "0", "--count", "--output", "json"]
    counts = json.loads(simulate(*WORLD, *options))["counts"]
    assert counts["duplicates"] / counts["events"] == pytest.approx(0.1 / 1.1, rel=0.1)
    assert counts["late"] == 0
    assert "malformed" not in counts


def test_live_runs_for_its_duration(tmp_path: Path):
    out = tmp_path / "live.ndjson"
    options = ["--live", "--rate", "400", "--duration", "2s", "--out", str(out), "--output", "json"]
    counts = json.loads(simulate(*options))["counts"]
    assert 600 < counts["events"] < 1000
    assert out.read_bytes().count(b"\n") == counts["events"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scenario", "meteor"], "unknown scenario 'meteor'"),
        (["--rate", "5"], "need --live"),
        (["--live", "--from", "-2h"], "--live takes no --from"),
        (["--live", "--scenario", "conversion-drop"], "no end to count from"),
        (["--until", "someday"], "not a time"),
        (["--from", "-1h", "--to", "-2h"], "nothing to send"),
    ],
)
def test_wrong_arguments_are_refused(arguments, says):
    with pytest.raises(UsageError, match=says):
        simulate("--count", *arguments)


def test_without_services_it_says_how_to_start_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PULSEIQ_HOME", str(tmp_path))
    monkeypatch.setenv("PULSEIQ_KAFKA_PORT", "19499")
    monkeypatch.setenv("PULSEIQ_AWS_PORT", "19498")
    with pytest.raises(ServiceError) as caught:
        simulate(*WORLD)
    assert caught.value.hint == "pulseiq up"
