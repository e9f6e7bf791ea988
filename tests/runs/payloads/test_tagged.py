"""The JSON form that loses no type. What the corpus has no case for."""

from __future__ import annotations

import pytest

from runs.payloads import Limits, as_tagged, decode
from tests.runs.payloads.cases import devl


@pytest.mark.parametrize(
    ("flat", "tagged"),
    [
        ([2**60], {"$": "number", "v": str(2**60)}),
        ([[-4, -5, -6]], [{"$": "number", "v": v} for v in ("Infinity", "-Infinity", "-0")]),
        ([{"__proto__": 1}, "x"], {"$": "object", "v": [["__proto__", "x"]]}),
        ([["Instance", 1], {"$": 2}, "x"], {"$": "instance", "_$": "x"}),
        ([["Temporal.Instant", "x"]], {"$": "temporal", "type": "Instant", "v": "x"}),
        ([["Blob", 1], "x"], {"$": "unknown", "tag": "Blob", "v": ["x"]}),
        ([9, "unused"], 9),
        ([[9]], [{"$": "invalid", "reason": "a reference outside the list of 1", "text": "9"}]),
    ],
)
def test_it_tags_what_json_cannot_hold(flat: list[object], tagged: object) -> None:
    assert as_tagged(decode(devl(*flat)).value) == tagged


def test_it_tags_what_limits_left_out() -> None:
    value = decode(devl([1, 1], [2], "x"), limits=Limits(depth=1)).value
    assert as_tagged(value)[0] == {"$": "truncated", "node": 1, "kind": "array", "total": 1, "start": 0}


def test_it_tags_what_is_encrypted() -> None:
    value = decode(b"encr" + bytes(38)).value
    assert as_tagged(value) == {"$": "encrypted", "scheme": "encr", "size": 10, "writer": None}


def test_it_survives_any_depth() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert as_tagged(deep) == {"$": "truncated", "reason": "nested too deeply"}
