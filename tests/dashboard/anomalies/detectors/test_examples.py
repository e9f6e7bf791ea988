"""The examples in the detectors' docstrings, which are also their documentation, run as they stand."""

from __future__ import annotations

import inspect

import pytest

from dashboard.anomalies.detectors.base import DETECTORS, SEVERITIES, Detector
from tests.examples import Example, example, examples_in

KINDS = {
    "chunk_lost", "closed_more_than_once", "closed_while_writing", "double_execution", "duplicate_chunk",
    "live_reader_diverges", "never_closed", "out_of_order", "protocol_violation", "racing_writers",
    "repeated_by_retry", "stream_silent", "stream_unlisted", "undecodable_chunk", "write_after_close",
    "write_after_run_end", "write_rejected",
}  # fmt: skip
SECTIONS = ["What it does", "Why it matters", "Example", "Needs", "False alarms"]
EXAMPLES = [
    one for detector in DETECTORS.found.values() for one in examples_in(inspect.getdoc(detector) or "")
]


@pytest.mark.parametrize("one", EXAMPLES, ids=lambda one: one.line)
def test_it_finds_exactly_what_its_example_says(one: Example):
    assert one.results() == one.expected


@pytest.mark.parametrize("kind", DETECTORS.found)
def test_without_any_one_detector_an_example_fails(kind: str):
    assert any(one.results(without=kind) != one.expected for one in EXAMPLES)


def test_every_kind_of_streams_has_a_detector():
    assert set(DETECTORS.found) == KINDS


@pytest.mark.parametrize("detector", DETECTORS.found.values(), ids=lambda detector: detector.kind)
def test_it_is_documented_with_an_example_and_its_negative(detector: type[Detector]):
    text = inspect.getdoc(detector) or ""
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    own = [one for one in examples_in(text) if any(detector.kind in word for word in one.expected)]
    negatives = [one for one in examples_in(text) if not one.expected]
    assert own and negatives


@pytest.mark.parametrize(("name", "detector"), DETECTORS.found.items())
def test_its_file_is_named_after_its_kind(name: str, detector: type[Detector]):
    assert detector.kind == name and detector.severity in SEVERITIES


def test_it_reads_a_line_of_words():
    one = example(
        'run=completed start text-delta(t1,"a b") {"type": "x"} close "s=1" -> write_after_close(4)'
    )
    assert [chunk.plain for chunk in one.chunks if not chunk.is_close] == [
        {"type": "start"},
        {"type": "text-delta", "id": "t1", "delta": "a b"},
        {"type": "x"},
        "s=1",
    ]
    assert [chunk.position for chunk in one.chunks] == [0, 1, 2, None, None]
    assert one.stream.run is not None and one.stream.run.status == "completed"
    assert one.expected == ["write_after_close(4)"]
