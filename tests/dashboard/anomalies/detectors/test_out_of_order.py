from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dashboard.anomalies.detectors.base import NotChecked
from dashboard.anomalies.detectors.out_of_order import OutOfOrder
from dashboard.lib.clock import NS_PER_MS
from tests.dashboard.anomalies.detectors.written import asked, fact, found_in, stream_of
from tests.examples import RUN_ID, STREAM, facts_of
from tests.factories import START_NS


def exact(order: int, arrival: int, **fields):
    return fact(arrival=arrival, order=order, known="exact", **fields)


def test_chunks_stored_against_their_writers_order_are_proved():
    found = found_in(OutOfOrder, stream_of(exact(0, 1), exact(1, 3), exact(2, 2), exact(3, 4)))
    assert (found.kind, found.severity, found.certainty) == ("out_of_order", "error", "proved")
    assert (found.run_id, found.stream, found.step_id) == (RUN_ID, STREAM, "step_A")
    assert found.message == "A chunk is not stored where step stepA wrote it."
    assert [chunk.arrival for chunk in found.chunks] in ([2], [3])
    assert found.evidence["moved"] == 1 and found.evidence["steps"] == {"stepA": 1}
    assert (found.evidence["order_known_from"], found.missing) == ("the writer", ())


def test_the_order_of_calls_alone_is_only_suspected():
    found = found_in(OutOfOrder, stream_of(fact(arrival=2), fact(arrival=1)))
    assert (found.severity, found.certainty) == ("warning", "suspected")
    assert found.message.endswith(", by the order of its calls.")
    assert found.evidence["order_known_from"] == "the order of calls"
    assert found.missing == ("the writer's own order (the probe's exact mode)",)


def test_the_order_of_calls_and_the_grammar_together_prove_it():
    stream = stream_of(fact(arrival=2), fact(arrival=1), fact("B", arrival=3))
    assert found_in(OutOfOrder, replace(stream, misplaced={1: True})).certainty == "proved"
    assert found_in(OutOfOrder, replace(stream, misplaced={2: False})).certainty == "proved"


def test_a_misplaced_chunk_of_another_step_proves_nothing():
    stream = stream_of(fact(arrival=2), fact(arrival=1), fact("B", arrival=3))
    assert found_in(OutOfOrder, replace(stream, misplaced={3: True})).certainty == "suspected"


@pytest.mark.parametrize(
    "facts",
    [
        [exact(0, 1), exact(1, 2), exact(2, 3)],
        [exact(0, 1), exact(0, 2, step="B"), exact(1, 3), exact(1, 4, step="B")],
        [exact(0, 1), exact(1, 3), exact(0, 2, attempt=2), exact(1, 4, attempt=2)],
        [exact(5, 1, process="old"), exact(0, 2, process="new")],
        [exact(1, 1), fact(arrival=2, order=0, known="exact", is_close=True)],
        [exact(1, 1), fact(order=0, known="exact", outcome="lost")],
        [fact("", arrival=2), fact("", arrival=1)],
        [exact(0, 1), fact(arrival=2), exact(1, 3)],
    ],
    ids=["in order", "two steps interleaved", "two attempts at once", "a restart", "a close", "not stored",
         "nobody known", "with one whose order is not known"],
)  # fmt: skip
def test_what_has_no_order_between_it_is_not_compared(facts):
    assert asked(OutOfOrder, stream_of(*facts)) == []


def test_equal_sequences_are_no_inversion():
    assert asked(OutOfOrder, stream_of(exact(0, 1), exact(0, 2), exact(1, 3))) == []


def test_the_smallest_set_is_named():
    facts = [exact(n, n) for n in range(1, 50)] + [exact(0, 50)]
    found = found_in(OutOfOrder, stream_of(*facts))
    assert [chunk.arrival for chunk in found.chunks] == [50]


def test_of_many_moved_chunks_the_evidence_stays_small():
    facts = [exact(n, 3001 - n, step=f"S{n % 100}") for n in range(3000)]
    found = found_in(OutOfOrder, stream_of(*facts))
    assert found.evidence["moved"] == len(found.chunks) == 2900
    assert len(found.evidence["sequences"]) == 100 and len(found.evidence["steps"]) == 20
    assert len(json.dumps(found.evidence)) < 5000 and len(found.message) < 500


def test_the_sdks_own_streams_are_left_out():
    assert asked(OutOfOrder, stream_of(exact(1, 1), exact(0, 2), is_system=True)) == []


# --- without a probe ----------------------------------------------------------------------------------
def by_times(*at_ms: float, world: str = "postgres") -> list:
    chunks = list(facts_of([str(at) for at in at_ms]))
    for chunk, at in zip(chunks, at_ms, strict=True):
        chunk.stored_ns = START_NS + int(at * NS_PER_MS)
    return asked(OutOfOrder, replace(stream_of(), writes=None, world=world), chunks)


def test_chunks_that_the_database_got_in_another_order_are_suspected():
    (found,) = by_times(0, 1500, 10, 20, 1510)
    assert (found.severity, found.certainty) == ("warning", "suspected")
    assert found.message == "2 chunks lie behind chunks that the database got up to 1,490 ms later."
    assert [chunk.position for chunk in found.chunks] == [2, 3]
    assert found.missing == ("who wrote each chunk, and in which order (the probe)",)


def test_some_milliseconds_are_for_information_and_less_than_one_says_nothing():
    (found,) = by_times(0, 30, 10, 40)
    assert (found.severity, found.evidence["longest_ms"]) == ("info", 20.0)
    assert by_times(0, 10.9, 10, 40) == []


def test_files_times_prove_nothing():
    (one,) = by_times(0, 1500, 10, world="local")
    assert isinstance(one, NotChecked)
    assert one.reason == "not checked here: no probe reported who writes to this stream"
