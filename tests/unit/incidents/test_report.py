"""What a person reads first: what moved and where, or what is wrong with the data; each thing once."""

import io
from datetime import datetime, timedelta

import pandas as pd
import pytest
from rich.console import Console

from pipelines import contract as contracts
from pipelines.contract import Contract, Sensitivity
from pipelines.explain import Explanation
from pipelines.incidents import Incident, report
from pipelines.incidents.assemble import assemble

START = pd.Timestamp("2026-11-23 10:00")
STEP = pd.Timedelta(minutes=5)
WINDOWS = [START + i * STEP for i in range(12)]
SILENT = ("traffic", "conversion_rate", "error_rate", "revenue", "traffic{device=ios}")


@pytest.fixture(scope="module")
def shop() -> Contract:
    return contracts.load("shop")


def alert(series: str, **values: object) -> dict[str, object]:
    """A row of the alert frame: the series over the last six windows."""
    row = {
        "metric": series.split("{")[0], "series": series, "direction": "down", "start": WINDOWS[6],
        "end": WINDOWS[-1] + STEP, "open": True, "p_value": 1e-9, "tests": ("long",), "effect": -0.5,
        "words": f"{series}: 50, expected 100", "opened": WINDOWS[7], "planned": "",
    }  # fmt: skip
    return {**row, **values}


def evidence(series: str, value: float, **values: object) -> list[dict[str, object]]:
    """A metric that is `value` in the last six windows where 100 was expected."""
    return [
        {
            "metric": series, "series": series, "window_start": window, "test": "point", "direction": "down",
            "value": value, "expected": 100.0, "p_value": 1e-9, "fired": True, **values,
        }
        for window in WINDOWS[6:]
    ]  # fmt: skip


def facts(**now: int) -> pd.DataFrame:
    rows = [(window, name, "", n) for window in WINDOWS[6:] for name, n in now.items()]
    return pd.DataFrame(rows, columns=["window_start", "class", "reason", "n"])


def incident(shop: Contract, alerts: list[dict[str, object]], rows: list[dict[str, object]], **now: int) -> Incident:
    """The one incident of these alerts; held events have failed one check."""
    results = pd.DataFrame(
        [(WINDOWS[6], "amounts are in minor units", "median 45", "above 900", "payments", "gate")]
        if "held" in now
        else [],
        columns=["window_start", "check", "observed", "expected", "owner", "judge"],
    )

    def nowhere(_metric: object, _start: datetime, _end: datetime) -> Explanation:
        return Explanation((), (), everywhere=False, rate_mix=None)

    (found,) = assemble(
        shop,
        pd.DataFrame(alerts),
        pd.DataFrame(rows),
        facts(**now),
        results,
        nowhere,
        windows=[each.to_pydatetime() for each in WINDOWS],
        confirmed_until=(WINDOWS[-1] - timedelta(minutes=10)).to_pydatetime(),
        detector_version="1",
    )
    return found


