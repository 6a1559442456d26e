"""The verdict looks at the data before it looks at behaviour, and ordinary dirt is not bad data."""

import pandas as pd

from pipelines.incidents.verdict import inspect, judge

WINDOWS = list(pd.date_range("2026-11-23 10:00", periods=40, freq="5min"))
NOW = WINDOWS[-4:]
NO_RESULTS = pd.DataFrame(columns=["window_start", "check", "observed", "expected", "owner"])


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
    results = pd.DataFrame([{"window_start": NOW[0], "check": "amounts", "observed": "median 45", "owner": "payments"}])
    found = inspect(facts(silver=0, held=1000), NOW, results)
    assert found.bad
    assert "amounts (median 45)" in found.findings[0]
    assert judge(found, NOW, missing=4000) == "bad data"


def test_a_surge_of_rejected_events_is_bad_data_and_names_the_reason() -> None:
    surge = facts(quarantine=150).assign(reason=lambda f: f["class"].map({"quarantine": "missing_field"}).fillna(""))
    found = inspect(surge, NOW, NO_RESULTS)
    assert found.bad
    assert "missing_field 600" in found.findings[0]


def test_duplicates_and_late_events_are_findings_when_many() -> None:
    assert inspect(facts(duplicates=700), NOW, NO_RESULTS).bad
    assert inspect(facts(late=400), NOW, NO_RESULTS).bad


def test_without_a_finding_behaviour_has_changed() -> None:
    assert judge(inspect(facts(silver=300), NOW, NO_RESULTS), NOW, missing=2800) == "changed behaviour"


def test_metrics_that_moved_where_the_data_is_sound_make_it_both() -> None:
    rows = facts()
    rows.loc[(rows["window_start"] == NOW[3]) & (rows["class"] == "quarantine"), "n"] = 400
    found = inspect(rows, NOW, NO_RESULTS)
    assert judge(inspect(rows, NOW[3:], NO_RESULTS), NOW, missing=0) == "both"
    assert found.windows


def test_far_more_missing_than_was_rejected_makes_it_both() -> None:
    found = inspect(facts(silver=100, quarantine=100), NOW, NO_RESULTS)
    assert judge(found, NOW, missing=3600) == "both"
