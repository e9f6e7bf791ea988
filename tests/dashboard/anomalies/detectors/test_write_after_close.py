from __future__ import annotations

import pytest

from tests.examples import RUN_ID, STREAM, example

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
