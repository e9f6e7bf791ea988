from __future__ import annotations

import pytest

from streams.order import (
    BEHIND,
    CLOSE,
    CLOSE2,
    MOVED,
    MOVED_PROVED,
    OVERTAKEN,
    PROBLEM_FROM,
    MovedChunks,
    mark_names,
    positions,
)
from tests.examples import facts_of, values_of


def moved(line: str) -> dict[int, bool]:
    """Index of the word to whether it is proved."""
    chunks = MovedChunks()
    for chunk in facts_of(values_of(line)):
        chunks.feed(chunk)
    return {arrival - 1: proved for arrival, proved in chunks.moved().items()}


def test_it_names_marks():
    assert mark_names(0) == []
    assert mark_names(CLOSE) == ["close"]
    assert mark_names(MOVED | MOVED_PROVED) == ["moved"]
    assert mark_names(63) == ["moved", "overtaken", "behind", "close", "close2"]


def test_a_problem_is_whatever_is_not_neutral():
    assert all(mark >= PROBLEM_FROM for mark in (BEHIND, CLOSE2, MOVED, MOVED_PROVED, BEHIND | OVERTAKEN))
    assert CLOSE | OVERTAKEN < PROBLEM_FROM


def test_it_numbers_what_readers_get():
    closes = [False, False, True, False, True, False]
    assert list(positions(closes)) == [
        (0, 0),
        (1, 0),
        (None, CLOSE),
        (None, BEHIND),
        (None, CLOSE2),
        (None, BEHIND),
    ]


def test_it_goes_on_numbering_from_a_known_state():
    assert list(positions([False, True], start=7)) == [(7, 0), (None, CLOSE)]
    assert list(positions([False, True], start=7, closed=True)) == [(None, BEHIND), (None, CLOSE2)]
    assert list(positions([])) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("start text-delta(t1) text-start(t1) text-delta(t1) text-end(t1) finish", {1: True}),
        ("start text-delta(t1) text-delta(t1) text-start(t1) text-end(t1) finish", {3: True}),
        ("start text-end(t1) text-start(t1) text-delta(t1) finish", {1: True}),
        ("start text-end(t1) text-delta(t1) text-delta(t1) text-start(t1) finish", {1: True, 4: True}),
        ("start text-start(t1) text-end(t1) text-delta(t1) finish", {3: False}),
        ("start text-start(t1) text-end(t1) text-delta(t1) text-delta(t1) finish", {2: False}),
        ("text-start(t1) start text-delta(t1) text-end(t1) finish", {1: False}),
        ("start text-start(t1) text-delta(t1) finish text-end(t1)", {4: False}),
        ("start finish text-start(t1) text-delta(t1) text-end(t1)", {1: False}),
        ("start tool-input-delta(c) tool-input-start(c) tool-input-available(c) finish", {1: True}),
        ("start tool-output-available(c) tool-input-available(c) finish", {1: True}),
        ("start reasoning-delta(t1) text-start(t1) reasoning-start(t1) text-end(t1) finish", {1: True}),
    ],
)
def test_it_marks_what_the_grammar_cannot_allow(line: str, expected: dict[int, bool]):
    assert moved(line) == expected


def test_a_chunk_that_moved_itself_does_not_move_the_start():
    assert moved("text-delta(t1) start text-start(t1) text-delta(t1) text-end(t1) finish") == {0: True}


@pytest.mark.parametrize(
    "line",
    [
        "start text-start(t1) text-delta(t1) text-end(t1) finish close",
        "text-start(A) text-start(B) text-delta(B) text-delta(A) text-end(A) text-end(B) close",
        "text-start(t1) text-delta(t1) text-start(t1) text-delta(t1) text-end(t1) close",
        "text-start(t1) text-start(t1) text-delta(t1) text-end(t1) text-delta(t1) text-end(t1) close",
        "start(m1) text-start(t1) text-end(t1) finish start(m1) text-start(t1) text-end(t1) finish",
        "start text-start(t1) text-end(t1) finish start text-start(t2) close",
        "start text-start(t1) text-end(t1) finish close text-delta(t2) text-start(t2)",
        "data-x start text-start(t1) text-end(t1) finish data-x message-metadata",
        "text-delta(t1) text-delta(t1) text-delta(t1)",
        "start text-delta(t1) text-end(t1) finish",
        "start tool-input-available(c) tool-output-available(c,preliminary) tool-output-available(c) finish",
        '{"type":"text-delta","id":"1"} {"type":"text-start","id":"1"} {"a":1} {"b":1} {"c":1} {"d":1}',
        "",
    ],
)
def test_it_marks_nothing_that_has_another_reading(line: str):
    assert moved(line) == {}


def test_it_answers_for_what_has_been_fed_so_far():
    chunks = MovedChunks()
    before, after, *_ = facts_of(values_of("text-delta(t1) text-start(t1)"))
    chunks.feed(before)
    assert chunks.moved() == {}
    chunks.feed(after)
    assert chunks.moved() == {1: True}


def test_it_gives_arrivals_not_places():
    chunks = MovedChunks()
    for chunk in facts_of(values_of("text-delta(t1) text-start(t1)"), arrivals=[9, 4]):
        chunks.feed(chunk)
    assert chunks.moved() == {9: True}


def test_what_cannot_be_read_leaves_nothing_proved():
    assert moved("start text-delta(t1) undecodable text-start(t1) text-end(t1) finish") == {1: False}
