from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams._orders_window import LEFT, RIGHT, SHOWN, Gap, window_of
from streams.orders import (
    ARRIVAL,
    STORED,
    WRITER,
    Comparison,
    Move,
    Pair,
    Placed,
    Unstored,
    compare,
    smallest_moved,
    with_unstored,
)
from streams.rebuilt import Told


def stored(
    *arrivals: int, closes: tuple[int, ...] = (), marked: dict[int, str] | None = None
) -> list[Placed]:
    """Chunks in stored order."""
    return [
        Placed(arrival, f"chnk_{at:08}", arrival in closes, (marked or {}).get(arrival, ""))
        for at, arrival in enumerate(arrivals)
    ]


def told(scope: str, *arrivals: int, is_exact: bool = True) -> list[Told]:
    """One writer's chunks, in the order it meant."""
    return [Told(arrival, scope, (at,), is_exact) for at, arrival in enumerate(arrivals)]


def moves(found: Comparison) -> dict[int, int]:
    return {arrival: move.by for arrival, move in found.moved.items()}


def test_the_race_of_2058_moves_six_of_ten():
    """Sequence 6 is stored first, 9 second, and so on; arrivals are as stored."""
    sequences = [6, 9, 3, 7, 0, 2, 1, 5, 8, 4]
    meant = sorted(range(1, 11), key=lambda arrival: sequences[arrival - 1])

    found = compare(stored(*range(1, 11)), told("a", *meant), (WRITER, STORED))

    assert found.left == tuple(meant) and found.right == tuple(range(1, 11))
    assert (len(found.moved_chunks), found.total) == (6, 10)
    assert moves(found).items() >= {1: 6, 2: 8, 3: 1, 4: 4, 10: -5}.items()
    assert {move.certainty for move in found.moved.values()} == {"proved"}


def test_what_is_stored_as_meant_moved_nowhere():
    found = compare(stored(1, 2, 3), told("a", 1, 2, 3), (WRITER, STORED))

    assert found.moved == {} and found.known == {1, 2, 3} and found.certainty == "proved"


def test_scopes_that_interleave_are_no_move():
    reports = told("a", 1, 3, 5) + told("b", 2, 4)

    found = compare(stored(1, 2, 3, 4, 5), reports, (WRITER, STORED))

    assert found.moved == {} and found.left == found.right


def test_a_scope_is_put_in_order_in_its_own_places_only():
    reports = told("a", 3, 1) + told("b", 2, 4)

    found = compare(stored(1, 2, 3, 4), reports, (WRITER, STORED))

    assert found.left == (3, 2, 1, 4)
    assert len(found.moved) == 1 and abs(next(iter(moves(found).values()))) == 2


def test_the_order_of_calls_only_suspects():
    found = compare(stored(2, 1), told("a", 1, 2, is_exact=False), (WRITER, STORED))
    clean = compare(stored(1, 2), told("a", 1, 2, is_exact=False), (WRITER, STORED))

    assert [move.certainty for move in found.moved.values()] == ["suspected"]
    assert clean.moved == {} and clean.certainty == "suspected"


def test_what_only_the_grammar_knows_counts_where_no_report_tells():
    chunks = stored(1, 2, 3, marked={1: "suspected", 3: "suspected"})

    found = compare(chunks, told("a", 3), (WRITER, STORED))
    against_arrival = compare(chunks, told("a", 3), (WRITER, ARRIVAL))

    assert found.moved == {1: Move(0, "suspected")}, "of chunk 3 the writer's own order is known"
    assert found.known == {3} and found.total == 3
    assert against_arrival.moved == {}


def test_of_a_part_of_a_stream_what_was_judged_with_all_of_it_holds():
    chunks = stored(1, 2, 3, marked={3: "proved"})

    part = compare(chunks, told("a", 2, 1, 3), (WRITER, STORED), judged=True)
    whole = compare(chunks, told("a", 2, 1, 3), (WRITER, STORED))

    assert set(part.moved) == {3} and len(whole.moved) == 1 and 3 not in whole.moved


@pytest.mark.parametrize("pair", [(ARRIVAL, STORED), (STORED, ARRIVAL)])
def test_a_chunk_that_was_overtaken_is_one_move(pair: Pair):
    found = compare(stored(4, 1, 2, 3), [], pair)

    assert moves(found) == {4: 3 if pair[0] == ARRIVAL else -3}
    assert found.known == {1, 2, 3, 4}


