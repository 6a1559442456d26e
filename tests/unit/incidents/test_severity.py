"""Severity never falls when something gets worse, and its level follows its published thresholds."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipelines.incidents.severity import THRESHOLDS, WEIGHTS, Inputs, severity

inputs = st.builds(
    Inputs,
    relative_change=st.floats(0, 10),
    weight=st.floats(0.1, 10),
    p_value=st.floats(1e-30, 1),
    breadth=st.floats(0, 1),
    duration=st.timedeltas(timedelta(), timedelta(days=3)),
)


@given(inputs, st.floats(1, 5))
def test_worse_in_any_input_is_never_less_severe(given_inputs: Inputs, factor: float) -> None:
    before = severity(given_inputs).score
    worse = [
        replace(given_inputs, relative_change=given_inputs.relative_change * factor),
        replace(given_inputs, weight=given_inputs.weight * factor),
        replace(given_inputs, p_value=given_inputs.p_value / factor),
        replace(given_inputs, breadth=min(1.0, given_inputs.breadth * factor)),
        replace(given_inputs, duration=given_inputs.duration * factor),
    ]
    assert all(severity(each).score >= before for each in worse)


@given(inputs)
def test_the_score_is_the_weighted_sum_of_what_is_shown(given_inputs: Inputs) -> None:
    found = severity(given_inputs)
    assert abs(found.score - sum(WEIGHTS[name] * value for name, value in found.inputs.items())) < 1e-3
    assert found.level == next(name for threshold, name in THRESHOLDS if found.score >= threshold)
    assert set(found.words) == set(found.inputs)


def test_the_ends_of_the_scale() -> None:
    small = Inputs(relative_change=0.01, weight=0.5, p_value=1e-3, breadth=0.05, duration=timedelta(minutes=5))
    large = Inputs(relative_change=0.9, weight=2, p_value=1e-20, breadth=1, duration=timedelta(hours=4))
    assert severity(small).level == "SEV4"
    assert severity(large).level == "SEV1"
