"""What is known of a stream's writes, kept up as reports come in, and which chunks are not where they were meant."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ledger import LOST, REJECTED, UNMATCHED, StepAttempt
from tests.dashboard.anomalies.detectors.written import fact, ledger_of


def moved(*facts) -> dict[int, bool]:
    return dict(ledger_of(*facts).order.moved)


def exact(order: int, arrival: int, **fields):
    return fact(arrival=arrival, order=order, known="exact", **fields)


def test_it_keeps_each_write_once_in_the_order_of_calls():
    first, second, other = fact(arrival=1), fact(arrival=2), fact(arrival=3, process="aaa")
    ledger = ledger_of(second, first, other, first)
    assert ledger.facts == [other, first, second] and len(ledger) == 3


def test_newer_facts_replace_older_ones_and_all_that_followed_from_them():
    first, second = exact(0, 2), exact(1, 1)
    ledger = ledger_of(first, second)
    assert ledger.order.moved and ledger.by_step and ledger.facts and ledger.failed == []
    assert ledger.put([replace(first, arrival=None, outcome=LOST)])
    assert (dict(ledger.order.moved), [one.outcome for one in ledger.failed]) == ({}, [LOST])
    assert [one.outcome for one in ledger.by_step[first.by]] == [LOST, "stored"]


def test_nothing_new_changes_nothing():
    ledger = ledger_of(fact(arrival=1))
    facts = ledger.facts
    assert not ledger.put([])
    assert ledger.facts is facts


def test_writes_are_grouped_by_step_attempt_and_process():
    facts = [fact("A"), fact("A", attempt=2), fact("A", process="other"), fact("B"), fact(""), fact("A")]
    groups = ledger_of(*facts).by_step
    assert {(by.process, by.step_id, by.attempt): len(writes) for by, writes in groups.items()} == {
        ("app", "step_A", 1): 2,
        ("app", "step_A", 2): 1,
        ("other", "step_A", 1): 1,
        ("app", "step_B", 1): 1,
    }


def test_the_smallest_set_of_chunks_is_moved_and_the_writers_order_is_certain():
    ledger = ledger_of(exact(0, 1), exact(1, 4), exact(2, 2), exact(3, 3))
    assert dict(ledger.order.moved) == {4: True}
    assert ledger.order.known == {1, 2, 3, 4}
    assert ledger.order.steps == {4: StepAttempt("app", exact(0, 1).run_id, "step_A", 1)}


def test_the_order_of_calls_is_not_certain():
    assert moved(fact(arrival=2), fact(arrival=1)) in ({1: False}, {2: False})
    assert moved(fact(arrival=1), fact(arrival=2)) == {}


def test_several_chunks_of_one_call_are_in_the_order_in_which_they_were_handed_over():
    call = [fact(number=10**6, place=place, arrival=arrival) for place, arrival in ((0, 1), (1, 3), (2, 2))]
    assert len(moved(*call)) == 1


@pytest.mark.parametrize(
    "facts",
    [
        [exact(1, 1), exact(0, 2, attempt=2)],
        [exact(1, 1), exact(0, 2, process="other")],
        [exact(1, 1), exact(0, 2, step="B")],
        [exact(1, 1), fact(order=0, outcome=LOST)],
        [exact(1, 1), exact(0, 2, is_close=True)],
        [fact("", arrival=2), fact("", arrival=1)],
    ],
    ids=["attempts", "processes", "steps", "lost", "closes", "unknown steps"],
)
def test_there_is_no_order_between(facts):
    assert moved(*facts) == {}


def test_the_writer_of_the_sdk_has_an_order_of_its_own():
    assert moved(exact(1, 1, scope="w1"), exact(0, 2, scope="w2")) == {}
    assert moved(exact(1, 1, scope="w1"), exact(0, 2, scope="w1")) != {}


@given(st.lists(st.integers(0, 8), max_size=8), st.integers(0, 99))
def test_without_the_moved_chunks_the_others_are_in_order_whatever_comes_first(sequences, seed):
    facts = [exact(sequence, arrival) for arrival, sequence in enumerate(sequences, 1)]
    shuffled = facts.copy()
    random.Random(seed).shuffle(shuffled)
    gone = moved(*shuffled)
    kept = [sequence for arrival, sequence in enumerate(sequences, 1) if arrival not in gone]
    assert kept == sorted(kept)
    assert gone == moved(*facts)


def test_what_failed_is_what_was_refused_or_lost():
    facts = [fact(outcome=REJECTED), fact(outcome=LOST), fact(outcome=UNMATCHED), fact(arrival=1)]
    assert [one.outcome for one in ledger_of(*facts).failed] == [REJECTED, LOST]


def test_what_was_written_again_with_success_did_not_fail():
    refused = fact(outcome=REJECTED, order=3)
    assert ledger_of(refused, fact(order=3, arrival=1)).failed == []
    assert ledger_of(refused, fact(order=3, outcome=UNMATCHED)).failed == [], "acknowledged, and not yet seen"
    for other in (
        fact(order=3, outcome=UNMATCHED, took=None),
        fact(order=3, outcome=REJECTED),
        fact(order=3, arrival=1, is_close=True),
        fact(order=3, arrival=1, attempt=2),
        fact(order=4, arrival=1),
    ):
        assert refused in ledger_of(refused, other).failed
