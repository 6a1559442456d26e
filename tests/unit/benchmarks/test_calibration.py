"""The scorecard of false alerts: too many and too few are both off."""

import pytest

from benchmarks.calibration import ASKED, WITHIN, Week, goals


def weeks(*alerts: int, many: int = 4) -> list[Week]:
    """So many weeks at each rate that can be asked for, with so many alerts in each."""
    return [Week(seed, 0, asked, n, ()) for asked, n in zip(ASKED, alerts, strict=True) for seed in range(1, many + 1)]


def test_the_factor_off_is_the_same_whether_too_many_or_too_few() -> None:
    found = {each.name: each for each in goals(weeks(1, 1, 8))}
    factors = [found[f"asked {asked:g} a week: factor off"] for asked in ASKED]
    assert [each.figure for each in factors] == [2.0, 2.0, 1.0]
    assert [each.met for each in factors] == [False, False, True]
    assert all(each.goal == WITHIN for each in factors)


def test_no_alert_at_all_is_never_within_the_goal() -> None:
    found = {each.name: each for each in goals(weeks(0, 2, 8))}
    assert not found["asked 0.5 a week: factor off"].met
    assert found["asked 0.5 a week: least that 90 % of such counts allow"].figure == 0.0
    assert found["asked 0.5 a week: most"].figure == pytest.approx(0.75, abs=0.01)


def test_unrest_is_told_apart() -> None:
    found = {each.name: each.figure for each in goals(weeks(1, 2, 8))}
    assert found["with unrest: obtained over asked, all rates"] == pytest.approx(11 / 10.5)
