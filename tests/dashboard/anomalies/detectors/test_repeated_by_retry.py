from __future__ import annotations

import pytest

from dashboard.anomalies.detectors._copies import KEPT
from dashboard.anomalies.detectors.base import Found, NotChecked
from dashboard.anomalies.detectors.repeated_by_retry import RepeatedByRetry
from dashboard.lib.clock import NS_PER_S
from streams.facts import Attempt, ChunkFact, RunFacts, StepFacts, StreamFacts
from tests.dashboard.anomalies.detectors.written import asked, fact, found_in, ledger_of
from tests.examples import CLOSE, NOW_NS, RUN_ID, STREAM, Example, example, facts_of


def results(line: str) -> list[str]:
    return [one for one in example(line).results() if "retry" in one]


def found(line: str) -> Found:
    (one,) = [one for one in example(line).verdict().found if one.kind == "repeated_by_retry"]
    return one


def ago(seconds: float) -> int:
    return NOW_NS - int(seconds * NS_PER_S)


RETRIED = StepFacts(
    "step_A", "step//./app//stepA", ago(90), ago(70), (Attempt(ago(90), False), Attempt(ago(80), True))
)
RETRIED_RUN = RunFacts(RUN_ID, "flow", "completed", "4.8.9", ago(60), (RETRIED,))


def at(*seconds_and_values: object) -> list[ChunkFact]:
    pairs = list(zip(seconds_and_values[::2], seconds_and_values[1::2], strict=True))
    return list(facts_of([value for _, value in pairs], times=[ago(float(str(when))) for when, _ in pairs]))


def test_a_retry_that_writes_the_same_again_is_proved():
    one = found(
        "run=completed steps=A@90r80-70 at=89,89,89,79,79,79,79,60 "
        'text-start(t1) "a" "b" text-start(t1) "a" "b" "c" close'
    )
    assert (one.severity, one.certainty, one.missing) == ("error", "proved", ())
    assert one.message == "Step stepA was retried and wrote 3 chunks again that a failed attempt had written."
    assert [chunk.position for chunk in one.chunks] == [0, 1, 2, 3, 4, 5]
    assert one.evidence["attempts"] == [
        {"step": "stepA", "attempt": 2, "chunks_again": 3, "different": 3, "frames": 1, "same_bytes": True}
    ]


def test_the_same_message_frame_again_is_enough_where_the_text_differs():
    one = found(
        "run=completed steps=A@90r80-70 at=89,89,79,79,60 start(m1) text-start(t1) start(m2) data-x close"
    )
    assert (one.severity, [chunk.position for chunk in one.chunks]) == ("error", [0, 2])


def test_three_attempts_are_compared_each_with_the_one_before_it():
    one = found('run=completed steps=A@90r80r75-70 at=89,88,79,78,74,73,60 "a" "b" "a" "b" "a" "b" close')
    assert one.evidence["chunks_again"] == 4


def test_the_same_but_for_the_number_of_the_attempt_is_suspected():
    one = found(
        "run=completed steps=A@90r80-70 at=89,89,89,79,79,79,60 "
        '{"attempt":1,"i":0} {"attempt":1,"i":1} {"attempt":1,"i":2} '
        '{"attempt":2,"i":0} {"attempt":2,"i":1} {"attempt":2,"i":2} close'
    )
    assert (one.severity, one.certainty) == ("warning", "suspected")


def test_what_another_step_at_the_same_time_can_have_written_is_suspected():
    line = "run=completed steps=A@90r80-70,B@95-65 at=89,89,89,79,79,79,60 "
    one = found(line + '"a" "b" "c" "a" "b" "c" close')
    assert (one.certainty, one.missing) == ("suspected", ("who wrote the chunks (the probe's reports)",))


