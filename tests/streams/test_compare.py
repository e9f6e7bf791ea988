"""Two streams aligned: what is common, changed, moved, cut elsewhere; hostile lengths; and streams in parts."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from streams.compare import (
    ALIKE,
    CHANGED,
    LEFT,
    MOVED,
    RECUT,
    RIGHT,
    SAME,
    SEALED,
    Entry,
    align,
    common,
)


def entries(text, *, first=1):
    """One entry a word: `type` or `type:content`; a piece of text where the type is `d`."""
    found = []
    for arrival, word in enumerate(text.split(), start=first):
        kind, _, content = word.partition(":")
        is_piece = kind == "d"
        found.append(
            Entry(arrival, kind, word, word, "t1" if is_piece else None, content if is_piece else None)
        )
    return found


def told(found):
    """Each row as `relation left right`, with arrivals."""
    return [
        f"{row.relation} {row.left.arrival if row.left else '-'} {row.right.arrival if row.right else '-'}"
        for row in found.rows
    ]


def longest(left, right):
    """Length of a longest common subsequence by the textbook's table."""
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@pytest.mark.parametrize("seed", range(40))
def test_a_longest_common_subsequence_is_found(seed):
    chance = random.Random(seed)
    letters = "ab" if seed % 2 else "abcdefgh"
    left, right = ([chance.choice(letters) for _ in range(chance.randrange(30))] for _ in range(2))

    pairs = common(left, right)

    assert len(pairs) == longest(left, right)
    assert all(left[i] == right[j] for i, j in pairs)
    assert all(a < b and c < d for (a, c), (b, d) in pairwise(pairs))


@pytest.mark.parametrize(
    ("left", "right", "length"),
    [
        (["x"] * 2000, ["x"] * 2000, 2000),
        (["x"] * 2000, ["x"] * 1, 1),
        (list(range(2000)), list(range(2000))[::-1], 1),
        (["a", "b"] * 1000, ["b", "a"] * 1000, 1999),
        (["a"] * 1000 + ["b"] * 1000, ["b"] * 1000 + ["a"] * 1000, 1000),
        (["x"] * 2000, ["y"] * 2000, 0),
        ([], ["x"], 0),
    ],
)
def test_hostile_lengths_cost_no_more_than_others(left, right, length):
    assert len(common(left, right)) == length


def test_identical_streams_have_no_difference():
    found = align(entries("start d:a d:b finish"), entries("start d:a d:b finish"))

    assert told(found) == ["same 1 1", "same 2 2", "same 3 3", "same 4 4"]
    assert not found.is_different and found.counts == {SAME: 4}


def test_two_thousand_identical_chunks_are_aligned_one_by_one():
    many = entries("d:x " * 2000)

    found = align(many, entries("d:x " * 1990))

    assert found.counts == {SAME: 1990, LEFT: 10}


def test_the_same_type_with_other_content_is_changed():
    found = align(entries("start s:1 s:2 finish"), entries("start s:1 s:9 finish"))

    assert told(found) == ["same 1 1", "same 2 2", "changed 3 3", "same 4 4"]


def test_what_only_one_stream_has_stands_alone():
    found = align(entries("start e:1 finish"), entries("start finish f:1"))

    assert told(found) == ["same 1 1", "left 2 -", "same 3 2", "right - 3"]


def test_moved_chunks_are_the_fewest_and_name_their_partners():
    found = align(entries("a b c d e"), entries("b c e d a"))

    moved = {
        (row.left or row.right).arrival: row.elsewhere.arrival
        for row in found.rows
        if row.elsewhere and row.left
    }
    assert found.counts == {SAME: 3, MOVED: 2}
    assert told(found)[0] == "moved 1 -" and moved[1] == 5


def test_a_chunk_that_is_left_over_more_often_on_one_side_is_not_called_moved():
    found = align(entries("a x x b"), entries("b c a"))

    assert MOVED not in {row.relation for row in found.rows if "x" in (row.left or row.right).type}
    assert found.counts[LEFT] == 2


def test_a_text_cut_elsewhere_is_no_other_text():
    found = align(entries("start d:Hel d:lo finish"), entries("start d:Hello finish"))

    assert found.counts == {SAME: 2, RECUT: 2} and found.is_different


def test_another_text_is_not_called_cut_elsewhere():
    found = align(entries("start d:Hel d:lo finish"), entries("start d:Hullo finish"))

    assert found.counts == {SAME: 2, CHANGED: 1, LEFT: 1}


def test_pieces_of_two_parts_are_not_joined():
    right = entries("d:ab")
    left = [entries("d:a")[0], entries("d:b", first=2)[0]._replace(part="t2")]

    assert RECUT not in align(left, right).counts


def test_the_same_but_for_an_id_is_told_apart_from_the_same():
    one, other = entries("start:m1")[0], entries("start:m2")[0]

    found = align([one._replace(alike="start")], [other._replace(alike="start")])

    assert found.counts == {ALIKE: 1} and not found.is_different


def test_of_encrypted_chunks_nothing_is_said():
    found = align(entries("encrypted:1 encrypted:2"), entries("encrypted:3 encrypted:4"))

    assert found.counts == {SEALED: 2} and not found.is_different


def in_parts(left, right, size):
    """All rows, part by part, as a page goes on from one to the next."""
    done = behind = 0
    rows, turns = [], 0
    while done < len(left) or behind < len(right):
        one, other = left[done : done + size], right[behind : behind + size]
        found = align(
            one,
            other,
            has_more_left=done + size < len(left),
            has_more_right=behind + size < len(right),
        )
        rows += found.rows
        done, behind = done + found.lefts, behind + found.rights
        turns += 1
        assert turns <= 4 * (len(left) + len(right)) // size + 2
    return rows


def test_a_part_ends_at_the_last_common_chunk():
    left = entries(" ".join(f"k:{at}" for at in range(40)))
    right = entries(" ".join(f"k:{at}" for at in range(3, 40)))

    rows = in_parts(left, right, 10)

    assert [row.left.arrival for row in rows if row.relation == LEFT] == [1, 2, 3]
    assert sum(row.relation == SAME for row in rows) == 37 and len(rows) == 40


@pytest.mark.parametrize("seed", range(10))
def test_parts_hold_every_chunk_once(seed):
    chance = random.Random(seed)
    left, right = (
        entries(" ".join(chance.choice("abcdef") for _ in range(chance.randrange(90)))) for _ in range(2)
    )

    rows = in_parts(left, right, 16)

    assert [row.left for row in rows if row.left] == left
    assert [row.right for row in rows if row.right] == right


def test_streams_without_anything_in_common_end_too():
    rows = in_parts(entries("a " * 50), entries("b " * 30), 8)

    assert {row.relation for row in rows} == {LEFT, RIGHT} and len(rows) == 80
