"""Decisions fold into offset ranges; the laws of the range arithmetic hold for any ranges."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.platform.kafka import OffsetRange
from pipelines.refine.decisions import Decision, Recorded, merge, overlap, subtract

ranges = st.lists(
    st.builds(
        lambda partition, start, length: OffsetRange("t", partition, start, start + length),
        st.integers(0, 1),
        st.integers(0, 30),
        st.integers(1, 10),
    ),
    max_size=6,
)


def offsets(some: tuple[OffsetRange, ...] | list[OffsetRange]) -> set[tuple[int, int]]:
    return {(r.partition, o) for r in some for o in range(r.from_offset, r.until_offset)}


@given(ranges, ranges)
def test_range_arithmetic_is_set_arithmetic(left: list[OffsetRange], right: list[OffsetRange]) -> None:
    assert offsets(merge(left)) == offsets(left)
    assert offsets(overlap(left, right)) == offsets(left) & offsets(right)
    assert offsets(subtract(left, right)) == offsets(left) - offsets(right)


@given(ranges)
def test_merged_ranges_neither_touch_nor_repeat(some: list[OffsetRange]) -> None:
    merged = merge(some)
    for a, b in pairwise(merged):
        assert a.partition != b.partition or a.until_offset < b.from_offset


def decision(kind: str, batch_id: int, verdict: str, start: int, until: int, query: str = "q1") -> Decision:
    return Decision(kind, query, batch_id, verdict, (OffsetRange("t", 0, start, until),))  # type: ignore[arg-type]


def test_a_held_batch_stays_held_until_somebody_releases_it() -> None:
    held = [decision("batch", 0, "promote", 0, 10), decision("batch", 1, "hold", 10, 20)]
    assert offsets(Recorded.of(held, without="q2").held) == {(0, o) for o in range(10, 20)}
    released = [*held, decision("release", 1, "promote", 10, 20)]
    recorded = Recorded.of(released, without="q2")
    assert (recorded.held, recorded.rejected) == ((), ())
    assert offsets(recorded.decided) == {(0, o) for o in range(10, 20)}
    assert offsets(recorded.covered) == {(0, o) for o in range(20)}


def test_a_rejected_batch_is_rejected_for_good() -> None:
    decisions = [decision("batch", 1, "hold", 10, 20), decision("reject", 1, "hold", 10, 20)]
    recorded = Recorded.of(decisions, without="q2")
    assert recorded.held == ()
    assert offsets(recorded.rejected) == offsets(recorded.decided) == {(0, o) for o in range(10, 20)}


def test_a_release_under_another_query_frees_the_same_offsets() -> None:
    decisions = [
        decision("batch", 1, "hold", 10, 20),
        decision("batch", 0, "promote", 0, 40, query="q2"),
        decision("release", 0, "promote", 0, 40, query="q2"),
    ]
    assert Recorded.of(decisions, without="q3").held == ()


def test_a_replay_that_holds_its_new_rows_does_not_hold_the_old_ones_it_read_with_them() -> None:
    decisions = [decision("batch", 0, "promote", 0, 10), decision("batch", 0, "hold", 0, 15, query="replay")]
    recorded = Recorded.of(decisions, without="q2")
    assert offsets(recorded.held) == {(0, o) for o in range(10, 15)}
    assert offsets(recorded.covered) == {(0, o) for o in range(15)}


def test_a_query_does_not_read_its_own_decisions_as_recorded() -> None:
    assert Recorded.of([decision("batch", 1, "hold", 10, 20)], without="q1") == Recorded()


def test_a_decision_survives_its_own_json() -> None:
    original = decision("batch", 1, "hold", 10, 20)
    assert Decision.from_json(original.to_json()) == original
