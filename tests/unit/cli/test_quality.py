"""`pulseiq quality held` tells which batches wait for a person, what stopped them, and what to type next."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines.cli.main import build
from pipelines.cli.quality import print_batch, print_list
from pipelines.errors import UsageError
from pipelines.jobs import docs
from quality.held import Decided, HeldBatch
from quality.verdict import NOTHING_WRONG, CheckResult

TIME = datetime(2026, 11, 23, 13, tzinfo=UTC)
FAILED = CheckResult(
    "amounts [cents]", "critical", False, False, "app_version=5.3.0: 44", "at least 900", 177, "euros", "payments"
)
FINE = replace(FAILED, check="region is present", success=True, observed=NOTHING_WRONG)
BROKEN = replace(FAILED, check="latency", errored=True, observed="TypeError: text")
HELD = HeldBatch("q", 3, TIME, 2900, 3000, ("shop.events[0] 0..749",), "held", None, (FAILED,), (FAILED, FINE, BROKEN))
RELEASED = replace(HELD, batch_id=2, state="released", decided=Decided("ada", "checked", TIME))


def printed(show: Any, *arguments: Any) -> str:
    out = io.StringIO()
    show("shop", *arguments, Console(file=out, width=140))
    return out.getvalue()


def test_the_list_names_what_stopped_each_batch_and_the_next_command() -> None:
    text = printed(print_list, [HELD])
    for part in ("2,900", "held", "amounts [cents]: app_version=5.3.0: 44", "next: pulseiq quality held show shop 3"):
        assert part in text


def test_no_held_batch_is_said_in_words() -> None:
    assert printed(print_list, []) == "shop: no batch is held\n"


def test_one_batch_shows_records_the_failed_check_and_how_to_release_it() -> None:
    text = printed(print_batch, HELD)
    for part in (
        "shop.events[0] 0..749",
        "amounts [cents]",
        "expected at least 900",
        "owner    payments",
        "1 checks on single rows",
        "TypeError: text",
        'next: pulseiq quality held release shop 3 --reason "..."',
        'or:   pulseiq quality held reject shop 3 --reason "..."',
    ):
        assert part in text


def test_a_decided_batch_shows_who_decided_and_offers_nothing() -> None:
    text = printed(print_batch, RELEASED)
    assert "released by ada at 2026-11-23 13:00 UTC: checked" in text
    assert "next:" not in text


@pytest.mark.parametrize(("options", "batches"), [([], [3]), (["--all"], [3, 2])])
def test_the_list_leaves_out_what_was_decided_unless_asked(
    monkeypatch: pytest.MonkeyPatch, options: list[str], batches: list[int]
) -> None:
    monkeypatch.setattr("pipelines.cli.quality.read_held", lambda _: [HELD, RELEASED])
    result = CliRunner().invoke(build(), ["quality", "held", "list", "shop", "--output", "json", *options])
    assert result.exit_code == 0
    assert [each["batch_id"] for each in json.loads(result.stdout)] == batches


def test_a_batch_that_was_never_held_is_an_error_with_a_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.cli.quality.read_held", lambda _: [HELD])
    result = CliRunner().invoke(build(), ["quality", "held", "show", "shop", "9"])
    assert isinstance(result.exception, UsageError)
    assert result.exception.hint == "pulseiq quality held list shop"


@pytest.mark.parametrize("decision", ["release", "reject"])
def test_a_decision_without_a_reason_is_refused_before_anything_is_started(
    decision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.platform.settings.load", lambda: pytest.fail("asked for services"))
    said = ["quality", "held", decision, "shop", "3", "--reason", " "]
    with pytest.raises(UsageError, match="--reason: is empty"):
        CliRunner().invoke(build(), said, catch_exceptions=False)


@pytest.mark.parametrize(
    ("folder", "words"), [("/proc/x", "cannot be written"), ("a-file", "is a file"), (".", "name")]
)
def test_a_site_is_not_begun_where_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("mine")
    monkeypatch.setattr(docs, "Lake", lambda settings: pytest.fail("read the lake"))
    with pytest.raises(UsageError, match=words) as refused:
        docs.build(None, None, Path(folder))  # type: ignore[arg-type]
    assert refused.value.what.startswith(f"--folder {folder}")
    assert [each.name for each in tmp_path.iterdir()] == ["a-file"]
