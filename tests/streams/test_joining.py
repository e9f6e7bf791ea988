"""Which write became which chunk: by bytes, by time, by the writer's order, against brute force."""

from __future__ import annotations

import random
from itertools import combinations, pairwise, permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dashboard.lib.clock import NS_PER_MS
from streams import joining
from streams.joining import CLOSE_KEY, OPEN_NS, Stored, Tried, key_of, match, match_by_time

SIZE = (False, b"51")
A, B = key_of(False, b"aaaaaaaa"), key_of(False, b"bbbbbbbb")
SLACK_MS = joining.SLACK_NS // NS_PER_MS


def tried(
    pk: int,
    start: int,
    end: int | None,
    *,
    key: joining.Key = A,
    acknowledged: bool = True,
    order: int | None = None,
    scope: str = "one",
) -> Tried:
    """Times in milliseconds."""
    rank = pk if order is None else order
    to_ns = None if end is None else end * NS_PER_MS
    return Tried(pk, key, acknowledged, start * NS_PER_MS, to_ns, (rank, pk, 0), scope)


def stored(arrival: int, minted: int | None, *, key: joining.Key = A, chunk_id: str = "") -> Stored:
    """By default ids sort as the chunks were minted."""
    time = None if minted is None else minted * NS_PER_MS
    return Stored(arrival, chunk_id or f"{minted or 0:010d}-{arrival:04d}", key, time)


def arrivals(found: dict[int, Stored]) -> dict[int, int]:
    return {pk: chunk.arrival for pk, chunk in found.items()}


