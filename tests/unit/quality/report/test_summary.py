"""What the page tells is what the rows say, whatever the number of parts that they come in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from quality.report import summary
from quality.report.facts import Counts, Tally
from tests.unit.quality.report import sample
from tests.unit.quality.report.sample import NOW, parts


@pytest.mark.parametrize(
    ("reach", "minutes"),
    [(timedelta(0), 1), (timedelta(minutes=40), 1), (timedelta(hours=3), 5), (timedelta(hours=24), 60)],
)
def test_bins_are_round_reach_from_the_first_batch_to_now_and_stay_few(reach, minutes):
    bins = summary.bins_of(NOW - reach, NOW)
    assert bins.width == timedelta(minutes=minutes)
    assert bins.start <= NOW - reach
    assert bins.start + bins.width > NOW - reach
    assert bins.end > NOW
    assert bins.number <= 49
    assert bins.at(NOW) == bins.number - 1
    assert bins.at(bins.end) is None


def test_every_batch_is_in_the_sums_and_in_one_bin():
    made = sample.report()
    total = made.promotions.total
    assert total == sum(made.promotions.per_bin, Counts())
    assert total.rows_in == sum(row["rows_in"] for row in sample.batches())
    assert made.promotions.batches == {"promote": 38, "warn": 1, "hold": 1}


def test_checks_that_failed_come_first_with_their_last_failure():
    failed, broken, passed = sample.report().checks
    assert (failed.name, failed.total) == ("amounts are in minor units", Tally(39, 1, 0))
    assert failed.observed == sample.HOSTILE
    assert (broken.name, broken.total, broken.observed) == ("shares", Tally(39, 0, 1), "TypeError: text")
    assert (passed.name, passed.total, passed.observed, passed.at) == ("ids", Tally(40, 0, 0), "", None)


def test_reasons_are_counted_and_only_the_newest_few_events_are_shown():
    missing, wrong = sample.report().refused
    assert (missing.reason, missing.number, sum(missing.per_bin)) == ("missing_field", 40, 40)
    assert (wrong.reason, wrong.number) == ("wrong_type", 5)
    assert [each.place for each in wrong.samples] == [f"shop.events[{at}] {10_000 + at}" for at in range(3)]


def test_an_event_whose_bytes_are_gone_is_told_without_them():
    bins = summary.bins_of(NOW, NOW)
    (shown,) = summary.with_samples(summary.refused(parts(sample.quarantine_rows()[:1]), bins), {})
    assert shown.samples[0].text == "(no value)"


def test_volume_is_the_whole_metric_window_by_window():
    (volume,) = sample.report().volumes
    assert len(volume.windows) == 96
    assert max(window.value for window in volume.windows) < 500
    assert sum(window.unusual for window in volume.windows) == 6


def test_the_last_audit_is_shown_with_those_before_it_worst_first():
    audit = sample.report().audit
    assert (audit.run_id, audit.runs, audit.rows) == ("audit-11", 12, 1000)
    drift, status, sums = audit.trends
    assert [trend.name for trend in audit.trends] == ["drift", "status is known", "sums reconcile"]
    assert drift.per_bin[-1] == Tally(broken=1)
    assert drift.observed.startswith("AnalysisException")
    assert status.observed == f"{sample.HOSTILE}: 0.5"
    assert status.expected == "share of known values: at least 0.99"
    assert sums.total == Tally(passed=12)


def test_audits_are_kept_in_bounded_number():
    assert summary.audit(parts(sample.audit_rows(runs=50))).runs == 30


def test_no_table_at_all_is_no_error():
    quiet = sample.report(quiet=True)
    assert (quiet.audit, quiet.refused, quiet.checks, quiet.volumes) == (None, (), (), ())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, ""), ("", ""), ("no json", "no json"), ("3", "3"), ("{}", ""),
        ('{"rows": 5, "strata": [], "note": "not judged"}', "not judged"),
        ('{"strata": [{"where": "a=1", "value": 2}], "more": 3}', "a=1: 2; and 3 more"),
        ('{"strata": [{"where": "a=1", "value": null, "note": "gone"}]}', f"a=1: {summary.figure(None)} (gone)"),
        ('{"measure": "rows", "min": 1, "max": null}', "rows: at least 1"),
        ('{"a": 1.5, "b": "x"}', "a 1.5, b x"),
    ],
)  # fmt: skip
def test_json_of_an_audit_in_words(given, told):
    assert summary.told(given) == told
