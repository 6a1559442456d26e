"""The verdict looks at the data before it looks at behaviour, and ordinary dirt is not bad data."""

import pandas as pd

from pipelines import contract as contracts
from pipelines.incidents.verdict import explains, inspect, judge

WINDOWS = list(pd.date_range("2026-11-23 10:00", periods=40, freq="5min"))
NOW = WINDOWS[-4:]
NO_RESULTS = pd.DataFrame(columns=["window_start", "check", "observed", "expected", "owner", "judge"])


def facts(**now: int) -> pd.DataFrame:
    """Quiet history with the usual dirt, and in the last four windows what is given."""
    usual = {"silver": 1000, "quarantine": 3, "duplicates": 4, "late": 5}
    rows = [
        {"window_start": window, "class": name, "reason": "", "n": n}
        for window in WINDOWS
        for name, n in ({**usual, **now} if window in NOW else usual).items()
    ]
    return pd.DataFrame(rows)


def test_the_usual_dirt_is_no_finding() -> None:
    assert not inspect(facts(), NOW, NO_RESULTS).bad
    assert not inspect(facts(quarantine=9, duplicates=9, late=12), NOW, NO_RESULTS).bad


def test_held_events_are_bad_data_and_name_the_check() -> None:
    results = pd.DataFrame(
        [{"window_start": NOW[0], "check": "amounts", "observed": "median 45", "owner": "payments", "judge": "gate"}]
    )
    found = inspect(facts(silver=0, held=1000), NOW, results)
    assert found.bad
    assert "amounts (median 45)" in found.findings[0]
    assert judge(found, NOW, missing=1.0) == "bad data"


def test_what_an_audit_found_is_a_finding_of_its_windows_and_no_reason_of_a_held_batch() -> None:
    failed = {"check": "event ids are unique", "observed": "all rows: 0.7", "owner": "platform", "judge": "audit"}
    audited = pd.DataFrame([{"window_start": window, **failed} for window in NOW[:2]])
    found = inspect(facts(), NOW, audited)
    assert found.findings == ("an audit found bad data: event ids are unique (all rows: 0.7)",)
    assert found.headline == "failed in an audit: event ids are unique"
    assert found.windows == set(NOW[:2])
    assert not found.held
    # Nothing is missing, so it does not say why a metric moved: that is for a person to look at.
    traffic = next(metric for metric in contracts.load("shop").metrics if metric.name == "traffic")
    assert not explains(found, traffic, "down")
    assert judge(found, NOW[:2], missing=0, beyond=True) == "both"
    held = inspect(facts(silver=0, held=1000), NOW, audited)
    assert "see the held batch" in held.findings[0]
    assert judge(held, NOW, missing=1.0) == "bad data"


def test_a_surge_of_rejected_events_is_bad_data_and_names_the_reason() -> None:
    surge = facts(quarantine=150).assign(reason=lambda f: f["class"].map({"quarantine": "missing_field"}).fillna(""))
    found = inspect(surge, NOW, NO_RESULTS)
    assert found.bad
    assert "missing_field 600" in found.findings[0]


def test_duplicates_and_late_events_are_findings_when_many() -> None:
    assert inspect(facts(duplicates=700), NOW, NO_RESULTS).bad
    assert inspect(facts(late=400), NOW, NO_RESULTS).bad


def test_without_a_finding_behaviour_has_changed() -> None:
    assert judge(inspect(facts(silver=300), NOW, NO_RESULTS), NOW, missing=0.7) == "changed behaviour"


def test_metrics_that_moved_where_the_data_is_sound_make_it_both() -> None:
    rows = facts()
    rows.loc[(rows["window_start"] == NOW[3]) & (rows["class"] == "quarantine"), "n"] = 400
    found = inspect(rows, NOW, NO_RESULTS)
    assert judge(inspect(rows, NOW[3:], NO_RESULTS), NOW, missing=0) == "both"
    assert found.windows


def test_far_more_missing_than_was_rejected_makes_it_both() -> None:
    found = inspect(facts(silver=650, quarantine=50), NOW, NO_RESULTS)
    assert judge(found, NOW, missing=0.1) == "bad data"
    assert judge(found, NOW, missing=0.35) == "both"


def test_duplicates_explain_no_metric_for_they_are_dropped() -> None:
    found = inspect(facts(duplicates=700), NOW, NO_RESULTS)
    traffic = next(metric for metric in contracts.load("shop").metrics if metric.name == "traffic")
    assert found.bad
    assert not found.lost
    assert not explains(found, traffic, "down")
