from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.anomalies.detectors.base import NotChecked
from dashboard.anomalies.detectors.closed_while_writing import ClosedWhileWriting
from dashboard.lib.clock import NS_PER_S
from streams.facts import ChunkFact, StepFacts, StreamFacts
from streams.ledger import LOST, REJECTED
from tests.dashboard.anomalies.detectors.written import OVER, asked, fact, found_in, stream_of
from tests.examples import CLOSE, NOW_NS, RUN_ID, STREAM, facts_of


def chunks(*values: object) -> list[ChunkFact]:
    return list(facts_of(values or ("a", CLOSE, "b")))


WRITING = [fact("A", arrival=1, at=0), fact("A", arrival=3, at=6)]
CLOSING = fact("B", arrival=2, at=5, is_close=True)


def test_a_close_while_another_step_writes_is_proved_by_their_calls():
    found = found_in(ClosedWhileWriting, stream_of(*WRITING, CLOSING), chunks())
    assert (found.kind, found.severity, found.certainty) == ("closed_while_writing", "warning", "proved")
    assert (found.run_id, found.stream, found.step_id) == (RUN_ID, STREAM, "step_B")
    assert (
        found.message
        == "Step stepB closed the stream while step stepA was still writing: a chunk came after the end marker."
    )
    assert [chunk.arrival for chunk in found.chunks] == [3]
    assert found.evidence == {"closed_by": "stepB", "writing": ["stepA"], "chunks": 1}


@pytest.mark.parametrize("outcome", [REJECTED, LOST])
def test_what_was_refused_or_lost_behind_it_counts_too(outcome):
    facts = [fact("A", arrival=1, at=0), fact("A", outcome=outcome, at=6), CLOSING]
    found = found_in(ClosedWhileWriting, stream_of(*facts), chunks("a", CLOSE))
    assert (found.chunks, found.evidence["chunks"]) == ((), 1)


@pytest.mark.parametrize(
    ("facts", "values"),
    [
        ([fact("A", arrival=1), fact("A", arrival=2, at=5, is_close=True), fact("A", arrival=3, at=6)], ()),
        ([fact("A", arrival=1, at=0, took=1), CLOSING, fact("C", arrival=3, at=6)], ()),
        ([fact("A", arrival=1, at=0, took=9), CLOSING], ("a", CLOSE)),
        ([fact("A", arrival=1, at=0, process="other"), CLOSING, fact("A", arrival=3, at=6, process="other")], ()),
        ([*WRITING, fact("B", outcome=REJECTED, at=5, is_close=True)], ("a", "b")),
        ([fact("A", arrival=1, at=0, took=9), fact("A", is_close=True, outcome=REJECTED, at=6), CLOSING], ("a", CLOSE)),
    ],
    ids=["by the step itself", "the other begins later", "no harm", "clocks of two processes", "not closed",
         "a repeated close"],
)  # fmt: skip
def test_it_says_nothing_where_nobody_is_cut_off(facts, values):
    assert asked(ClosedWhileWriting, stream_of(*facts), chunks(*values)) == []


def test_streams_of_the_sdk_and_purged_ones_are_left_out():
    for values in ({"is_system": True}, {"expired": True}):
        assert asked(ClosedWhileWriting, stream_of(*WRITING, CLOSING, **values), chunks()) == []


def step(name: str, started: float, ended: float | None) -> StepFacts:
    """Seconds before now."""
    ends = None if ended is None else NOW_NS - int(ended * NS_PER_S)
    return StepFacts(f"step_{name}", f"step//./app//step{name}", NOW_NS - int(started * NS_PER_S), ends)


def without_a_probe(*steps: StepFacts) -> StreamFacts:
    return StreamFacts(STREAM, replace(OVER, steps=steps))


def test_without_reports_the_windows_of_the_steps_make_it_suspected():
    found = found_in(ClosedWhileWriting, without_a_probe(step("A", 10, -10), step("B", 5, -5)), chunks())
    assert (found.certainty, found.step_id) == ("suspected", "")
    assert "while the steps stepA, stepB were running: a chunk came" in found.message
    assert [chunk.arrival for chunk in found.chunks] == [3]
    assert found.missing == ("who wrote and who closed (the probe's reports)",)


@pytest.mark.parametrize(
    "steps",
    [
        [step("A", 10, -10)],
        [step("A", 10, -10), step("B", 20, 1)],
        [step("A", 10, -10), step("B", -1, -5)],
        [step("A", 10, None), step("B", 5, None)],
        [],
    ],
    ids=["one step", "the other had ended", "the other had not begun", "ends not known", "none"],
)
def test_steps_that_were_not_running_together_are_not_suspected(steps):
    assert asked(ClosedWhileWriting, without_a_probe(*steps), chunks()) == []


def test_a_chunk_later_than_all_these_steps_is_not_theirs():
    late = chunks()
    late[2].stored_ns += 60 * NS_PER_S
    assert asked(ClosedWhileWriting, without_a_probe(step("A", 10, -10), step("B", 5, -5)), late) == []


def test_reports_that_do_not_name_who_closed_leave_it_suspected():
    facts = stream_of(*WRITING, replace(CLOSING, step_id="")).writes
    stream = replace(without_a_probe(step("A", 10, -10), step("B", 5, -5)), writes=facts)
    assert found_in(ClosedWhileWriting, stream, chunks()).certainty == "suspected"


def test_the_order_of_calls_is_asked_not_the_order_of_arrival():
    """The close was called before the last write of the other step, and overtook nothing that it had written."""
    facts = [
        fact("A", arrival=1, at=0),
        fact("A", arrival=2, at=4),
        fact("B", arrival=3, at=5, is_close=True),
    ]
    assert asked(ClosedWhileWriting, stream_of(*facts), chunks("a", "b", CLOSE)) == []


def test_a_world_without_times_of_chunks_is_not_judged_by_them():
    stream = replace(without_a_probe(step("A", 10, -10), step("B", 5, -5)), world="vercel")
    (one,) = asked(ClosedWhileWriting, stream, chunks())
    assert isinstance(one, NotChecked) and "does not tell when" in one.reason
