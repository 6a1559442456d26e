"""What is printed is whole: nothing is cut off at a column's edge, and a row in a pipe is one line."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines.cli.main import build
from pipelines.cli.quality import print_list
from pipelines.cli.quarantine import print_groups
from pipelines.refine.quarantine import Group

TIME = datetime(2026, 11, 23, 13, tzinfo=UTC)
DETAIL = "$.payment." + "_".join(f"part{i}" for i in range(20)) + " is no number"
GROUP = Group("a_reason_of_some_length_with_no_gap_in_it", 1_234, 30, ("user_action",), (DETAIL,), TIME, TIME)
HELD: Any = SimpleNamespace(
    batch_id=12, batch_time=TIME, rows=5, state="held", failed=[SimpleNamespace(check="c" * 70, observed=DETAIL)]
)


def test_in_a_pipe_a_row_of_the_quarantine_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.platform.settings.load", lambda: None)
    monkeypatch.setattr("pipelines.platform.lake.Lake", lambda _: None)
    monkeypatch.setattr("pipelines.refine.quarantine.groups", lambda *_: [GROUP])
    lines = CliRunner().invoke(build(), ["quarantine", "list", "shop"]).stdout.splitlines()
    assert any(GROUP.reason in line and DETAIL in line for line in lines)
    assert f"next: pulseiq quarantine show shop {GROUP.reason}" in lines
    assert lines == [line.rstrip() for line in lines]


def test_in_a_pipe_a_held_batch_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.cli.quality.read_held", lambda _: [HELD])
    lines = CliRunner().invoke(build(), ["quality", "held", "list", "shop"]).stdout.splitlines()
    assert any("c" * 70 in line and DETAIL in line for line in lines)


def test_in_a_pipe_a_job_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    run = SimpleNamespace(identifier="00f3kqv1bnq2tp09", name="a job of a name so long " * 5)
    job = SimpleNamespace(run=run, state="RUNNING", created=TIME, attempt=1)
    monkeypatch.setattr("pipelines.platform.settings.load", lambda: None)
    monkeypatch.setattr("pipelines.platform.job_runs.listed", lambda *_, **__: [job])
    assert any(run.name.strip() in line for line in CliRunner().invoke(build(), ["jobs", "list"]).stdout.splitlines())


@pytest.mark.parametrize(("show", "found"), [(print_groups, GROUP), (print_list, HELD)])
@pytest.mark.parametrize("width", [50, 80])
def test_a_narrow_terminal_folds_and_cuts_nothing(show: Any, found: Any, width: int) -> None:
    out = io.StringIO()
    show("shop", [found], Console(file=out, width=width, force_terminal=True, color_system=None))
    assert "…" not in out.getvalue()
