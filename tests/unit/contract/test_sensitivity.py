"""Times and series in the user's words: past midnight, in a time zone, weekly, by pattern."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import contract as contracts
from pipelines.contract import Sensitivity
from pipelines.contract.load import FOLDER
from pipelines.contract.sensitivity import DAYS, Hours, Mute, Planned, matches

NIGHT = Hours(start="22:00", end="07:00", days=("mon", "tue"), zone="Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        # Monday 2026-11-23, an hour ahead of UTC in winter.
        ("2026-11-23 20:59", None),
        ("2026-11-23 21:00", "2026-11-24 06:00"),
        ("2026-11-24 05:59", "2026-11-24 06:00"),
        ("2026-11-24 06:00", None),
        # The night that begins on Tuesday reaches into Wednesday, which has none of its own.
        ("2026-11-25 05:00", "2026-11-25 06:00"),
        ("2026-11-25 21:30", None),
        # In summer two hours ahead.
        ("2026-07-06 20:00", "2026-07-07 05:00"),
    ],
)
def test_quiet_hours_go_past_midnight_by_the_clock_of_their_zone(moment: str, until: str | None) -> None:
    found = Sensitivity(quiet_hours=(NIGHT,)).quiet_until(at(moment))
    assert found == (at(until) if until else None)


def test_quiet_hours_that_follow_at_once_are_one() -> None:
    evening, night = Hours(start="20:00", end="24:00"), Hours(start="00:00", end="06:00")
    assert Sensitivity(quiet_hours=(night, evening)).quiet_until(at("2026-11-23 21:00")) == at("2026-11-24 06:00")


def test_quiet_hours_around_the_clock_come_to_an_end() -> None:
    always = Hours(start="00:00", end="24:00")
    found = Sensitivity(quiet_hours=(always,)).quiet_until(at("2026-11-23 21:00"))
    assert found is not None
    assert found >= at("2026-11-30 00:00")


def test_a_time_without_quotes_is_read_as_the_same() -> None:
    assert Hours(start=1320, end="07:00") == Hours(start="22:00", end="7:00")


@given(
    st.integers(60, 1440),
    st.integers(60, 1440),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
)
def test_stretches_do_not_depend_on_how_the_time_asked_about_is_cut(
    start: int, end: int, zone: str, moment: datetime
) -> None:
    hours = Hours(start=start, end=end, zone=zone)
    first = moment.replace(tzinfo=UTC)
    middle, last = first + timedelta(hours=37), first + timedelta(days=4)
    whole = list(hours.stretches(first, last))
    assert sorted({*hours.stretches(first, middle), *hours.stretches(middle, last)}) == whole
    assert all(begin < last and stop > first and begin < stop for begin, stop in whole)


def test_a_planned_event_is_once_or_weekly() -> None:
    once = Planned(name="sale", start="2026-11-27", end="2026-11-28")
    weekly = Planned(name="upkeep", weekly={"start": "02:00", "end": "04:00", "days": ["sun"]})
    first, last = at("2026-11-20 00:00"), at("2026-12-01 00:00")
    assert list(once.stretches(first, last)) == [(at("2026-11-27 00:00"), at("2026-11-28 00:00"))]
    assert not list(once.stretches(first, at("2026-11-27 00:00")))
    assert [begin for begin, _ in weekly.stretches(first, last)] == [at("2026-11-22 02:00"), at("2026-11-29 02:00")]


def test_patterns_mean_metrics_with_all_series_or_single_series() -> None:
    one = Mute(series=("errors{place=*}",))
    assert one.covers("errors", "errors{place=a}")
    assert not one.covers("errors", "errors")
    every = Mute(metrics="err*")
    assert every.covers("errors", "errors")
    assert every.covers("errors", "errors{place=a,kind=b}")
    assert not every.covers("visits", "visits")
    assert Planned(name="all", start="2026-11-27", end="2026-11-28").covers("anything", "anything{a=b}")


@given(st.text(), st.text(), st.text())
def test_only_a_star_is_special_in_a_pattern(before: str, inside: str, after: str) -> None:
    before, after = before.replace("*", ""), after.replace("*", "")
    assert matches(f"{before}*{after}", f"{before}{inside}{after}")
    assert matches(before, after) == (before == after)


def test_the_sections_are_read_from_a_contract(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(FOLDER / "shop", tmp_path / "shop"))
    file = folder / "metrics.yaml"
    file.write_text(
        file.read_text(encoding="utf-8")
        + """
  quiet_hours:
    - {start: 22:00, end: 07:00, zone: Europe/Berlin}
  planned:
    - {name: sale, start: 2026-11-27T00:00:00Z, end: 2026-11-28T00:00:00Z, metrics: [traffic, revenue]}
    - name: upkeep
      weekly: {start: 02:00, end: 04:00, days: [sun]}
  mute:
    - {series: "latency_p95{device=tv}", until: 2026-12-31, why: being replaced}
""",
        encoding="utf-8",
    )
    found = contracts.load(folder).sensitivity
    assert found.quiet_hours == (Hours(start="22:00", end="07:00", days=DAYS, zone="Europe/Berlin"),)
    assert [each.name for each in found.planned] == ["sale", "upkeep"]
    assert found.mute[0].until == at("2026-12-31 00:00")
