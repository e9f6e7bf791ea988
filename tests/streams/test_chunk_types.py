from __future__ import annotations

from typing import Any

import pytest

from streams.chunk_types import PROBE, MessageShape, chunk_values, is_anywhere, required_fields, wrong_fields
from streams.facts import ChunkFact
from tests.examples import devalue, facts_of, values_of


def shape_of(values: list[Any]) -> MessageShape:
    shape = MessageShape()
    for value in values:
        shape.feed(value)
    return shape


@pytest.mark.parametrize(
    "line",
    [
        "start text-start(t1)",
        "text-start(t1)",
        "start(m1)",
        "data-status finish",
        "text-delta(t1) text-delta(t1) finish",
        "tool-input-available(c1) tool-output-available(c1)",
        'start text-start(t1) "stray" {"type":"mine"}',
    ],
)
def test_it_recognises_a_message(line: str):
    assert shape_of(values_of(line)).is_message


@pytest.mark.parametrize(
    "line",
    [
        "",
        "text-delta(t1) text-delta(t1) text-delta(t1)",
        "data-status data-status",
        '{"type":"start","job":1} {"type":"progress"} {"type":"finish"}',
        '{"type":"start"} {"type":"finish"}',
        '{"type":"error","errorText":"no"}',
        '{"type":"text-start"} {"type":"text-end"}',
        '{"from":"A","i":0} "text" null 42',
        '{"type":"text-start","id":"1"} {"a":1} {"b":1} {"c":1}',
    ],
)
def test_it_leaves_other_json_alone(line: str):
    assert not shape_of(values_of(line)).is_message


def test_it_leaves_the_parts_of_a_model_call_alone():
    kinds = ["stream-start", "response-metadata", "tool-call", "tool-result", "raw"]
    parts = [{"type": kind} for kind in kinds] + [{"type": "text-delta", "id": "0", "text": "x"}] * 3
    assert not shape_of([*parts, {"type": "text-start", "id": "0"}]).is_message


def test_it_decides_by_the_first_chunks_and_then_looks_no_further():
    shape = shape_of([{"n": 1}] * PROBE + values_of("start text-start(t1)") * PROBE)
    assert shape.ruled_out and not shape.is_message
    assert not shape_of([{"n": 1}] * (PROBE - 1)).ruled_out


def test_it_finds_the_frame_of_a_message_behind_many_deltas():
    deltas = values_of("text-delta(t1)") * (3 * PROBE)
    assert not shape_of(deltas).is_message
    assert shape_of([*deltas, *values_of("finish")]).is_message


@pytest.mark.parametrize(
    ("line", "unfinished"),
    [
        ("start text-start(t1)", True),
        ("text-start(t1) text-end(t1)", True),
        ("start text-start(t1) finish", False),
        ("start(m1) abort", False),
        ("start(m1) error", False),
        ("start(m1) finish start(m2)", True),
        ("text-delta(t1)", False),
        ('"text"', False),
    ],
)
def test_it_tells_whether_the_message_is_unfinished(line: str, unfinished: bool):
    assert shape_of(values_of(line)).unfinished is unfinished


def test_it_knows_the_required_fields():
    assert wrong_fields({"id": 1}, required_fields("text-delta") or {}) == ["id", "delta"]
    assert wrong_fields({"data": None}, required_fields("data-any") or {}) == []
    assert required_fields("text-middle") is None
    assert is_anywhere("data-x") and is_anywhere("file") and not is_anywhere("start")


def test_it_reads_every_value_of_a_chunk():
    def chunk(data: bytes) -> ChunkFact:
        return ChunkFact("chnk_1", 1, 0, False, False, len(data), 0, None, lambda: data)

    assert chunk_values(chunk(devalue({"a": 1}))) == [{"a": 1}]
    assert chunk_values(chunk(devalue("x") + devalue("y"))) == ["x", "y"]
    assert chunk_values(chunk(devalue("x") + b"\0\0\0\x08nope")) is None
    (undecodable,) = facts_of(values_of("undecodable"))
    assert chunk_values(undecodable) is None
