"""Values that worlds hand over as JSON: spec version 1, the errors of 4.x, expired data."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from runs.payloads import (
    UNDEFINED,
    Invalid,
    JsDate,
    Limits,
    Truncated,
    TypedBytes,
    Unknown,
    decode_json,
)
from tests.runs.payloads.cases import devl


def test_it_reads_the_list_that_spec_version_1_stored() -> None:
    decoded = decode_json([[1, 4], {"a": 2, "d": 3}, "x", ["Date", "2024-01-01"], 5])
    assert decoded.value == [{"a": "x", "d": JsDate("2024-01-01")}, 5]
    assert (decoded.status, decoded.layers, decoded.problem) == ("ok", ("json", "devl"), None)


def test_it_reads_the_bare_number_of_undefined() -> None:
    assert decode_json(-1).value is UNDEFINED
    assert decode_json(-2).value == -2


@pytest.mark.parametrize(
    "value",
    [
        {"message": "boom", "stack": "Error: boom\n  at x"},
        {"error": {"message": "boom"}, "errorCode": "USER_ERROR"},
        "a string was thrown",
        ["a", "b"],
        [1, 2, 3],
        [[1, 2]],
        [{"a": 1}, {"b": 2}],
        [],
        None,
        True,
        7,
        0.5,
    ],
)
def test_it_passes_plain_values_through(value: object) -> None:
    decoded = decode_json(value)
    assert (decoded.status, decoded.value, decoded.layers) == ("ok", value, ("json",))


@pytest.mark.parametrize(
    "value",
    [{"expiredAt": "2026-01-01"}, [{"expiredAt": "2026-01-01"}], [[1], {"expiredAt": 2}, "2026-01-01"]],
)
def test_it_says_when_the_data_has_expired(value: object) -> None:
    assert decode_json(value).status == "expired"


def test_it_reads_bytes_as_payloads() -> None:
    data = devl({"a": 1}, "x")
    wrapped = {"__type": "Uint8Array", "data": base64.b64encode(data).decode()}
    assert decode_json(data).value == decode_json(wrapped).value == {"a": "x"}
    assert decode_json({"__type": "Uint8Array", "data": "?"}).value == {"__type": "Uint8Array", "data": "?"}


def test_it_replaces_lone_surrogates() -> None:
    assert decode_json({"\ud800": "a\udfff"}).value == {"\ufffd": "a\ufffd"}
    assert decode_json([{"a": 1}, "\ud800"]).value == {"a": "\ufffd"}


def test_it_keeps_what_cbor_can_hold() -> None:
    day = datetime(2026, 1, 2, tzinfo=UTC)
    value = {"b": b"\x00", "d": day, 5: object(), "n": 1 << 20_000, "t": (1,)}
    assert decode_json(value).value == {
        "b": TypedBytes("Uint8Array", b"\x00"),
        "d": JsDate("2026-01-02T00:00:00+00:00"),
        "5": Unknown("object", ()),
        "n": Invalid("an integer too large to show", "20,001 bits"),
        "t": [1],
    }


def test_it_cuts_plain_values_to_the_limits() -> None:
    wide = decode_json({"a": list(range(9)), "b": {"c": 1}}, limits=Limits(nodes=5))
    assert wide.status == "truncated"
    assert wide.value == {"a": [0, 1, 2, Truncated(-1, "array", 9, 3)], "b": Truncated(-1, "object", 1)}
    deep: list[object] = []
    for _ in range(900):
        deep = ["x", deep]
    assert decode_json(deep).status == "truncated"
    many = decode_json({str(n): n for n in range(9)}, limits=Limits(nodes=2))
    assert many.value == {"0": 0, "1": 1, "…": Truncated(-1, "object", 9, 2)}


def test_it_cuts_and_reports_devalue_lists_too() -> None:
    cut = decode_json([[1, 1, 1], "x"], limits=Limits(nodes=2))
    assert (cut.status, cut.value) == ("truncated", ["x", "x", Truncated(0, "array", 3, 2)])
    broken = decode_json([["Blob", 1], "x"])
    assert broken.problem is not None
    assert broken.problem.reason == "unknown type 'Blob'"


def test_it_keeps_empty_containers_at_the_limit() -> None:
    assert decode_json({"a": {}, "b": []}, limits=Limits(nodes=2)).value == {"a": {}, "b": []}


def test_it_cuts_where_the_callers_stack_ends() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    decoded = decode_json(deep, limits=Limits(depth=10_000))
    assert (decoded.status, decoded.value) == ("truncated", Truncated(-1, "list"))
