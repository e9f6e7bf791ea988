"""JavaScript's types in both wire forms: the JavaScript SDK's, and plain devalue's (Python)."""

from __future__ import annotations

import pytest

from runs.payloads import (
    HOLE,
    UNDEFINED,
    Abort,
    BigInt,
    Boxed,
    ClassRef,
    Cycle,
    Headers,
    Instance,
    Invalid,
    JsDate,
    JsError,
    JsMap,
    JsRegExp,
    JsSet,
    JsUrl,
    NullObject,
    Request,
    Response,
    SparseArray,
    StepRef,
    StreamRef,
    Temporal,
    TypedBytes,
    Unknown,
    UrlSearchParams,
    WorkflowRef,
    decode,
)
from tests.runs.payloads.cases import devl

ISO = "2024-02-29T12:34:56.789Z"


@pytest.mark.parametrize(
    ("flat", "value"),
    [
        ([["Date", 1], ISO], JsDate(ISO)),
        ([["Date", ISO]], JsDate(ISO)),
        ([["Date", 1], "."], JsDate(None)),
        ([["BigInt", 1], "-12"], BigInt("-12")),
        ([["BigInt", "12"]], BigInt("12")),
        ([["URL", 1], "https://a/"], JsUrl("https://a/")),
        ([["URLSearchParams", 1], "."], UrlSearchParams("")),
        ([["URLSearchParams", "a=1"]], UrlSearchParams("a=1")),
        ([["RegExp", 1], {"source": 2, "flags": 3}, "a+", "gi"], JsRegExp("a+", "gi")),
        ([["RegExp", "a+", "g"]], JsRegExp("a+", "g")),
        ([["RegExp", "a+"]], JsRegExp("a+", "")),
        ([["Map", 1], [2], [3, 4], "k", "v"], JsMap((("k", "v"),))),
        ([["Map", 1, 2], "k", "v"], JsMap((("k", "v"),))),
        ([["Map"]], JsMap(())),
        ([["Set", 1], [2, 3], "a", "b"], JsSet(("a", "b"))),
        ([["Set", 1, 2], "a", "b"], JsSet(("a", "b"))),
        ([["Set", 1], "only"], JsSet(("only",))),
        ([["Set", 1], ["Date", 2], ISO], JsSet((JsDate(ISO),))),
        ([["Headers", 1], [2, 2], [3, 4], "set-cookie", "a"], Headers((("set-cookie", "a"),) * 2)),
        ([["Object", 1], 3], Boxed(3)),
        ([["Object", 3]], Boxed(3)),
        ([["Object", "s"]], Boxed("s")),
        ([["Object", 1], ["BigInt", "7"]], Boxed(BigInt("7"))),
        ([["null", "a", 1], "x"], NullObject({"a": "x"})),
        ([["Temporal.Instant", ISO]], Temporal("Instant", ISO)),
        ([[-7, 10, 3, 1], "x"], SparseArray(10, ((3, "x"),))),
        ([[1, -2, -1], "x"], ["x", HOLE, UNDEFINED]),
        ([["Uint8Array", 1], "AAEC"], TypedBytes("Uint8Array", b"\x00\x01\x02")),
        ([["Uint8Array", 1], "."], TypedBytes("Uint8Array", b"")),
        ([["Uint8Array", 1], ["ArrayBuffer", "AAEC"]], TypedBytes("Uint8Array", b"\x00\x01\x02")),
        ([["Uint8Array", 1, 1, 2], ["ArrayBuffer", "AAEC"]], TypedBytes("Uint8Array", b"\x01\x02")),
        ([["Int16Array", 1, 2, 1], ["ArrayBuffer", "AAECAw=="]], TypedBytes("Int16Array", b"\x02\x03")),
        ([["ArrayBuffer", "AA=="]], TypedBytes("ArrayBuffer", b"\x00")),
        ([["Class", 1], {"classId": 2}, "c"], ClassRef({"classId": "c"})),
    ],
)
def test_it_reads_both_wire_forms(flat: list[object], value: object) -> None:
    decoded = decode(devl(*flat))
    assert (decoded.status, decoded.problem) == ("ok", None)
    assert decoded.value == value
    assert type(decoded.value) is type(value)


def test_it_keeps_the_cause_and_the_errors_of_an_error() -> None:
    flat = [
        ["AggregateError", 1],
        {"message": 2, "cause": 3, "errors": 5, "stack": 6},
        "many",
        ["TypeError", 4],
        {"name": 7, "message": 2},
        [3],
        "at x",
        "Mine",
    ]
    error = decode(devl(*flat)).value
    cause = JsError("TypeError", "Mine", {"name": "Mine", "message": "many"})
    assert (error.type, error.name, error.message, error.stack) == (
        "AggregateError",
        "AggregateError",
        "many",
        "at x",
    )
    assert (error.cause, error.errors) == (cause, [cause])


def test_it_takes_unknown_error_classes_for_errors() -> None:
    assert decode(devl(["NewError", 1], {"message": 2}, "m")).value == JsError(
        "NewError", "NewError", {"message": "m"}
    )


