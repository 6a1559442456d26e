"""`pulseiq ledger` says whether it balances, in words, as JSON and by its exit code."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines.cli.main import build
from pipelines.ledger.model import Finding, Ledger, PartitionEnds
from pipelines.ledger.report import print_ledger

SOUND = Ledger(
    product="shop",
    partitions=(PartitionEnds("shop.events", 0, 0, 100, 90, 130),),
    events=100,
    classes={"silver": 80, "quarantine": 15, "duplicates": 5, "held": 0},
    reasons={"not_json": 10, "wrong[type]": 5},
    late=3,
    released=2,
    rejected=0,
    redriven=0,
    late_twins=1,
    late_twin_examples=("event [a] came again 2 h later",),
    in_flight=0,
    batches=4,
    findings=(),
)
BROKEN = replace(SOUND, findings=(Finding("missing", 2, ("shop.events[0]@17", "shop.events[0]@18")),))


def printed(ledger: Ledger) -> str:
    out = io.StringIO()
    print_ledger(ledger, Console(file=out, width=120))
    return out.getvalue()


def test_a_sound_ledger_shows_classes_reasons_and_what_waits() -> None:
    text = printed(SOUND)
    for part in ("silver", "80", "late 3, released 2", "not_json 10, wrong[type] 5", "30 records wait", "[a]"):
        assert part in text
    assert "balances: every one of 100 events has one place" in text


def test_a_finding_is_told_with_its_meaning_and_its_offsets() -> None:
    text = printed(BROKEN)
    assert "missing: 2, in Kafka and refined, but in no table" in text
    assert "shop.events[0]@18" in text
    assert "does not balance" in text


def test_what_a_person_rejected_is_counted_in_quarantine_and_only_there() -> None:
    text = printed(replace(SOUND, reasons={"not_json": 8, "rejected": 7}, rejected=7))
    assert "not_json 8, rejected by a person 7" in text
    assert text.count("rejected") == 1
    assert "the sum of silver, quarantine, duplicates, held; in Kafka and refined: 100" in text


def test_a_topic_that_is_missing_is_named_with_what_makes_it() -> None:
    out = io.StringIO()
    print_ledger(replace(SOUND, partitions=()), Console(file=out, width=80), "shop.events")
    assert "no topic shop.events, and no batch has been recorded | next: pulseiq run live shop" in out.getvalue()


@pytest.mark.parametrize(("ledger", "options", "code"), [(SOUND, [], 0), (BROKEN, [], 7), (SOUND, ["--complete"], 7)])
def test_exit_code_tells_whether_it_balances(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger, options: list[str], code: int
) -> None:
    monkeypatch.setattr("pipelines.platform.settings.load", lambda: None)
    monkeypatch.setattr("pipelines.contract.load", lambda name: SimpleNamespace(product=name), raising=False)
    monkeypatch.setattr("pipelines.ledger.audit.audit", lambda *_: ledger)
    result = CliRunner().invoke(build(), ["ledger", "shop", "--output", "json", *options])
    assert result.exit_code == code
    found = json.loads(result.stdout)
    assert found["balances"] is ledger.balances
    assert found["waiting"] == 30
    assert [each["kind"] for each in found["findings"]] == [each.kind for each in ledger.findings]
