"""Durations and moments as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.contract.duration import parse_duration, parse_moment


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("5 minutes", 300),
        ("1 minute", 60),
        ("10m", 600),
        ("90s", 90),
        (" 2 hours ", 7200),
        ("1d", 86400),
        ("0s", 0),
        ("36500d", 36500 * 86400),
    ],
)
def test_duration_is_a_whole_number_and_a_unit(given, seconds):
    assert parse_duration(given) == timedelta(seconds=seconds)


@pytest.mark.parametrize("given", ["5", 5, "5 weeks", "1.5 hours", "-1 hour", "", None, "1 hour 5 minutes", "5 M"])
def test_other_durations_are_refused(given):
    with pytest.raises(
        ValueError, match="is not a duration: write a whole number and seconds, minutes, hours or days, as 15m or 2h"
    ):
        parse_duration(given)


def test_duration_of_more_than_a_century_is_refused():
    with pytest.raises(ValueError, match="'36501 days' is too long: at most 36500 days"):
        parse_duration("36501 days")


@pytest.mark.parametrize(
    ("given", "moment"),
    [
        ("2020-01-01T00:00:00Z", datetime(2020, 1, 1, tzinfo=UTC)),
        ("2020-01-01", datetime(2020, 1, 1, tzinfo=UTC)),
        (date(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC)),
        (datetime(2020, 1, 1, 12), datetime(2020, 1, 1, 12, tzinfo=UTC)),
        ("2020-01-01T02:00:00+02:00", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
)
def test_moment_without_a_zone_is_utc(given, moment):
    assert parse_moment(given) == moment


@pytest.mark.parametrize("given", ["yesterday", 2020, None, "2020-13-01"])
def test_other_moments_are_refused(given):
    with pytest.raises(ValueError, match="is not a time: write it as 2020-01-01T00:00:00Z"):
        parse_moment(given)
