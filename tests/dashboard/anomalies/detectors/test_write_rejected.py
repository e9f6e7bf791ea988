from __future__ import annotations

import json

import pytest

from dashboard.anomalies.detectors.write_rejected import WriteRejected
from streams.ledger import LOST, REJECTED, UNMATCHED
from tests.dashboard.anomalies.detectors.written import asked, fact, found_in, stream_of
from tests.examples import CLOSE, RUN_ID, STREAM, facts_of


def refused(step: str = "A", **fields):
    return fact(step, outcome=REJECTED, **({"status": 409, "error": "HTTP 409: already completed"} | fields))


def test_a_chunk_that_was_refused_is_an_error_with_what_was_lost():
    one = refused(order=3)
    found = found_in(WriteRejected, stream_of(fact(arrival=1), one))
    assert (found.kind, found.severity, found.certainty) == ("write_rejected", "error", "proved")
    assert (found.run_id, found.stream, found.step_id) == (RUN_ID, STREAM, "step_A")
    assert found.message == "Writes of step stepA were rejected with 409: 1 chunk is lost."
    assert found.evidence["lost"] == {"chunks": 1, "bytes": 10, "end_marker": False}
    assert found.evidence["calls"] == 1
    (quoted,) = found.evidence["rejected"]
    assert quoted == {
        "what": "chunk", "step_id": "step_A", "size": 10, "sequence": 3, "called_ns": one.called_ns, "status": 409,
        "error": "HTTP 409: already completed",
    }  # fmt: skip


def test_the_only_end_marker_that_was_refused_is_an_error_too():
    found = found_in(WriteRejected, stream_of(fact(arrival=1), refused("B", is_close=True)))
    assert (found.severity, found.step_id) == ("error", "step_B")
    assert found.message == "Writes of step stepB were rejected with 409: the end marker is lost."
    both = found_in(WriteRejected, stream_of(refused(), refused(), refused("B", is_close=True)))
    assert both.message.endswith("2 chunks and the end marker are lost.")


@pytest.mark.parametrize(
    ("facts", "values"),
    [
        ([refused("B", is_close=True)], [CLOSE]),
        ([refused("B", is_close=True), fact(is_close=True, outcome=UNMATCHED)], []),
    ],
    ids=["it is stored", "it was acknowledged"],
)
def test_a_repeated_close_is_harmless(facts, values):
    found = found_in(WriteRejected, stream_of(*facts), facts_of(values))
    assert (found.severity, found.evidence["lost"]["end_marker"]) == ("info", False)
    assert found.message == "A repeated close by step stepB was rejected with 409: nothing was lost."


def test_an_end_marker_that_was_acknowledged_and_lost_does_not_count():
    facts = [refused("B", is_close=True), fact(is_close=True, outcome=LOST)]
    assert found_in(WriteRejected, stream_of(*facts)).severity == "error"


@pytest.mark.parametrize(
    "facts",
    [
        [],
        [fact(arrival=1), fact(is_close=True, arrival=2)],
        [fact(outcome=LOST)],
        [fact(outcome=UNMATCHED, took=None)],
        [refused(order=4), fact(order=4, arrival=1)],
    ],
    ids=["nothing", "stored", "lost", "never came back", "written again with success"],
)
def test_it_says_nothing_where_nothing_was_refused(facts):
    assert asked(WriteRejected, stream_of(*facts)) == []


def test_without_a_step_it_says_what_is_missing():
    found = found_in(WriteRejected, stream_of(refused("", status=None)))
    assert found.message == "Writes of step an unknown step were rejected: 1 chunk is lost."
    assert (found.step_id, found.missing) == ("", ("the step of every rejected write",))


def test_in_a_stream_of_the_sdk_it_is_only_mentioned():
    assert found_in(WriteRejected, stream_of(refused(), is_system=True)).severity == "info"


def test_a_call_of_several_chunks_is_one_call():
    facts = [refused(number=7, place=place) for place in range(3)]
    assert found_in(WriteRejected, stream_of(*facts)).evidence["calls"] == 1


def test_of_many_the_evidence_stays_small():
    facts = [refused(f"S{n % 100}", error="x" * 1000) for n in range(2000)]
    found = found_in(WriteRejected, stream_of(*facts))
    assert found.evidence["lost"]["chunks"] == 2000
    assert len(json.dumps(found.evidence)) < 20_000 and len(found.message) < 500