def test_it_reads_references_to_the_users_code() -> None:
    fields = {"stepId": 2, "workflowId": 2, "classId": 3, "data": 4, "closureVars": 4}
    tail = [fields, "id", "class//./geo//Point", {"x": 5}, 1]
    assert decode(devl(["StepFunction", 1], *tail)).value.step_id == "id"
    assert decode(devl(["StepFunction", 1], *tail)).value.closure == {"x": 1}
    assert decode(devl(["WorkflowFunction", 1], *tail)).value.workflow_id == "id"
    instance = decode(devl(["Instance", 1], *tail)).value
    assert (instance.class_name, instance.data) == ("Point", {"x": 1})
    assert isinstance(decode(devl(["StepFunction", 1], *tail)).value, StepRef)
    assert isinstance(decode(devl(["WorkflowFunction", 1], *tail)).value, WorkflowRef)
    assert isinstance(instance, Instance)


def test_it_reads_stream_and_abort_handles() -> None:
    flat = [
        {"in": 1, "abort": 6},
        ["ReadableStream", 2],
        {"name": 3, "type": 4, "framing": 5},
        "strm_1",
        "bytes",
        "framed-v1",
        ["AbortSignal", 7],
        {"streamName": 3, "hookToken": 4, "aborted": 8},
        True,
    ]
    value = decode(devl(*flat)).value
    stream, abort = value["in"], value["abort"]
    assert isinstance(stream, StreamRef)
    assert (stream.kind, stream.name, stream.type, stream.framing, stream.run_id) == (
        "ReadableStream",
        "strm_1",
        "bytes",
        "framed-v1",
        None,
    )
    assert isinstance(abort, Abort)
    assert (abort.kind, abort.stream_name, abort.hook_token, abort.aborted) == (
        "AbortSignal",
        "strm_1",
        "bytes",
        True,
    )


def test_it_reads_requests_and_responses() -> None:
    assert decode(devl(["Request", 1], {"method": 2}, "GET")).value == Request({"method": "GET"})
    assert decode(devl(["Response", 1], {"status": 2}, 204)).value == Response({"status": 204})


def test_it_shows_the_contents_of_a_type_it_does_not_know() -> None:
    decoded = decode(devl(["Blob", 1], {"x": 2}, 3))
    assert decoded.value == Unknown("Blob", ({"x": 3},))
    assert decoded.status == "ok"
    assert decoded.problem is not None
    assert decoded.problem.reason == "unknown type 'Blob'"


@pytest.mark.parametrize(
    "flat",
    [
        [["Date", 5]],
        [["BigInt", 1], "ten"],
        [["RegExp", 1], {}],
        [["URL", 1], 5],
        [["URLSearchParams"]],
        [["Temporal.Instant", 1], None],
        [["Headers", 1], "x"],
        [["Object", []]],
        [["Uint8Array", 1], "!!!"],
        [["Uint8Array", 1], ["ArrayBuffer"]],
        [["TypeError", 1], "x"],
        [["Instance"]],
    ],
)
def test_it_shows_a_broken_node_as_invalid(flat: list[object]) -> None:
    decoded = decode(devl(*flat))
    assert isinstance(decoded.value, Invalid)
    assert decoded.problem is not None


def test_it_shows_the_whole_buffer_of_a_view_outside_it() -> None:
    decoded = decode(devl(["Uint8Array", 1, 2, 9], ["ArrayBuffer", "AAEC"]))
    assert decoded.value == TypedBytes("Uint8Array", b"\x00\x01\x02")
    assert decoded.problem is not None


def test_it_shows_a_key_without_value() -> None:
    assert decode(devl(["null", "a"])).value == NullObject({"a": UNDEFINED})
    assert decode(devl(["Map", 1], "x")).value == JsMap((("x", UNDEFINED),))


def test_it_keeps_cycles_and_names_their_target() -> None:
    flat = [{"kids": 1, "m": 3}, [2], {"up": 0, "mine": 2}, ["Map", 4], [5], [6, 3], "k"]
    value = decode(devl(*flat)).value
    assert value["kids"][0] == {"up": Cycle("$", 0), "mine": Cycle("$.kids[0]", 2)}
    assert value["m"] == JsMap((("k", Cycle("$.m", 3)),))


def test_it_names_places_in_maps_and_sets() -> None:
    flat = [{"m": 1}, ["Map", 2, 3], {"mine": 2}, {"mine": 3, "s": 4}, ["Set", 5, 6], "x", [6]]
    key, value = decode(devl(*flat)).value["m"].items[0]
    assert key["mine"].to == "$.m<key 0>"
    assert value["mine"].to == "$.m<value 0>"
    assert value["s"].items[1][0].to == "$.m<value 0>.s<item 1>"


def test_it_gives_the_same_object_for_the_same_reference() -> None:
    value = decode(devl({"a": 1, "b": 1, "c": 2}, {"x": 3}, [1], 5)).value
    assert value["a"] is value["b"] is value["c"][0]


def test_it_never_treats_proto_as_special() -> None:
    assert decode(devl({"__proto__": 1}, {"x": 2}, True)).value == {"__proto__": {"x": True}}
