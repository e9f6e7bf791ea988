from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.anomalies.detectors.base import Found
from dashboard.anomalies.detectors.duplicate_chunk import DuplicateChunk
from streams.facts import Attempt, ChunkFact, StepFacts, StreamFacts
from tests.dashboard.anomalies.detectors.written import OVER, asked, fact, found_in, ledger_of
from tests.examples import NOW_NS, STREAM, example, facts_of

STORED = StreamFacts(STREAM, OVER, True, world="vercel")
LONG = {"type": "report", "text": "x" * 600}


def judged(*values: object, stream: StreamFacts = STORED) -> list[Found]:
    found = asked(DuplicateChunk, stream, list(facts_of(values)))
    assert all(isinstance(one, Found) for one in found)
    return [one for one in found if isinstance(one, Found)]


def test_a_batch_that_comes_twice_in_a_row_is_suspected():
    (one,) = judged("x", "a", "b", "c", "a", "b", "c", "y")
    assert (one.severity, one.certainty) == ("warning", "suspected")
    assert [chunk.position for chunk in one.chunks] == [4, 5, 6]
    assert one.evidence["repeats"] == [2, 3, 4]
    assert one.message.startswith("3 chunks are stored twice in a row, probably because")


def test_the_longest_batch_that_is_recognised_has_64_chunks():
    batch = [f"word {number}" for number in range(64)]
    (one,) = judged(*batch, *batch)
    assert len(one.chunks) == 64
    assert judged(*batch, "more", *batch, "more") == []


def test_a_frame_whose_id_must_be_unique_is_suspected_if_it_comes_twice_in_a_row():
    start = {"type": "text-start", "id": "t1"}
    (one,) = judged({"type": "start"}, start, start)
    assert (one.severity, [chunk.position for chunk in one.chunks]) == ("warning", [2])


def test_a_long_payload_twice_in_a_row_is_worth_knowing_and_no_more():
    (one,) = judged("a", LONG, LONG, "b")
    assert (one.severity, one.certainty) == ("info", "suspected")


def test_one_write_and_two_chunks_are_proved_where_every_other_write_was_told():
    chunks = list(facts_of(["a", "ha", "ha", "b"]))
    writes = ledger_of(fact(arrival=1), fact(arrival=2), fact(arrival=4))
    stream = replace(STORED, writes=writes)
    assert found_in(DuplicateChunk, stream, chunks).certainty == "suspected"  # a report may have been lost
    writes.is_lossy = False
    one = found_in(DuplicateChunk, stream, chunks)
    assert (one.severity, one.certainty, [chunk.arrival for chunk in one.chunks]) == (
        "warning",
        "proved",
        [3],
    )


def test_two_writes_of_the_same_are_no_duplicate():
    chunks = list(facts_of(["a", "b", "c", "a", "b", "c"]))
    writes = ledger_of(*(fact(arrival=arrival) for arrival in range(1, 7)))
    assert asked(DuplicateChunk, replace(STORED, writes=writes), chunks) == []


def test_encrypted_bytes_that_come_again_are_proved():
    def sealed(number: int, nonce: int) -> ChunkFact:
        data = b"\0\0\0\x0cencr%08d" % nonce
        return ChunkFact(
            f"chnk_{number:026}", number, number, False, False, len(data), NOW_NS, None, lambda: data
        )

    one = found_in(DuplicateChunk, STORED, [sealed(1, 7), sealed(2, 8), sealed(3, 8)])
    assert (one.certainty, [chunk.arrival for chunk in one.chunks]) == ("proved", [3])
    assert asked(DuplicateChunk, STORED, [sealed(1, 7), sealed(2, 8), sealed(3, 9)]) == []


@pytest.mark.parametrize(
    "values",
    [
        ("ha", "ha", "ha"),
        (" ", " ", "\n", "\n"),
        ("na", "na", "na", "na", "batman"),
        ({"type": "data-progress", "data": 50}, {"type": "data-progress", "data": 50}),
        ("tick", "tock", "tick", "tock"),
        ("⠋", "⠙", "⠹", "⠋", "⠙", "⠹", "⠋", "⠙", "⠹"),
        (LONG, LONG, LONG),
        ("a", "b", "c", "a", "b", "x"),
    ],
)
def test_what_writers_do_is_left_alone(values: tuple[object, ...]):
    assert judged(*values) == []


def test_a_local_world_sends_no_write_again():
    assert judged("a", "b", "c", "a", "b", "c", stream=replace(STORED, world="local")) == []


@pytest.mark.parametrize("steps", ["A@90r80-70", "A@90+80-70", "A@95-70,B@95-70"])
def test_what_a_retry_a_second_start_or_a_second_step_explains_is_left_alone(steps: str):
    line = f'run=completed steps={steps} at=89,89,89,79,79,79,60 "a" "b" "c" "a" "b" "c" close'
    assert not [one for one in example(line).results() if one.startswith("duplicate")]


def test_copies_that_lie_minutes_apart_are_not_one_write():
    line = 'run=completed at=289,289,289,79,79,79,60 "a" "b" "c" "a" "b" "c" close'
    assert not [one for one in example(line).results() if one.startswith("duplicate")]


def test_a_payload_of_which_only_the_head_is_kept_is_never_equal():
    chunks = list(facts_of([LONG, LONG]))
    for chunk in chunks:
        chunk.size = 2_000_000
    assert asked(DuplicateChunk, STORED, chunks) == []


def test_where_chunks_have_no_time_a_step_that_was_retried_or_ran_beside_another_explains_it():
    batch = ["a", "b", "c"]
    step = StepFacts("step_A", "stepA", 1_000, 2_000, (Attempt(1_000, False),))
    retried = replace(step, attempts=(Attempt(1_000, False), Attempt(1_500, True)))
    later = replace(step, step_id="step_B", started_ns=3_000, completed_ns=4_000, attempts=())
    for steps, count in [
        ((step,), 1),
        ((step, later), 1),
        ((retried,), 0),
        ((step, replace(step, step_id="step_C")), 0),
    ]:
        stream = replace(STORED, run=replace(OVER, steps=steps))
        assert len(judged(*batch, *batch, stream=stream)) == count
