from __future__ import annotations

import json

import pytest

from dashboard.anomalies.detectors.racing_writers import QUOTED, RacingWriters
from streams.ledger import StepAttempt
from tests.dashboard.anomalies.detectors.written import OVER, RUNNING, asked, fact, found_in, stream_of
from tests.examples import RUN_ID, STREAM


def exact(writer: int, **fields):
    return fact(writer=writer, known="exact", **fields)


def test_several_writables_of_one_step_attempt_are_a_race_that_is_proved():
    found = found_in(RacingWriters, stream_of(exact(1, arrival=2), exact(2, arrival=1), fact("B", arrival=3)))
    assert (found.kind, found.severity, found.certainty) == ("racing_writers", "error", "proved")
    assert (found.run_id, found.stream, found.step_id) == (RUN_ID, STREAM, "step_A")
    assert found.message == "Step stepA wrote to this stream through 2 writables that race."
    assert [chunk.arrival for chunk in found.chunks] == [1, 2]
    assert found.evidence["steps"] == [
        {"step": "stepA", "step_id": "step_A", "attempt": 1, "process": "app", "writables": 2, "calls": 2,
         "overlapping_calls": 0, "certainty": "proved"},
    ]  # fmt: skip
    assert found.missing == ()


def test_calls_that_overlap_prove_it_without_exact_mode():
    stream = stream_of(
        fact(arrival=1, acquired=3), fact(arrival=2, is_overlapping=True, attempt=1), run=RUNNING
    )
    found = found_in(RacingWriters, stream)
    assert (found.certainty, found.severity) == ("proved", "error")
    assert found.message.endswith("through 3 writables that race: 1 of its 2 calls overlapped.")


def test_the_number_of_acquired_writables_alone_makes_it_suspected_once_the_run_is_over():
    stream = stream_of(fact(arrival=1, acquired=2))
    by = StepAttempt("app", RUN_ID, "step_A", 1)
    assert stream.writes is not None
    stream.writes.streams_of_step = {by: 1}
    found = found_in(RacingWriters, stream)
    assert (found.certainty, found.severity) == ("suspected", "warning")
    assert found.missing == ("exact mode of the probe, or calls that overlap",)
    stream.writes.streams_of_step = {by: 2}
    assert asked(RacingWriters, stream) == [], "one writable for each of its streams"


def test_while_the_run_goes_on_the_step_may_still_write_to_more_streams():
    stream = stream_of(fact(arrival=1, acquired=2), run=RUNNING)
    assert stream.writes is not None
    stream.writes.streams_of_step = {StepAttempt("app", RUN_ID, "step_A", 1): 1}
    assert asked(RacingWriters, stream) == []


@pytest.mark.parametrize(
    "facts",
    [
        [exact(1, arrival=1), exact(1, arrival=2), exact(1, is_close=True, arrival=3)],
        [exact(1, arrival=1), fact("B", writer=2, known="exact", arrival=2)],
        [exact(1, arrival=1, attempt=1), exact(2, arrival=2, attempt=2)],
        [exact(1, arrival=1), exact(2, arrival=2, process="other")],
        [exact(1, arrival=1), exact(2, arrival=2, is_close=True)],
        [exact(1, arrival=1, step=""), exact(2, arrival=2, step="")],
        [fact(arrival=1, writer=1), fact(arrival=2, writer=2)],
    ],
    ids=[
        "one writable",
        "another step",
        "a retry, at once",
        "another process",
        "only a close",
        "no step",
        "not exact",
    ],
)
def test_one_writable_for_each_step_attempt_is_no_race(facts):
    assert asked(RacingWriters, stream_of(*facts)) == []


def test_where_the_attempt_is_not_known_two_writables_may_be_of_two_attempts():
    stream = stream_of(exact(1, arrival=1, attempt=None), exact(2, arrival=2, attempt=None))
    assert found_in(RacingWriters, stream).certainty == "suspected"
    stream = stream_of(
        exact(1, arrival=1, attempt=None), exact(2, arrival=2, attempt=None, is_overlapping=True)
    )
    assert found_in(RacingWriters, stream).certainty == "proved"


def test_the_attempt_is_named_where_it_is_not_the_first():
    found = found_in(RacingWriters, stream_of(exact(1, attempt=2), exact(2, attempt=2)))
    assert "Step stepA (attempt 2) wrote" in found.message and found.chunks == ()


def test_of_many_steps_the_worst_is_named_and_the_evidence_stays_small():
    many = [exact(pair, step=f"S{n}", arrival=3 * n + pair) for n in range(1000) for pair in (1, 2)]
    worst = [exact(pair, step="W", arrival=9000 + pair) for pair in (1, 2, 3)]
    found = found_in(RacingWriters, stream_of(*many, *worst))
    assert found.step_id == "step_W" and "1000 more step attempts did the same" in found.message
    assert len(found.evidence["steps"]) == QUOTED and found.evidence["step_total"] == 1001
    assert len(json.dumps(found.evidence)) < 10_000


def test_the_sdks_own_streams_are_left_out():
    assert asked(RacingWriters, stream_of(exact(1), exact(2), is_system=True)) == []
    assert asked(RacingWriters, stream_of(exact(1), exact(2), run=OVER)) != []
