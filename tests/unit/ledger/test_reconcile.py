"""The ledger balances on every sound lake, and finds any single offset that is lost, doubled or misplaced."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ledger.model import Ledger
from pipelines.ledger.reconcile import reconcile

HORIZON = timedelta(hours=1)
REDRIVE = "shop.redrive"
SEEDS = st.integers(0, 10_000)


def audit(lake: Any) -> Ledger:
    return reconcile("shop", lake.read, lambda: lake.kafka, horizon=HORIZON, redrive_topic=REDRIVE)


def kinds(ledger: Ledger) -> set[str]:
    return {finding.kind for finding in ledger.findings}


@given(seed=SEEDS)
@settings(deadline=None, max_examples=60)
def test_a_sound_lake_balances_and_every_event_has_a_class(lakes: Any, seed: int) -> None:
    lake = lakes.lake(seed)
    ledger = audit(lake)
    assert ledger.findings == ()
    assert ledger.balances
    assert ledger.events == sum(ledger.classes.values()) == sum(each["rows_in"] for each in lake.tables["batches"])
    assert sum(ledger.reasons.values()) == ledger.classes["quarantine"]
    assert ledger.waiting == sum(end for _, end in lake.kafka.values()) - sum(
        each["until_offset"] for each in lake.tables["batches"][-1]["offsets"]
    )


@given(seed=SEEDS, data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_lost_offset_is_found(lakes: Any, seed: int, data: st.DataObject) -> None:
    lake = lakes.lake(seed)
    table, number = data.draw(st.sampled_from(lake.rows_of_batches()))
    gone = lake.tables[table].pop(number)
    ledger = audit(lake)
    assert not ledger.balances
    place = f"{gone['kafka_topic']}[{gone['kafka_partition']}]@{gone['kafka_offset']}"
    if gone["query_id"] == "q":
        assert "counters" in kinds(ledger)
        examples = [e for f in ledger.findings if f.kind in ("missing", "unaccounted") for e in f.examples]
        assert place in examples


@given(seed=SEEDS, data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_doubled_offset_is_found_in_whatever_table_its_double_is(lakes: Any, seed: int, data: st.DataObject) -> None:
    lake = lakes.lake(seed)
    table, number = data.draw(st.sampled_from(lake.rows_of_batches()))
    target = data.draw(st.sampled_from(lakes.CLASSES))
    lake.tables[target].append({**copy.deepcopy(lake.tables[table][number])})
    ledger = audit(lake)
    twice = lake.tables[table][number]
    place = f"{twice['kafka_topic']}[{twice['kafka_partition']}]@{twice['kafka_offset']}"
    assert any(f.kind == "double" and place in f.examples for f in ledger.findings)


@given(seed=SEEDS, data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_row_moved_to_another_offset_is_found(lakes: Any, seed: int, data: st.DataObject) -> None:
    lake = lakes.lake(seed)
    table, number = data.draw(st.sampled_from(lake.rows_of_batches()))
    moved = lake.tables[table][number]
    moved["kafka_offset"] += data.draw(st.integers(1, 200) | st.integers(-200, -1))
    assert not audit(lake).balances


@given(seed=SEEDS, data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_row_moved_to_another_table_is_found(lakes: Any, seed: int, data: st.DataObject) -> None:
    lake = lakes.lake(seed)
    table, number = data.draw(st.sampled_from(lake.rows_of_batches()))
    target = data.draw(st.sampled_from([name for name in lakes.CLASSES if name != table]))
    lake.tables[target].append(lake.tables[table].pop(number))
    assert not audit(lake).balances


@given(seed=SEEDS, data=st.data())
@settings(deadline=None, max_examples=40)
def test_bronze_lacking_or_repeating_an_offset_is_found(lakes: Any, seed: int, data: st.DataObject) -> None:
    lake = lakes.lake(seed)
    ends = {key: end - 1 for key, (_, end) in lake.kafka.items()}
    inner = [r for r in lake.tables["bronze"] if r["offset"] != ends[r["topic"], r["partition"]]]
    chosen = data.draw(st.sampled_from(inner))
    doubled = copy.deepcopy(lake)
    doubled.tables["bronze"].append(dict(chosen))
    lake.tables["bronze"].remove(chosen)
    place = f"{chosen['topic']}[{chosen['partition']}]@{chosen['offset']}"
    assert [(f.kind, f.examples) for f in audit(lake).findings] == [("missing in bronze", (place,))]
    assert [(f.kind, f.examples) for f in audit(doubled).findings] == [("double in bronze", (place,))]


@given(seed=SEEDS)
@settings(deadline=None, max_examples=30)
def test_bronze_behind_refine_is_lag_and_not_an_imbalance(lakes: Any, seed: int) -> None:
    lake = lakes.lake(seed)
    lake.tables["bronze"] = [r for r in lake.tables["bronze"] if r["partition"] != 0]
    ledger = audit(lake)
    assert ledger.balances
    assert all(each.bronze == each.begin for each in ledger.partitions if each.partition == 0)


def test_released_rows_are_silver_and_rejected_ones_quarantine(lakes: Any) -> None:
    lake = lakes.lake(7, most=30)
    ledger = audit(lake)
    held = len(lake.tables["held"])
    released = [r for r in lake.tables["silver"] if r["query_id"] == "command:c1"]
    rejected = [r for r in lake.tables["quarantine"] if r["query_id"] == "command:c2"]
    assert (ledger.released, ledger.rejected) == (len(released), len(rejected))
    assert ledger.released > 0
    assert ledger.rejected > 0
    assert ledger.classes["held"] == held - len(released) - len(rejected)
    assert ledger.classes["silver"] == len(lake.tables["silver"])


def test_a_release_that_the_command_log_does_not_know_is_found(lakes: Any) -> None:
    lake = lakes.lake(7, most=30)
    lake.tables["command_log"] = lake.tables["command_log"][1:]
    assert [(f.kind, f.examples) for f in audit(lake).findings] == [("unlogged", ("command:c1",))]


def test_a_release_of_rows_that_were_never_held_is_found(lakes: Any) -> None:
    lake = lakes.lake(7)
    lake.tables["silver"] = [
        {**r, "query_id": "command:c1"} if i == 0 else r for i, r in enumerate(lake.tables["silver"])
    ]
    assert "unaccounted" in kinds(audit(lake))


def test_rows_of_the_batch_being_written_are_in_flight_and_those_beyond_kafka_are_not_explained(lakes: Any) -> None:
    lake = lakes.lake(3)
    (topic, partition), (_, _) = next(iter(lake.kafka.items()))
    end = next(
        o["until_offset"]
        for o in lake.tables["batches"][-1]["offsets"]
        if (o["topic"], o["partition"]) == (topic, partition)
    )
    lake.kafka[topic, partition] = (lake.kafka[topic, partition][0], end + 2)
    lake.tables["bronze"] = [
        r for r in lake.tables["bronze"] if r["offset"] < end or r["partition"] != partition or r["topic"] != topic
    ]
    lake.tables["silver"] += [lakes.row("silver", topic, partition, end + i, 5) for i in range(2)]
    ledger = audit(lake)
    assert ledger.balances
    assert ledger.in_flight == 2
    lake.tables["silver"].append(lakes.row("silver", topic, partition, end + 2, 5))
    beyond = audit(lake)
    assert [(f.kind, f.count, f.examples) for f in beyond.findings] == [
        ("unaccounted", 1, (f"{topic}[{partition}]@{end + 2} in silver",))
    ]


def test_two_unrecorded_batches_of_one_query_cannot_both_be_in_flight(lakes: Any) -> None:
    lake = lakes.lake(3)
    (topic, partition) = next(iter(lake.kafka))
    end = next(o["until_offset"] for o in lake.tables["batches"][-1]["offsets"] if o["topic"] == topic)
    lake.kafka[topic, partition] = (lake.kafka[topic, partition][0], end + 10)
    lake.tables["silver"] += [lakes.row("silver", topic, partition, end + i, 5 + i) for i in range(2)]
    ledger = audit(lake)
    assert [(f.kind, f.count) for f in ledger.findings] == [("unaccounted", 1)]
    assert ledger.in_flight == 1


def test_a_batch_that_left_a_gap_is_found_even_when_its_counters_agree(lakes: Any) -> None:
    lake = lakes.lake(5, batches=3)
    gone = lake.tables["batches"].pop(1)
    for name in lakes.CLASSES:
        lake.tables[name] = [r for r in lake.tables[name] if r["batch_id"] != gone["batch_id"]]
    ledger = audit(lake)
    assert {"missing", "ranges"} <= kinds(ledger)
    assert next(f.count for f in ledger.findings if f.kind == "missing") == gone["rows_in"]


def test_a_table_lost_as_a_whole_is_found(lakes: Any) -> None:
    for name in ("silver", "quarantine", "duplicates"):
        lake = lakes.lake(11)
        lake.tables[name] = []
        assert "missing" in kinds(audit(lake))


def test_a_lake_without_anything_balances_at_zero_and_says_what_waits(lakes: Any) -> None:
    lake = lakes.SyntheticLake(kafka={(lakes.TOPIC, 0): (0, 12)})
    ledger = audit(lake)
    assert ledger.balances
    assert (ledger.events, ledger.waiting) == (0, 12)


def test_kafka_that_forgot_its_oldest_records_does_not_unbalance_what_was_refined_before(lakes: Any) -> None:
    lake = lakes.lake(9)
    lake.kafka = {key: (begin + 5, end) for key, (begin, end) in lake.kafka.items()}
    ledger = audit(lake)
    assert ledger.balances
    assert ledger.events == sum(each["rows_in"] for each in lake.tables["batches"])


def test_a_topic_that_was_recreated_is_found_by_refine_being_ahead_of_it(lakes: Any) -> None:
    lake = lakes.lake(9)
    lake.kafka = dict.fromkeys(lake.kafka, (0, 1))
    assert "ranges" in kinds(audit(lake))


def test_a_twin_beyond_the_horizon_is_reported_and_one_within_it_is_a_fault(lakes: Any) -> None:
    lake = lakes.lake(13)
    streamed = [r for r in lake.tables["silver"] if r["query_id"] == "q"]
    first, second = streamed[0], streamed[1]
    second["event_id"] = first["event_id"]
    second["arrived_at"] = first["arrived_at"] + HORIZON + timedelta(seconds=1)
    late = audit(lake)
    assert late.balances
    assert late.late_twins == 1
    assert first["event_id"] in late.late_twin_examples[0]
    second["arrived_at"] = first["arrived_at"] + HORIZON
    assert kinds(audit(lake)) == {"doubled events"}


def test_late_and_redriven_rows_are_counted_among_silver(lakes: Any) -> None:
    lake = lakes.lake(17, most=30)
    ledger = audit(lake)
    assert ledger.late == sum(r["late"] for r in lake.tables["silver"])
    assert ledger.redriven == sum(r["kafka_topic"] == REDRIVE for r in lake.tables["silver"])


def test_a_recorded_counter_that_is_wrong_names_its_batch(lakes: Any) -> None:
    lake = lakes.lake(19)
    lake.tables["batches"][2]["silver"] += 1
    (finding,) = audit(lake).findings
    assert finding.kind == "counters"
    assert all("batch q/2" in example for example in finding.examples)


def _redriven(lake: Any, record: dict[str, Any], taken: dict[str, Any]) -> None:
    record["redriven_from"] = f"{taken['kafka_topic']}/{taken['kafka_partition']}/{taken['kafka_offset']}"


def _of_topic(lake: Any, table: str, topic: str) -> list[dict[str, Any]]:
    return [row for row in lake.tables[table] if row["kafka_topic"] == topic and row["query_id"] == "q"]


@given(seed=SEEDS, data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_redriven_event_is_counted_once_and_in_the_class_that_it_has_now(
    lakes: Any, seed: int, data: st.DataObject
) -> None:
    lake = lakes.lake(seed, batches=6)
    before = audit(lake)
    table = data.draw(st.sampled_from(["silver", "quarantine", "duplicates"]))
    refused, corrected = _of_topic(lake, "quarantine", "shop.events"), _of_topic(lake, table, REDRIVE)
    if not refused or not corrected:
        return
    first, record = data.draw(st.sampled_from(refused)), data.draw(st.sampled_from(corrected))
    _redriven(lake, record, first)
    ledger = audit(lake)
    assert ledger.findings == ()
    assert ledger.events == before.events - 1 == sum(ledger.classes.values())
    assert ledger.classes == {**before.classes, "quarantine": before.classes["quarantine"] - 1}
    assert sum(ledger.reasons.values()) == ledger.classes["quarantine"]


def test_an_event_redriven_again_has_the_class_of_its_newest_record(lakes: Any) -> None:
    lake = lakes.lake(3, batches=8)
    before = audit(lake)
    first = _of_topic(lake, "quarantine", "shop.events")[0]
    again, last = _of_topic(lake, "quarantine", REDRIVE)[0], _of_topic(lake, "silver", REDRIVE)[0]
    _redriven(lake, again, first)
    _redriven(lake, last, again)
    ledger = audit(lake)
    assert ledger.findings == ()
    assert ledger.events == before.events - 2
    assert ledger.classes == {**before.classes, "quarantine": before.classes["quarantine"] - 2}
    assert sum(ledger.reasons.values()) == ledger.classes["quarantine"]


def test_two_records_in_the_place_of_one_are_found(lakes: Any) -> None:
    lake = lakes.lake(3, batches=8)
    first = _of_topic(lake, "quarantine", "shop.events")[0]
    for record in _of_topic(lake, "silver", REDRIVE)[:2]:
        _redriven(lake, record, first)
    assert kinds(audit(lake)) == {"re-driven twice"}


def test_a_record_that_claims_the_place_of_an_accepted_event_stands_for_itself(lakes: Any) -> None:
    lake = lakes.lake(3, batches=8)
    before = audit(lake)
    _redriven(lake, _of_topic(lake, "silver", REDRIVE)[0], _of_topic(lake, "silver", "shop.events")[0])
    assert audit(lake) == before
