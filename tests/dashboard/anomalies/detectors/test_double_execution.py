from __future__ import annotations

import pytest

from dashboard.anomalies.detectors.base import Found
from dashboard.anomalies.detectors.double_execution import DoubleExecution
from streams.facts import StreamFacts
from tests.dashboard.anomalies.detectors.written import OVER, asked, fact, found_in, ledger_of
from tests.examples import CLOSE, STREAM, example, facts_of

TWICE = "run=completed steps=A@90+89-80 stored=85s "  # started again, and no retry between


def found(line: str) -> Found:
    (one,) = [one for one in example(line).verdict().found if one.kind == "double_execution"]
    return one


def test_a_second_start_without_a_retry_and_its_copies_are_proved():
    one = found(TWICE + 'start "a" finish finish close')
    assert (one.severity, one.certainty) == ("error", "proved")
    assert one.message == "Step stepA ran twice at the same time: a chunk is in the stream again."
    assert [chunk.position for chunk in one.chunks] == [2, 3]
    assert one.step_id == "step_" + "A" * 26


def test_an_end_marker_that_comes_twice_is_a_copy_too():
    one = found(TWICE + "close close")
    assert [chunk.arrival for chunk in one.chunks] == [1, 2]


def test_beside_a_step_that_ran_at_the_same_time_a_single_copy_is_suspected():
    one = found('run=completed steps=A@90+89-80,B@95-70 stored=85s "a" "b" "a" close')
    assert (one.severity, one.certainty) == ("warning", "suspected")


def test_two_copies_that_interleave_within_one_attempt_are_suspected():
    one = found('run=completed steps=A@90-80 stored=85s "a" "b" "a" "c" "b" "c" close')
    assert (one.severity, one.certainty, len(one.chunks)) == ("warning", "suspected", 6)
    assert one.missing == ("two starts in the run's log, or the probe's reports",)


def test_a_probe_that_saw_two_attempts_write_at_once_proves_it():
    writes = ledger_of(
        fact("A", arrival=1, at=0, attempt=1), fact("A", arrival=2, at=1, attempt=2),
        fact("A", arrival=3, at=2, attempt=1), fact("A", arrival=4, at=3, attempt=2),
    )  # fmt: skip
    chunks = list(facts_of(["a", "a", "b", "b"]))
    one = found_in(DoubleExecution, StreamFacts(STREAM, OVER, True, writes=writes), chunks)
    assert (one.certainty, [chunk.arrival for chunk in one.chunks]) == ("proved", [1, 2, 3, 4])


def test_one_attempt_in_two_processes_is_two_executions():
    writes = ledger_of(fact("A", arrival=1, process="p1"), fact("A", arrival=2, process="p2", at=50))
    chunks = list(facts_of(["a", "a", CLOSE]))
    one = found_in(DoubleExecution, StreamFacts(STREAM, OVER, True, writes=writes), chunks)
    assert one.certainty == "proved"


def test_an_attempt_after_the_other_is_no_double_execution():
    writes = ledger_of(fact("A", arrival=1, at=0, attempt=1), fact("A", arrival=2, at=9, attempt=2))
    chunks = list(facts_of(["a", "a"]))
    assert asked(DoubleExecution, StreamFacts(STREAM, OVER, True, writes=writes), chunks) == []


@pytest.mark.parametrize(
    "line",
    [
        TWICE + '"a" "b" close',  # nothing of it is in this stream
        'run=completed steps=A@90r88-80 stored=85s "a" "b" "a" "b" close',  # a retry
        'run=completed steps=A@90-80 stored=85s "a" "b" "c" "a" "b" "c" close',  # one behind the other
        'run=completed steps=A@90-80 stored=85s "a" "a" "b" "b" "c" "c" close',  # each twice in a row
        "run=completed steps=A@90-80 stored=85s start text-start(0) text-end(0) finish "
        "start text-start(0) text-end(0) finish close",  # two messages with ids of their own parts
        'run=completed steps=A@90-80,B@89-81 stored=85s "a" "b" "a" "c" "b" "c" close',  # two steps say the same
        'run=completed stored=85s "a" "b" "a" "c" "b" "c" close',  # nothing is known of steps
    ],
)
def test_what_one_execution_can_write_is_left_alone(line: str):
    assert [one for one in example(line).results() if "double" in one] == []


def test_only_the_step_that_started_twice_counts():
    line = 'run=completed steps=A@90-89,B@80+79-70 at=90,90,79,78,60 finish finish "x" "y" close'
    assert [one for one in example(line).results() if "double" in one] == []
