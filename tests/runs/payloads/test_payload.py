"""One payload: envelopes, plain values, and the report of what cannot be read."""

from __future__ import annotations

import gzip

import pytest
from backports import zstd

from runs.payloads import Invalid, decode
from tests.runs.payloads.cases import devl


def test_it_reads_a_small_object_and_says_how() -> None:
    data = devl({"type": 1, "n": 2}, "start", 5)
    decoded = decode(data)
    assert decoded.value == {"type": "start", "n": 5}
    assert (decoded.status, decoded.layers, decoded.size) == ("ok", ("devl",), len(data))
    assert decoded.problem is None


@pytest.mark.parametrize(
    ("flat", "value"),
    [
        ([{"a": 1, "b": 1}, [2], "x"], {"a": ["x"], "b": ["x"]}),
        ([{"a": 1}, {"b": 2}, {"c": 3}, None], {"a": {"b": {"c": None}}}),
        (["only"], "only"),
        ([[]], []),
        ([{}], {}),
        ([True], True),
        ([{"one": 1, "two": 2}, 1.5, "\U0001f600"], {"one": 1.5, "two": "\U0001f600"}),
    ],
)
def test_it_reads_plain_values(flat: list[object], value: object) -> None:
    assert decode(devl(*flat)).value == value


def test_it_accepts_any_kind_of_bytes() -> None:
    data = devl({"a": 1}, "x")
    assert decode(bytearray(data)).value == decode(memoryview(data)).value == {"a": "x"}


@pytest.mark.parametrize(
    ("tag", "pack"), [(b"gzip", gzip.compress), (b"zstd", zstd.compress)], ids=["gzip", "zstd"]
)
def test_it_opens_compressed_payloads(tag: bytes, pack: object) -> None:
    data = tag + pack(devl({"a": 1}, "x" * 2000))
    decoded = decode(data)
    assert decoded.value == {"a": "x" * 2000}
    assert decoded.layers == (tag.decode(), "devl")
    assert decoded.size == len(data)


def test_it_shows_what_is_left_of_a_compressed_payload_that_was_cut() -> None:
    whole = b"gzip" + gzip.compress(devl({"a": 1, "b": 2}, "first", "second"), compresslevel=0)
    decoded = decode(whole[:-14])
    assert decoded.status == "corrupt"
    assert decoded.value["a"] == "first"
    assert decoded.problem is not None
    assert (decoded.problem.layer, decoded.problem.offset) == ("gzip", len(whole) - 14)


def test_it_names_the_byte_where_the_text_is_damaged() -> None:
    data = b'devl[{"a":1,"b":2},"fine","cut of'
    decoded = decode(data)
    assert decoded.status == "corrupt"
    assert decoded.value == {"a": "fine", "b": Invalid("damaged here", '"cut of')}
    assert decoded.problem is not None
    assert (decoded.problem.layer, decoded.problem.offset) == ("devl", 26)
    assert decoded.problem.hex == data[10:].hex(" ")


def test_it_counts_bytes_not_characters() -> None:
    decoded = decode('devl[[1],"ééé",oops]'.encode())
    assert decoded.problem is not None
    assert decoded.problem.offset == len('devl[[1],"ééé",'.encode())
    assert bytes.fromhex(decoded.problem.hex).endswith(b"oops]")


def test_it_replaces_what_is_not_utf8_and_says_where() -> None:
    decoded = decode(b'devl[{"a":1},"x\xffy"]')
    assert (decoded.status, decoded.value) == ("ok", {"a": "x\ufffdy"})
    assert decoded.problem is not None
    assert decoded.problem.offset == 15


def test_it_replaces_lone_surrogates_and_keeps_pairs() -> None:
    data = rb'devl[{"a":1,"\udc00":2,"u":3},"\ud83d\ude00 \ud800x","y",["URL","\ud800"]]'
    decoded = decode(data)
    assert decoded.value["a"] == "\U0001f600 \ufffdx"
    assert decoded.value["\ufffd"] == "y"
    assert decoded.value["u"].href == "\ufffd"


def test_it_keeps_nul_characters() -> None:
    assert decode(rb'devl["a\u0000b"]').value == "a\x00b"


def test_it_keeps_reading_around_a_node_that_breaks_the_format() -> None:
    decoded = decode(devl({"good": 1, "bad": 99, "odd": 2}, "fine", ["Date"]))
    assert decoded.status == "ok"
    assert decoded.value["good"] == "fine"
    assert isinstance(decoded.value["bad"], Invalid)
    assert isinstance(decoded.value["odd"], Invalid)
    assert decoded.problem is not None
    assert decoded.problem.reason == "a reference outside the list of 3"


def test_it_points_at_the_element_that_breaks_the_format() -> None:
    data = devl([1], {"x": 2}, ["Map", 3, 4, 5], "k", "v", "left over")
    decoded = decode(data)
    assert decoded.problem is not None
    assert data[decoded.problem.offset :].startswith(b'["Map"')


def test_it_points_at_the_start_when_the_list_is_long() -> None:
    decoded = decode(devl([1, 2], "x" * 2**20, ["Date"]))
    assert decoded.problem is not None
    assert (decoded.problem.offset, decoded.problem.reason) == (4, "Date without text")


def test_it_refuses_text_that_is_no_list() -> None:
    for text in (rb'"\ud800"', b"{}", b"true", b"5", b"-2", b"[]"):
        assert decode(b"devl" + text).status == "corrupt"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"cbor\x00", "the format 'cbor' is not known"),
        (b"\xff\xfe\x00\x01", "starts with b'\\xff\\xfe\\x00\\x01', which is no format tag"),
    ],
)
def test_it_names_formats_it_does_not_know(data: bytes, reason: str) -> None:
    decoded = decode(data)
    assert decoded.status == "unsupported"
    assert decoded.problem is not None
    assert decoded.problem.reason == reason


@pytest.mark.parametrize("flat", [({"expiredAt": 1}, "2026-01-01"), ([1], {"expiredAt": 2}, "2026-01-01")])
def test_it_says_when_the_data_has_expired(flat: tuple[object, ...]) -> None:
    assert decode(devl(*flat)).status == "expired"


def test_it_does_not_take_other_objects_for_expired_ones() -> None:
    assert decode(devl({"expiredAt": 1, "b": 1}, "x")).status == "ok"
    assert decode(devl({"expiredAt": 1}, 5)).status == "ok"


def test_it_reports_its_own_faults_instead_of_raising(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("runs.payloads.payload.read", broken)
    decoded = decode(devl([]))
    assert decoded.status == "corrupt"
    assert decoded.problem is not None
    assert decoded.problem.reason.startswith("KeyError")