def test_it_matches_bytes_within_the_time_of_the_call():
    writes = [tried(1, 0, 10), tried(2, 20, 30, key=B), tried(3, 40, 50, key=CLOSE_KEY)]
    chunks = [stored(1, 5), stored(2, 25, key=B), stored(3, 45, key=CLOSE_KEY)]
    assert arrivals(match(writes, chunks)) == {1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize(
    "chunk",
    [
        stored(1, 5, key=B),
        stored(1, 5, key=CLOSE_KEY),
        stored(1, 10 + 2000 + 1),
        stored(1, -2000 - 1),
    ],
)
def test_other_bytes_another_kind_and_another_time_do_not_match(chunk: Stored):
    assert match([tried(1, 0, 10)], [chunk]) == {}


def test_a_few_milliseconds_beside_the_call_are_allowed():
    assert arrivals(match([tried(1, 100, 110)], [stored(1, 100 - SLACK_MS)])) == {1: 1}
    assert arrivals(match([tried(1, 100, 110)], [stored(1, 110 + SLACK_MS)])) == {1: 1}


def test_a_clock_set_while_the_call_was_under_way_is_bridged_only_if_nothing_fits_better():
    far, near = tried(1, 0, 10), tried(2, 900, 1000)
    assert arrivals(match([far], [stored(1, 950)])) == {1: 1}
    assert arrivals(match([far, near], [stored(1, 950)])) == {2: 1}


def test_a_call_that_never_came_back_can_have_been_stored_for_a_while():
    assert arrivals(match([tried(1, 0, None)], [stored(1, 60_000)])) == {1: 1}
    assert match([tried(1, 0, None)], [stored(1, OPEN_NS // NS_PER_MS + 2001)]) == {}


def test_acknowledged_writes_come_before_refused_ones():
    writes = [tried(1, 0, 10, acknowledged=False), tried(2, 0, 12)]
    assert arrivals(match(writes, [stored(7, 5)])) == {2: 7}
    assert arrivals(match(writes, [stored(7, 5), stored(8, 6)])) == {1: 7, 2: 8}


def test_a_refused_write_that_was_stored_all_the_same_keeps_its_order_beside_acknowledged_ones():
    writes = [tried(1, 0, None, acknowledged=False), tried(2, 0, 12)]
    assert arrivals(match(writes, [stored(1, 5), stored(2, 6)])) == {1: 1, 2: 2}


def test_chunks_without_a_time_are_given_in_the_order_of_the_writer():
    writes = [tried(1, 0, 1, order=2), tried(2, 5, 6, order=1)]
    chunks = [stored(1, None, chunk_id="b"), stored(2, None, chunk_id="a")]
    assert arrivals(match(writes, chunks)) == {1: 1, 2: 2}


def test_swapping_two_neighbours_is_not_always_enough_to_find_the_order():
    """The greedy choice gives 2, 3, 1 here; only a swap of the outer two leads out of it."""
    writes = [tried(1, 0, 130), tried(2, 15, 140), tried(3, 0, 120)]
    chunks = [stored(1, 5), stored(2, 60), stored(3, 115)]
    assert arrivals(match(writes, chunks)) == {1: 1, 2: 2, 3: 3}


def test_a_true_inversion_stays_one():
    writes = [tried(1, 0, 100), tried(2, 20, 40)]
    assert arrivals(match(writes, [stored(1, 30), stored(2, 95)])) == {1: 2, 2: 1}


def test_two_writers_have_no_order_between_them():
    writes = [tried(1, 0, 10, order=9, scope="one"), tried(2, 2, 30, order=1, scope="two")]
    assert arrivals(match(writes, [stored(1, 8), stored(2, 25)])) == {1: 1, 2: 2}


def test_by_time_it_matches_what_is_alike_in_other_ways_than_the_hash():
    writes = [tried(1, 0, 10, key=SIZE), tried(2, 20, 30, key=CLOSE_KEY)]
    chunks = [stored(1, 5, key=SIZE), stored(2, 25, key=CLOSE_KEY)]
    assert arrivals(match_by_time(writes, chunks)) == {1: 1, 2: 2}


def test_by_time_it_needs_a_time_and_no_clock_that_was_set_is_allowed_for():
    assert match_by_time([tried(1, 0, 10, key=SIZE)], [stored(1, None, key=SIZE)]) == {}
    assert match_by_time([tried(1, 0, 10, key=SIZE)], [stored(1, 500, key=SIZE)]) == {}
    assert match_by_time([tried(1, 0, 10, key=CLOSE_KEY)], [stored(1, 5, key=SIZE)]) == {}


def test_thousands_of_equal_chunks_at_once_are_no_problem():
    """All calls overlap, and the chunks are stored in the opposite order: the worst case of any swapping."""
    count = 3000
    writes = [tried(n, 0, 10 * count) for n in range(1, count + 1)]
    chunks = [stored(n, 10 * n) for n in range(1, count + 1)]
    assert arrivals(match(writes, chunks)) == {n: n for n in range(1, count + 1)}
    backwards = [tried(n, 10 * (count - n), 10 * (count - n) + 2) for n in range(1, count + 1)]
    found = arrivals(match(backwards, [stored(n, 10 * (n - 1)) for n in range(1, count + 1)]))
    assert found == {n: count - n + 1 for n in range(1, count + 1)}


WINDOWS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


def fits(write: Tried, chunk: Stored) -> bool:
    assert chunk.minted_ns is not None and write.to_ns is not None
    slack = joining.SLACK_NS
    return write.from_ns - slack <= chunk.minted_ns <= write.to_ns + slack


def most_pairs(writes: list[Tried], chunks: list[Stored]) -> int:
    """By trying everything."""
    for count in range(min(len(writes), len(chunks)), 0, -1):
        for some in combinations(writes, count):
            if any(all(map(fits, some, others)) for others in permutations(chunks, count)):
                return count
    return 0


def can_be_in_order(writes: list[Tried], chunks: list[Stored], count: int) -> bool:
    ranked = sorted(writes, key=lambda one: one.order)
    ordered = sorted(chunks, key=lambda one: one.chunk_id)
    return any(
        all(map(fits, some, others))
        for some in combinations(ranked, count)
        for others in combinations(ordered, count)
    )


def is_in_order(writes: list[Tried], found: dict[int, Stored]) -> bool:
    ranked = [found[one.pk].chunk_id for one in sorted(writes, key=lambda one: one.order) if one.pk in found]
    return all(first < second for first, second in pairwise(ranked))


@settings(max_examples=400, deadline=None)
@given(st.lists(WINDOWS, min_size=1, max_size=5), st.lists(st.integers(0, 60), min_size=1, max_size=5))
def test_it_finds_the_most_pairs_and_no_false_inversion(windows: list[list[int]], minted: list[int]):
    writes = [tried(pk, start, end) for pk, (start, end) in enumerate(windows, 1)]
    chunks = [stored(arrival, at) for arrival, at in enumerate(minted, 1)]
    found = joining._timed(writes, chunks, joining.SLACK_NS)
    assert all(fits(one, found[one.pk]) for one in writes if one.pk in found)
    assert len({chunk.arrival for chunk in found.values()}) == len(found)
    count = most_pairs(writes, chunks)
    assert len(found) == count
    assert is_in_order(writes, found) or not can_be_in_order(writes, chunks, count)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(WINDOWS, st.sampled_from("xy")), min_size=1, max_size=5), st.data())
def test_two_writers_of_equal_chunks_keep_their_orders_if_all_can(writes_of, data):
    """Chunks are minted within calls of their own, stored in each writer's order: no inversion may be seen."""
    writes = [tried(pk, *window, scope=scope) for pk, (window, scope) in enumerate(writes_of, 1)]
    chunks, last = [], {"x": 0, "y": 0}
    for pk, ((start, end), scope) in enumerate(writes_of, 1):
        if max(start, last[scope]) > end:
            assume(False)  # this one cannot be in order
        last[scope] = data.draw(st.integers(max(start, last[scope]), end))
        chunks.append(stored(pk, last[scope]))
    found = match(writes, chunks)
    assert len(found) == len(writes)
    for scope in "xy":
        assert is_in_order([one for one in writes if one.scope == scope], found)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(WINDOWS, max_size=6),
    st.lists(st.integers(0, 60), max_size=6),
    st.lists(st.booleans(), max_size=6),
)
def test_the_answer_does_not_depend_on_the_order_of_the_question(windows, minted, acknowledged):
    flags = acknowledged + [True] * 6
    writes = [
        tried(pk, start, end, acknowledged=flags[pk], key=(A, B)[pk % 2])
        for pk, (start, end) in enumerate(windows)
    ]
    chunks = [stored(arrival, at, key=(A, B)[arrival % 2]) for arrival, at in enumerate(minted)]
    expected = arrivals(match(writes, chunks))
    random.Random(1).shuffle(writes)
    random.Random(2).shuffle(chunks)
    assert arrivals(match(writes, chunks)) == expected
