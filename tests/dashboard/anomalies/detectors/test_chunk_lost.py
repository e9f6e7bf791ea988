from __future__ import annotations

import json

import pytest

from dashboard.anomalies.detectors.base import Found, NotChecked
from dashboard.anomalies.detectors.chunk_lost import AGAIN_NS, ChunkLost
from streams.ledger import HIDDEN, LOST, REJECTED, UNMATCHED
from tests.dashboard.anomalies.detectors.written import asked, fact, found_in, stream_of
from tests.examples import NOW_NS, RUN_ID, STREAM


def test_a_chunk_that_was_acknowledged_and_is_not_stored_is_lost():
    found = found_in(ChunkLost, stream_of(fact(arrival=1), fact(outcome=LOST, order=7)))
    assert (found.kind, found.severity, found.certainty) == ("chunk_lost", "error", "proved")
    assert (found.run_id, found.stream, found.step_id) == (RUN_ID, STREAM, "step_A")
    assert found.message == "A chunk of step stepA is not stored: 1 acknowledged, but not stored."
    assert found.evidence == {
        "chunks": 1, "bytes": 10, "causes": {"acknowledged, but not stored": 1}, "steps": {"stepA": 1},
        "sequences": [7],
    }  # fmt: skip


def test_it_says_what_became_of_each():
    facts = [fact(outcome=LOST, is_sent=False), fact("B", outcome=REJECTED), fact(outcome=REJECTED)]
    found = found_in(ChunkLost, stream_of(*facts))
    assert (
        found.message
        == "3 chunks of step stepA, stepB are not stored: 2 rejected by the world; 1 never sent to the world."
    )


@pytest.mark.parametrize(
    "facts",
    [
        [fact(arrival=1), fact(arrival=2, is_close=True)],
        [fact(is_close=True, outcome=LOST), fact(is_close=True, outcome=REJECTED)],
        [fact(outcome=UNMATCHED, took=None)],
        [],
    ],
    ids=["all stored", "only closes", "never came back", "nothing written"],
)
def test_it_says_nothing_where_no_chunk_is_lost(facts):
    assert asked(ChunkLost, stream_of(*facts)) == []


def test_what_was_not_found_so_far_is_asked_for_again():
    (waiting,) = asked(ChunkLost, stream_of(fact(outcome=UNMATCHED)))
    assert isinstance(waiting, NotChecked) and waiting.due_ns == NOW_NS + AGAIN_NS
    (waiting,) = asked(ChunkLost, stream_of(fact(outcome=UNMATCHED, is_close=True)))
    assert isinstance(waiting, NotChecked), "or else nobody would ever say what became of a close"


def test_both_may_be_said_at_once():
    waiting, found = asked(ChunkLost, stream_of(fact(outcome=UNMATCHED), fact(outcome=LOST)))
    assert isinstance(waiting, NotChecked) and isinstance(found, Found)


def test_what_was_written_again_with_success_is_not_lost():
    first = fact(outcome=REJECTED, order=5)
    assert asked(ChunkLost, stream_of(first, fact(order=5, arrival=1))) == []
    assert asked(ChunkLost, stream_of(first, fact(order=6, arrival=1))) != []
    assert asked(ChunkLost, stream_of(first, fact(order=5, arrival=1, process="other"))) != []
    assert asked(ChunkLost, stream_of(fact(outcome=REJECTED), fact(arrival=1))) != [], (
        "not known to be the same"
    )


def test_a_purged_stream_has_lost_nothing_and_one_of_the_sdk_is_mentioned():
    assert asked(ChunkLost, stream_of(fact(outcome=LOST), expired=True)) == []
    assert found_in(ChunkLost, stream_of(fact(outcome=LOST), is_system=True)).severity == "info"


def test_of_many_the_evidence_stays_small():
    facts = [fact(f"S{n % 300}", outcome=LOST) for n in range(3000)]
    found = found_in(ChunkLost, stream_of(*facts))
    assert found.evidence["chunks"] == 3000
    assert len(json.dumps(found.evidence)) < 3000 and len(found.message) < 500


def test_it_needs_no_run():
    assert found_in(ChunkLost, stream_of(fact(outcome=LOST), run=None)).run_id == RUN_ID


def test_a_step_that_was_only_inferred_is_called_so():
    found = found_in(ChunkLost, stream_of(fact(outcome=LOST, known="inferred")))
    assert "step stepA (inferred) is not stored" in found.message


def test_what_an_end_marker_hides_is_not_checked_rather_than_lost():
    (one,) = asked(ChunkLost, stream_of(fact(arrival=1), fact(outcome=HIDDEN), world="vercel"))
    assert isinstance(one, NotChecked) and "behind the end marker" in one.reason and one.due_ns is None
