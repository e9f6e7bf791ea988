from __future__ import annotations

import pytest

from dashboard.anomalies.detectors.base import Found, NotChecked
from dashboard.anomalies.detectors.stream_silent import StreamSilent
from dashboard.lib.clock import NS_PER_S
from streams.facts import Attempt, RunFacts, StepFacts, StreamFacts
from tests.dashboard.anomalies.detectors.written import asked, fact, ledger_of
from tests.examples import NOW_NS, RUN_ID, STREAM, example, facts_of


def results(line: str) -> list[str]:
    return [one for one in example(line).results() if "silent" in one]


def found(line: str) -> Found:
    (one,) = [one for one in example(line).verdict().found if one.kind == "stream_silent"]
    return one


def test_a_running_step_that_says_nothing_is_found():
    one = found('run=running steps=A@120 at=100,99,95 "a" "b" "c"')
    assert (one.severity, one.certainty) == ("warning", "proved")
    assert one.message == "Nothing was written for 95 s, and step stepA is running."
    assert one.evidence == {
        "seconds": 95.0,
        "usual_gap_seconds": 1.0,
        "step": "stepA",
        "threshold": "Silence: 30 s (default); Silence, in usual gaps: 10 times (default)",
    }


def test_a_gap_between_two_chunks_of_a_step_is_found_afterwards():
    one = found('run=completed steps=A@120-50 at=110,109,108,60,59 "a" "b" "c" "d" close')
    assert (one.certainty, [chunk.position for chunk in one.chunks]) == ("proved", [3])
    assert one.message == "Nothing was written for 48 s while step stepA ran."


def test_it_asks_again_when_the_silence_would_be_too_long():
    (one,) = asked(
        StreamSilent,
        StreamFacts(STREAM, RunFacts(RUN_ID, status="running", steps=(step("A", 25),)), True),
        facts_of(["a"], stored_ns=NOW_NS - 20 * NS_PER_S),
    )
    assert isinstance(one, NotChecked) and one.due_ns == NOW_NS + 11 * NS_PER_S


def test_among_several_steps_it_is_suspected():
    one = found('run=running steps=A@120,B@110 at=100,99,95 "a" "b" "c"')
    assert (one.certainty, one.missing) == ("suspected", ("which step was to write (the probe's reports)",))


def test_a_probe_tells_which_of_them_was_to_write():
    run = RunFacts(RUN_ID, status="running", steps=(step("A", 120), step("B", 110)))
    writes = ledger_of(fact("B", arrival=1), fact("B", arrival=2))
    times = [NOW_NS - seconds * NS_PER_S for seconds in (96, 95)]
    (one,) = asked(
        StreamSilent, StreamFacts(STREAM, run, True, writes=writes), facts_of(["a", "b"], times=times)
    )
    assert isinstance(one, Found) and (one.certainty, one.step_id) == ("proved", "step_B")


def step(letter: str, started: int) -> StepFacts:
    at = NOW_NS - started * NS_PER_S
    return StepFacts(f"step_{letter}", f"step//./app//step{letter}", at, None, (Attempt(at, False),))


@pytest.mark.parametrize(
    "line",
    [
        'run=running steps=A@120-94 at=100,99,95 "a" "b" "c"',  # its step is over
        'run=running at=100,99,95 "a" "b" "c"',  # no step runs: a sleep, a hook
        'run=running steps=A@120 at=100,99,95,94 "a" "b" "c" close',  # it is closed
        'run=completed steps=A@120-105,B@65-50 at=110,109,60,59 "a" "b" "c" close',  # between two steps
        'run=completed steps=A@120r65-50 at=110,109,60,59 "a" "b" "c" close',  # while it waited for its retry
        'run=completed steps=A@400-50 at=380,340,300,260,220,180,140,60,59 "a" "b" "c" "d" "e" "f" "g" "h" close',
        'run=completed steps=A@120-80 at=110,109,108 "a" "b" close',
    ],
)
def test_a_stream_that_has_nothing_to_say_is_left_alone(line: str):
    assert results(line) == []


def test_a_file_that_was_copied_later_is_no_gap():
    chunks = list(facts_of(["a", "b"], times=[NOW_NS - 100 * NS_PER_S, NOW_NS - 10 * NS_PER_S]))
    for chunk in chunks:
        chunk.minted_ms = (NOW_NS - 100 * NS_PER_S) // 1_000_000
    over = StepFacts("step_A", "stepA", NOW_NS - 110 * NS_PER_S, NOW_NS)
    run = RunFacts(RUN_ID, status="completed", ended_ns=NOW_NS, steps=(over,))
    assert asked(StreamSilent, StreamFacts(STREAM, run, True), chunks) == []


def test_our_own_silence_is_not_taken_for_that_of_a_world_without_times():
    run = RunFacts(RUN_ID, status="running", steps=(step("A", 120),))
    stream = StreamFacts(STREAM, run, True, world="vercel")
    (one,) = asked(StreamSilent, stream, facts_of(["a"], stored_ns=NOW_NS - 90 * NS_PER_S))
    assert isinstance(one, NotChecked) and one.due_ns is None
