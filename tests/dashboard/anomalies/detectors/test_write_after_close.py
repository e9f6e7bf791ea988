from __future__ import annotations

import pytest

from dashboard.anomalies.detectors.write_after_close import WriteAfterClose
from streams.ledger import HIDDEN
from tests.dashboard.anomalies.detectors.written import asked, fact, found_in, stream_of
from tests.examples import CLOSE, RUN_ID, STREAM, example, facts_of

LATE = 'run=completed "a" close "b" close "c" -> closed_more_than_once(1,3) write_after_close(2,4)'


def test_it_names_every_chunk_that_no_reader_gets():
    one = example(LATE)
    assert one.results() == one.expected
    found = next(found for found in one.verdict().found if found.kind == "write_after_close")
    assert (found.severity, found.certainty) == ("error", "proved")
    assert (found.run_id, found.stream) == (RUN_ID, STREAM)
    assert found.message == "2 chunks are stored behind the end marker: no reader gets them."
    assert [(chunk.position, chunk.arrival) for chunk in found.chunks] == [(None, 3), (None, 5)]
    assert found.evidence["closed_by"] == f"chnk_{1:026}"


@pytest.mark.parametrize(
    "line",
    [
        'run=completed "a" "b" close -> nothing',
        'run=running "a" "b" -> nothing',
        "system=yes close data-x -> nothing",
        "expired=yes close data-x -> nothing",
    ],
)
def test_it_says_nothing_where_readers_miss_nothing(line: str):
    assert example(line).results() == []


def test_it_needs_no_run():
    (found,) = example('close "a" -> write_after_close(1)').verdict().found
    assert found.run_id == "" and found.message.startswith("A chunk is")


def test_where_the_world_hides_what_lies_there_reports_make_it_suspected():
    writes = [
        fact("A", arrival=1),
        fact("B", arrival=2, at=5, is_close=True),
        fact("A", at=6, outcome=HIDDEN),
    ]
    one = found_in(WriteAfterClose, stream_of(*writes, world="vercel"), facts_of(["a", CLOSE]))
    assert (one.certainty, one.step_id, one.evidence["chunks"]) == ("suspected", "step_A", 1)
    assert one.message.startswith("A chunk was acknowledged after the close")
    assert one.missing and not one.chunks


def test_a_second_close_that_is_hidden_is_no_chunk():
    writes = [fact("A", arrival=1, is_close=True), fact("A", at=6, is_close=True, outcome=HIDDEN)]
    assert asked(WriteAfterClose, stream_of(*writes, world="vercel"), facts_of([CLOSE])) == []
