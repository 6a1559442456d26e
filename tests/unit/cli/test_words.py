"""What is typed wrong is refused in one line, before anything is started, asked for or changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.cli.jobs import check_words
from pipelines.cli.main import build
from pipelines.errors import PulseIQError, UsageError
from pipelines.platform import settings


@pytest.fixture(autouse=True)
def no_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be asked of a service."""
    monkeypatch.setattr(settings, "load", lambda: pytest.fail("asked for services"))


def typed(*words: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(build(), list(words), input=answer)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["run", "baseline", "shop", "--until", "2931-01-01"], "--until"),
        (["run", "cost-report", "shop", "--day", "2931-01-01"], "--day"),
    ],
)
def test_a_time_in_the_future_is_refused(words: list[str], option: str) -> None:
    refused = typed(*words).exception
    assert isinstance(refused, UsageError)
    assert refused.what == f"{option}: 2931-01-01 00:00 UTC is in the future"


@pytest.mark.parametrize("seconds", ["-1", "0"])
def test_services_are_not_watched_more_often_than_each_second(seconds: str) -> None:
    done = typed("up", "--watch", seconds)
    assert done.exit_code == 2
    assert "--watch" in done.stderr


def test_a_folder_in_the_place_of_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    refused = typed("ingest", "shop", str(tmp_path)).exception
    assert isinstance(refused, UsageError)
    assert refused.what == f"{tmp_path}: is a folder"


@pytest.mark.parametrize("source", ["kafka", "bronze"])
def test_a_replay_that_nobody_can_agree_to_says_how_to_agree(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr(settings, "load", lambda: None)
    refused = typed("replay", "shop", "--from", source).exception
    assert isinstance(refused, PulseIQError)
    assert refused.exit_code == 1
    assert "--yes" in str(refused)
    disagreed = typed("replay", "shop", "--from", source, answer="n\n")
    assert disagreed.exit_code == 1
    assert isinstance(disagreed.exception, SystemExit)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run live nosuch", "there is no contract 'nosuch'"),
        ("run baseline nosuch --until 2026-11-01", "there is no contract 'nosuch'"),
        ("ledger nosuch", "there is no contract 'nosuch'"),
        ("replay nosuch --yes", "there is no contract 'nosuch'"),
        ("now nosuch", "there is no contract 'nosuch'"),
        ("run life shop", "'run life shop' is no command of pulseiq: No such command 'life'"),
        ("run live shop --onec", "No such option: --onec"),
        ("run live", "'run live' is no command of pulseiq: Missing argument 'product'"),
        ("run", "'run' is no command of pulseiq: one of its own commands is missing"),
    ],
)
def test_a_job_that_could_not_run_is_not_submitted(words: str, said: str) -> None:
    done = typed("jobs", "start", "live", "--", *words.split())
    assert isinstance(done.exception, UsageError)
    assert said in done.exception.what
    assert not done.output


@pytest.mark.parametrize("words", ["run live shop", "ledger shop --complete", "doctor", "run baseline --help", "demo"])
def test_words_that_are_a_command_pass_and_nothing_is_run(words: str) -> None:
    check_words(words.split())