def test_nobody_told_the_writers_order():
    found = compare(stored(2, 1), [], (WRITER, STORED))

    assert found.known == frozenset() and found.moved == {}


def test_end_markers_are_counted_apart_and_move_when_chunks_that_stay_change_sides():
    late = compare(stored(1, 2, 3, closes=(2,)), [], (ARRIVAL, STORED))
    early = compare(stored(1, 3, 2, closes=(3,)), [], (ARRIVAL, STORED))

    assert late.moved == {} and late.total == 2
    assert set(early.moved) == {3} and early.moved_chunks == {}


def test_a_close_that_its_writer_meant_later_is_known_to_be_early():
    found = compare(stored(1, 2, 3, closes=(2,)), told("a", 1, 3, 2), (WRITER, STORED))

    assert moves(found) == {2: 1} and found.moved_chunks == {}


@given(st.permutations(range(7)))
def test_no_smaller_set_of_chunks_puts_the_rest_in_order(order: list[int]):
    found = smallest_moved(range(7), order)

    def in_order(left_out: set[int]) -> bool:
        rest = [one for one in order if one not in left_out]
        return rest == sorted(rest)

    assert in_order(found)
    fewer = combinations(range(7), len(found) - 1) if found else ()
    assert not any(in_order(set(some)) for some in fewer)


@given(st.permutations(range(1, 9)))
def test_distances_lead_from_each_place_to_the_other(order: list[int]):
    found = compare(stored(*order), [], (ARRIVAL, STORED))

    places = {arrival: at for at, arrival in enumerate(order)}
    assert all(found.left.index(one) - move.by == places[one] for one, move in found.moved.items())


def test_a_hundred_thousand_chunks_are_no_trouble():
    order = [*range(2, 100_001), 1]

    assert moves(compare(stored(*order), [], (ARRIVAL, STORED))) == {1: -99_999}


def test_a_lost_write_stands_after_what_its_writer_wrote_before():
    reports = [Told(1, "a", (0,), True), Told(2, "b", (0,), True), Told(3, "a", (2,), True)]
    lost = [Unstored(7, "a", (1,)), Unstored(8, "b", (9,))]

    assert with_unstored([1, 2, 3], reports, lost) == [1, lost[0], 2, lost[1], 3]


def test_a_lost_write_that_nothing_precedes_stands_first_and_one_of_nobody_last():
    reports = [Told(2, "a", (5,), True)]
    lost = [Unstored(7, "a", (1,)), Unstored(8, "none", (1,))]

    assert with_unstored([1, 2], reports, lost) == [1, lost[0], 2, lost[1]]
    assert with_unstored([], [], lost) == lost


def shown(found: Comparison, near: int, columns: tuple[list[int | Unstored], ...] | None = None):
    columns = columns or (list(found.left), list(found.right))
    return window_of(found, columns, near, (lambda arrival: arrival, lambda arrival: None))


def test_a_short_stream_is_shown_whole():
    window = shown(compare(stored(2, 1, 3), [], (ARRIVAL, STORED)), 0)

    assert window.rows == [(1, 2), (2, 1), (3, 3)]
    assert (window.earlier, window.later) == (None, None)


def test_of_a_longer_one_both_orders_around_a_chunk_with_what_is_left_out_between():
    order = [*range(2, 500), 1, *range(500, 1001)]
    found = compare(stored(*order), [], (ARRIVAL, STORED))

    window = shown(found, 1)

    left = [cell for cell, _ in window.rows if cell is not None]
    right = [cell for _, cell in window.rows if cell is not None]
    assert len(window.shown) <= RIGHT + LEFT == SHOWN
    assert {one for one in left if isinstance(one, int)} == {one for one in right if isinstance(one, int)}
    assert left[0] == 1 and 498 in right and 511 in right and 512 not in right
    assert [one for one in left if isinstance(one, Gap)] == [Gap(487 - LEFT - 1)]
    assert window.earlier is not None and window.later is not None


def test_a_gap_or_a_lost_write_takes_a_row_of_its_own():
    found = compare(stored(1, 2), told("a", 1, 2), (WRITER, STORED))
    lost = Unstored(7, "a", (0, 5))

    window = shown(found, 0, ([1, lost, 2], [1, 2]))

    assert window.rows == [(1, 1), (lost, None), (2, 2)] and window.ghosts_left == 0