def shown(found: Incident, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(report.table([found]))
    return console.export_text()


def test_held_data_is_the_headline_and_not_the_metrics_that_fell_with_it(shop: Contract) -> None:
    found = incident(shop, [alert("traffic")], evidence("traffic", 4.0), silver=4, held=96)
    assert found.headline == "96% of the events held by the quality gate, failed check: amounts are in minor units"


def test_what_was_there_before_the_gate_held_anything_is_changed_behaviour_too(shop: Contract) -> None:
    errors = evidence("error_rate", 500.0, direction="up")
    early = [{**row, "window_start": window} for row, window in zip(errors, WINDOWS[3:6], strict=False)]
    rows = [*early, *errors, *evidence("traffic", 40.0)]
    rose = alert("error_rate", direction="up", start=WINDOWS[3], opened=WINDOWS[4])
    found = incident(shop, [alert("traffic"), rose], rows, silver=40, held=60)
    assert (found.verdict, found.metric, found.direction) == ("both", "error_rate", "up")
    # One window before is no more than a release's first batches, which are too few for the gate.
    found = incident(shop, [alert("traffic"), rose], rows[2:], silver=40, held=60)
    assert (found.verdict, found.metric) == ("bad data", "traffic")


def test_a_rate_that_rose_leads_though_it_fell_silent_in_the_whole_later(shop: Contract) -> None:
    silent = alert("error_rate", tests=("missing",), start=WINDOWS[10], words="error_rate: no events")
    rose = alert("error_rate{region=eu-west}", metric="error_rate", direction="up")
    rows = [*evidence("error_rate", 50.0), *evidence("error_rate{region=eu-west}", 500.0, direction="up")]
    found = incident(shop, [silent, rose], rows, silver=1000, quarantine=400)
    assert (found.verdict, found.direction) == ("both", "up")
    assert found.why[0] == rose["words"]


def test_series_that_fell_silent_are_counted_once(shop: Contract) -> None:
    silence = [alert(name, tests=("missing", "point"), words=f"{name}: no events") for name in SILENT]
    found = incident(shop, [*silence, alert("queue_depth", direction="up")], evidence("traffic", 0.0), silver=100)
    assert found.why == (
        "traffic: no events",
        "queue_depth: 50, expected 100",
        "no events in 4 other series that had some at such times",
    )
    assert found.also_moved == ("queue_depth up", "4 other series silent")


def test_the_change_is_of_the_windows_themselves_and_not_of_trailing_means(shop: Contract) -> None:
    trailing = evidence("traffic", 80.0, test="drift")
    found = incident(shop, [alert("traffic")], [*trailing, *evidence("traffic", 50.0)], silver=100)
    assert found.change == pytest.approx(-0.5)


def test_the_list_fits_eighty_columns_and_breaks_no_word(shop: Contract) -> None:
    text = shown(incident(shop, [alert("traffic")], evidence("traffic", 50.0), silver=100))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    for whole in ("SEV", "20261123-1030-", "changed behaviour", "open", "Traffic"):
        assert any(whole in line for line in text.splitlines())


def assembled(
    shop: Contract, alerts: list[dict[str, object]], *, bad: int = 0, audited: int = 0, **told: object
) -> list[Incident]:
    """Incidents of these alerts under a sensitivity, with so many rejected events in each of the last six windows.

    An audit of so many windows, the last ones, has found that currencies are others than usual.
    """
    failed = ("no new currency takes over", "region=us-east: 1.0", "at most 0.5", "data platform", "audit")
    rows = [row for each in alerts for row in evidence(str(each["series"]), 50.0)]
    rejected = {"silver": 1000, "quarantine": bad} if bad else {"silver": 1000}
    before = pd.DataFrame({"window_start": WINDOWS[:6], "class": "silver", "reason": "", "n": 10_000})
    return assemble(
        shop.model_copy(update={"sensitivity": Sensitivity(**told)}),
        pd.DataFrame(alerts),
        pd.DataFrame(rows),
        pd.concat([before, facts(**rejected)], ignore_index=True),
        pd.DataFrame(
            [(window, *failed) for window in WINDOWS[len(WINDOWS) - audited :]],
            columns=["window_start", "check", "observed", "expected", "owner", "judge"],
        ),
        lambda *_: Explanation((), (), everywhere=False, rate_mix=None),
        windows=[each.to_pydatetime() for each in WINDOWS],
        confirmed_until=WINDOWS[-1].to_pydatetime(),
        detector_version="1",
    )


def test_a_parent_and_its_children_are_one_incident_led_by_the_coarsest(shop: Contract) -> None:
    children = [alert(f"traffic{{device={name}}}", p_value=1e-30, start=WINDOWS[5]) for name in ("ios", "web")]
    (found,) = assembled(shop, [*children, alert("traffic")])
    assert found.metric == "traffic"
    assert found.why[0] == "traffic: 50, expected 100"
    assert found.also_moved == ("traffic{device=ios} down", "traffic{device=web} down")
    assert found.since == WINDOWS[5]


def test_what_is_planned_is_an_incident_of_its_own_that_does_not_count(shop: Contract) -> None:
    found = assembled(shop, [alert("traffic", planned="sale"), alert("conversion_rate")])
    by_plan = {each.planned: each for each in found}
    assert {name: each.counts for name, each in by_plan.items()} == {"sale": False, None: True}
    assert by_plan["sale"].standing == "planned"
    assert "planned: sale" in shown(by_plan["sale"])


def test_a_planned_event_does_not_hide_that_the_data_is_bad(shop: Contract) -> None:
    found = assembled(shop, [alert("traffic", planned="sale")], bad=500)
    assert {each.metric: each.counts for each in found} == {"traffic": False, "data": True}


def test_what_an_audit_found_is_an_incident_even_where_no_metric_moved(shop: Contract) -> None:
    muted = assembled(shop, [alert("traffic", planned="sale")], audited=12)
    (found,) = [each for each in muted if each.metric == "data"]
    assert (found.verdict, found.counts) == ("bad data", True)
    assert found.headline == "failed in an audit: no new currency takes over"
    assert found.since == WINDOWS[0]


def test_what_an_audit_found_is_told_once_and_stretches_no_incident(shop: Contract) -> None:
    (found,) = assembled(shop, [alert("traffic")], audited=12)
    assert (found.metric, found.since) == ("traffic", WINDOWS[6])
    assert "an audit found bad data" in found.verdict_evidence[0]


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ({"planned": ({"name": "move", "start": WINDOWS[0].isoformat(), "end": "2026-11-23T12:00"},)}, [False]),
        ({"planned": ({"name": "move", "start": WINDOWS[0].isoformat(), "end": "2026-11-23T10:40"},)}, [True]),
        ({"mute": ({"metrics": "data"},)}, []),
        ({"quiet_hours": ({"start": "10:00", "end": "11:00"},)}, [False]),
    ],
)
def test_findings_on_the_data_can_be_planned_muted_and_held_back_as_well(
    shop: Contract, told: dict[str, object], counts: list[bool]
) -> None:
    found = assembled(shop, [], bad=100, **told)
    assert [each.counts for each in found] == counts


def test_an_incident_is_over_some_windows_after_its_last_evidence(shop: Contract) -> None:
    (found,) = assembled(shop, [alert("traffic", open=False, end=WINDOWS[8])])
    assert (found.state, found.standing) == ("closed", "closed")
    (found,) = assembled(shop, [alert("traffic", open=False, end=WINDOWS[10])])
    assert (found.state, found.standing) == ("confirmed", "over")


def test_the_report_says_what_quiet_hours_and_the_past_make_of_it(shop: Contract) -> None:
    (found,) = assembled(shop, [alert("traffic")], quiet_hours=({"start": "10:00", "end": "10:45"},))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(report.render(found.model_copy(update={"repeat_of": "20261123-0900-abcdef"})))
    text = console.export_text()
    assert "held back at first, quiet hours until 2026-11-23 10:45 UTC; it went on after them" in text
    assert "repeats 20261123-0900-abcdef" in text
