"""What is typed wrong is refused in one line, before anything is started, asked for or changed."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.cli.jobs import check_words
from pipelines.cli.main import build, run
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


def test_a_file_that_is_none_of_events_is_refused_before_kafka_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("to do\n")
    refused = typed("ingest", "shop", str(file)).exception
    assert isinstance(refused, UsageError)
    assert refused.what == f"{file}: none of its lines is a JSON object: line 1 begins with 'to do'; nothing was sent"


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ledger", "missing argument 'product' | next: pulseiq ledger --help"),
        ("run live shop --onec", "no such option: --onec (Possible options: --once) | next: pulseiq run live --help"),
        ("jobs lst", "no such command 'lst'. Did you mean 'list'? | next: pulseiq jobs --help"),
        ("contract check shop", "missing argument 'new' | next: pulseiq contract check --help"),
        (
            "ledger shop --output xml",
            "invalid value for '--output': 'xml' is not one of 'text', 'json' | next: pulseiq ",
        ),
    ],
)
def test_what_typer_refuses_is_one_line_as_all_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    monkeypatch.setattr("sys.argv", ["/anywhere/pulseiq", *words.split()])
    assert run() == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(f"pulseiq: {said}")
    assert (shown.err.count("\n"), shown.out) == (1, "")


@pytest.mark.parametrize(("words", "code"), [("", 2), ("contract", 2), ("contract --help", 0)])
def test_a_group_without_a_command_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, code: int
) -> None:
    monkeypatch.setattr("sys.argv", ["pulseiq", *words.split()])
    assert run() == code
    shown = capsys.readouterr()
    assert "Usage: pulseiq" in shown.out
    assert not shown.err


def test_the_exit_code_of_a_command_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pulseiq", "contract", "check", "shop", "weblog"])
    assert run() == 3


def test_who_disagrees_is_not_shown_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(settings, "load", lambda: None)
    monkeypatch.setattr("typer.confirm", lambda _: False)
    monkeypatch.setattr("sys.argv", ["pulseiq", "replay", "shop"])
    assert run() == 1
    assert capsys.readouterr().err == "Aborted.\n"


def test_the_version_is_the_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["pulseiq", "--version"])
    assert run() == 0
    assert capsys.readouterr().out == f"pulseiq {version('pulseiq')}\n"


@pytest.mark.parametrize(
    "words",
    ["simulate shop --live --duration soon --count", "replay shop --from bronze --piece soon --check"],
)
def test_a_wrong_duration_is_named_with_its_option_and_one_that_works(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr(settings, "load", lambda: None)
    refused = typed(*words.split()).exception
    assert isinstance(refused, UsageError)
    option = words.split()[words.split().index("soon") - 1]
    assert refused.what.startswith(f"{option}: 'soon' is not a duration")
    assert "15m or 2h" in refused.what
    assert option in (refused.hint or "")
