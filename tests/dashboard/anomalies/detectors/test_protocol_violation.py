from __future__ import annotations

import pytest

from tests.examples import example


def test_what_the_sdk_throws_on_is_an_error():
    (found,) = (
        example("start text-delta(t1) text-delta(t1) text-start(t1) text-end(t1) finish close")
        .verdict()
        .found
    )
    assert (found.kind, found.severity, found.certainty) == ("protocol_violation", "error", "proved")
    assert (
        found.message
        == "At position 1: text-delta of 't1' comes before its start (2 chunks break the grammar)."
    )
    assert found.evidence["violations"] == {"delta-before-start": 2}
    assert found.evidence["ai_sdk_majors_that_throw"] == [5, 7]
    assert [chunk.position for chunk in found.chunks] == [1, 2]


def test_what_it_silently_gets_wrong_is_a_warning():
    (found,) = example("start text-start(t1) text-end(t1) close").verdict().found
    assert found.severity == "warning"
    assert found.message == "At the end marker: the message begun at position 0 never finished."


def test_it_leads_with_the_violation_that_throws():
    line = "text-start(t1) text-delta(t1) text-start(t1) text-end(t1) data-status text-end(t1) finish close"
    (found,) = example(line).verdict().found
    assert found.message.startswith("At position 5: text-end of 't1' comes after its end")
    assert found.evidence["violations"] == {"duplicate-start": 1, "end-after-end": 1}


def test_one_chunk_that_breaks_two_rules_is_named_once():
    (found,) = example("start(m1) finish text-delta(t1) close").verdict().found
    assert len(found.chunks) == 1 and found.evidence["violations"] == {
        "after-finish": 1,
        "delta-before-start": 1,
    }


@pytest.mark.parametrize(
    "line",
    [
        "start text-start(t1) text-delta(t1) text-end(t1) finish close",
        "text-delta(t1) text-delta(t1) close",
        '{"type":"text"} {"type":"start"} {"type":"progress"} {"type":"start"} close',
        "data-status data-status close",
        '"text" null {"n":1} close',
        "undecodable undecodable close",
    ],
)
def test_proper_messages_and_other_streams_are_left_alone(line: str):
    assert example(line).results() == []


def test_it_judges_only_what_readers_get():
    one = example("start text-start(t1) text-end(t1) finish close text-delta(t9) -> write_after_close(5)")
    assert one.results() == one.expected


def test_it_says_from_where_on_it_could_not_judge():
    one = example(
        "start text-start(t1) undecodable text-delta(t9) finish close "
        "-> unchecked(protocol_violation) undecodable_chunk(2)"
    )
    assert one.results() == one.expected