def test_a_probe_that_names_the_attempts_proves_it_all_the_same():
    busy = StepFacts("step_B", "step//./app//stepB", ago(95), ago(65), (Attempt(ago(95), False),))
    writes = ledger_of(*(fact("A", arrival=n, attempt=1 if n < 4 else 2, known="exact") for n in range(1, 7)))
    run = RunFacts(RUN_ID, status="completed", ended_ns=ago(60), steps=(RETRIED, busy))
    chunks = at(89, "a", 89, "b", 89, "c", 79, "a", 79, "b", 79, "c")
    assert (
        found_in(RepeatedByRetry, StreamFacts(STREAM, run, True, writes=writes), chunks).certainty == "proved"
    )
    theirs = ledger_of(*(fact("B", arrival=n) for n in range(1, 7)))
    assert asked(RepeatedByRetry, StreamFacts(STREAM, run, True, writes=theirs), chunks) == []


@pytest.mark.parametrize(
    "line",
    [
        'run=completed steps=A@90-70 at=89,89,89,79,79,79,60 "a" "b" "c" "a" "b" "c" close',  # no retry
        'run=completed steps=A@90r80-70 at=89,88,79,78,60 "tick" "a" "b" "tick" close',  # one payload alone
        'run=completed steps=A@90r80-70 at=89,88,79,78,60 "a" "b" "c" "d" close',  # goes on where it was
        'run=completed steps=A@90r80-70 at=79,78,77,76,60 "a" "b" "a" "b" close',  # all by one attempt
        'run=completed steps=A@90r80-70 at=89,60 "a" close',  # nothing again
    ],
)
def test_writers_that_do_not_repeat_themselves_are_left_alone(line: str):
    assert results(line) == []


def test_of_encrypted_chunks_it_is_not_checked():
    chunks = [
        ChunkFact(
            f"chnk_{n:026}", n, n, False, False, 12, ago(89), None, lambda n=n: b"\0\0\0\x08encr%04d" % n
        )
        for n in range(1, 4)
    ]
    (one,) = asked(RepeatedByRetry, StreamFacts(STREAM, RETRIED_RUN, True), chunks)
    assert isinstance(one, NotChecked) and "encrypted" in one.reason


def test_of_a_very_long_stream_it_says_how_far_it_was_checked():
    chunks = list(facts_of((f"{n}" for n in range(KEPT + 1)), stored_ns=ago(89)))
    (one,) = asked(RepeatedByRetry, StreamFacts(STREAM, RETRIED_RUN, True), chunks)
    assert isinstance(one, NotChecked) and "20,000" in one.reason
    assert asked(RepeatedByRetry, StreamFacts(STREAM, RETRIED_RUN, True), chunks[:-1]) == []


def test_it_takes_the_earlier_of_both_clocks():
    chunks = at(50, "a", 50, "b", 50, "c", 50, "a", 50, "b", 50, "c")  # files that were copied later
    for number, chunk in enumerate(chunks):
        chunk.minted_ms = ago(89 if number < 3 else 79) // 1_000_000
    assert found_in(RepeatedByRetry, StreamFacts(STREAM, RETRIED_RUN, True), chunks).certainty == "proved"


def test_all_detectors_are_asked_of_a_retried_step():
    one: Example = example(
        "run=completed steps=A@90r80-70 at=89,89,89,79,79,79,60 "
        '"a" "b" "c" "a" "b" "c" close -> repeated_by_retry(0,1,2,3,4,5)'
    )
    assert one.results() == one.expected


def test_where_chunks_have_no_time_attempts_are_told_apart_by_how_they_begin():
    begin = {"type": "text-start", "id": "t1"}
    stream = StreamFacts(STREAM, RETRIED_RUN, world="vercel")
    chunks = list(facts_of(["x", begin, "a", begin, "a", "b", CLOSE]))
    one = found_in(RepeatedByRetry, stream, chunks)
    assert (one.severity, one.certainty) == ("warning", "suspected")
    assert [chunk.position for chunk in one.chunks] == [1, 2, 3, 4]
    assert asked(RepeatedByRetry, stream, list(facts_of(["x", begin, "a", "b", CLOSE]))) == []
    often = list(facts_of(["x", *["a", "b"] * 9, CLOSE]))
    assert asked(RepeatedByRetry, stream, often) == [], "more often than it was tried"
