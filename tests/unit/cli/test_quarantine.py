"""`pulseiq quarantine` and `quality audit` say what is wrong, as text that no terminal obeys, and what to type next."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from pipelines.cli.audit import print_report
from pipelines.cli.quarantine import print_groups, print_samples
from pipelines.jobs.audit import Report
from pipelines.refine.quarantine import Group, Sample
from quality.audit import Outcome
from quality.expectation import Expectation, Statistic

TIME = datetime(2026, 11, 23, 13, tzinfo=UTC)


def printed(show: Any, *arguments: Any) -> str:
    out = io.StringIO()
    show("shop", *arguments, Console(file=out, width=160))
    return out.getvalue()


def test_the_list_says_what_waits_and_what_went_back() -> None:
    group = Group("missing_field", 1_234, 30, ("user_action",), ("$.latency_ms",), TIME, TIME)
    text = printed(print_groups, [group])
    for part in ("1,234", "30", "missing_field", "$.latency_ms", "next: pulseiq quarantine show shop missing_field"):
        assert part in text


def test_an_empty_quarantine_is_said_in_words() -> None:
    assert printed(print_groups, []) == "shop: quarantine is empty\n"


def test_what_a_producer_sends_is_shown_and_never_obeyed() -> None:
    value = '{"a": "\x1b[31m\u202e[bold]<script>"}'.encode() + b"\xff"
    text = printed(print_samples, [Sample("shop.events/0/7", TIME, "not_json", None, value)])
    assert "shop.events/0/7" in text
    assert '{"a": "\\x1b[31m\\u202e[bold]<script>"}\\xff' in text
    assert "(null)" in text
    assert "\x1b" not in text


def outcome(name: str, *, severity: Any = "critical", success: bool = False, error: str | None = None) -> Outcome:
    expectation = Expectation(
        "silver", name, Statistic("silver", "share", "x"), "share of x", severity, "payments", "Euros.", max=0.02
    )
    strata = [] if error else [{"where": "app_version=5.3.0", "value": 0.31, "rows": 1_000, "note": "<b>\x07"}]
    return Outcome(expectation, success, error, {"rows": 1_000, "strata": strata}, 1_000)


def test_an_audit_tells_bad_data_from_a_broken_check() -> None:
    outcomes = (
        outcome("drifts", severity="warning"),
        outcome("amounts are cents"),
        outcome("sound", success=True),
        outcome("does not run", error="AnalysisException: no column"),
    )
    text = printed(print_report, Report("r1", TIME, TIME, TIME, 12, {}, outcomes))
    first, second, third = (
        text.index(word) for word in ("critical silver: amounts", "warning silver: drifts", "broken")
    )
    assert first < second < third
    for part in (
        "saw      app_version=5.3.0: 0.31 (1,000 rows): <b>\\x07",
        "expected share of x: at most 0.02",
        "owner    payments",
        "AnalysisException: no column",
        "1 expectations met, 2 not, 1 broken",
    ):
        assert part in text


def test_an_audit_of_nothing_is_said_in_words() -> None:
    text = printed(print_report, Report("r1", TIME, None, None, 0, {}, ()))
    assert text == "shop: nothing to audit, no batch has come\n"


def test_the_end_of_an_audit_has_its_date_where_that_is_another_day() -> None:
    def said(end: datetime) -> str:
        return printed(print_report, Report("r1", TIME, TIME, end, 12, {}, (outcome("sound", success=True),)))

    assert "of events 2026-11-23 13:00 to 14:00 UTC" in said(TIME + timedelta(hours=1))
    assert "of events 2026-11-23 13:00 to 2026-11-24 11:00 UTC" in said(TIME + timedelta(hours=22))
