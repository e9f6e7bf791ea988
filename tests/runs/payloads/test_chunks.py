"""One stored stream chunk, of every kind that versions of the SDK write."""

from __future__ import annotations

import pytest

from runs.payloads import Limits, TypedBytes, decode_chunk
from tests.runs.payloads.cases import KEY, case, devl, frame

HELLO = devl({"type": 1, "delta": 2}, "text-delta", "hello")


def test_it_reads_one_framed_value() -> None:
    found = decode_chunk(frame(HELLO))
    assert (found.kind, found.problem) == ("framed-value", None)
    assert found.values[0].value == {"type": "text-delta", "delta": "hello"}
    assert found.values[0].size == len(HELLO)


def test_it_reads_several_frames_of_one_chunk() -> None:
    found = decode_chunk(frame(HELLO) + frame(devl("end")))
    assert [it.value for it in found.values] == [{"type": "text-delta", "delta": "hello"}, "end"]


def test_it_opens_encrypted_frames() -> None:
    data = case("5.0.0-beta.55/stream_encrypted").data
    assert [it.status for it in decode_chunk(data).values] == ["encrypted", "encrypted"]
    assert [it.value for it in decode_chunk(data, key=KEY).values] == [{"a": 1}, {"b": 2}]


def test_it_reads_the_unframed_values_of_abort_streams() -> None:
    found = decode_chunk(devl({"reason": 1}, "stop"))
    assert (found.kind, found.values[0].value) == ("unframed-value", {"reason": "stop"})


def test_it_reads_lines_of_the_oldest_streams() -> None:
    found = decode_chunk(b'[{"a":1},5]\n-1\n\n["x"]')
    assert found.kind == "legacy-json-lines"
    assert [it.value for it in found.values][::2] == [{"a": 5}, "x"]
    assert found.values[0].size == 11
    assert decode_chunk(b"-1\n").kind == "legacy-json-lines"


@pytest.mark.parametrize(
    "data", [b'{"a":1}\n', b"[1,2,3]\n", b"-5 degrees\n", b"plain\n", b'"x"', bytes(8), b"\xff\xd8\xff\xe0"]
)
def test_it_takes_other_bytes_for_a_byte_stream(data: bytes) -> None:
    found = decode_chunk(data)
    assert found.kind == "raw-bytes"
    assert found.values[0].value == TypedBytes("Uint8Array", data)
    assert (found.values[0].status, found.values[0].layers, found.problem) == ("ok", ("raw",), None)


def test_it_takes_frames_without_values_for_framed_bytes() -> None:
    found = decode_chunk(frame(b"hi") + frame(b"there"))
    assert found.kind == "framed-bytes"
    assert [it.value.data for it in found.values] == [b"hi", b"there"]


def test_it_believes_the_streams_handle() -> None:
    assert decode_chunk(frame(HELLO), framing="framed-v1").values[0].value.data == HELLO
    assert decode_chunk(frame(HELLO), framing="raw").values[0].value.data == frame(HELLO)


def test_it_shows_the_bytes_of_a_stream_that_is_not_framed_as_its_handle_says() -> None:
    found = decode_chunk(b"log line", framing="framed-v1")
    assert (found.kind, found.values[0].value.data) == ("raw-bytes", b"log line")
    assert found.problem is not None


def test_it_has_no_values_in_an_empty_chunk() -> None:
    for framing in (None, "raw", "framed-v1"):
        assert decode_chunk(b"", framing=framing).kind == "empty"


def test_it_says_which_frame_is_cut() -> None:
    found = decode_chunk(frame(HELLO) + frame(HELLO)[:20])
    assert [it.status for it in found.values] == ["ok"]
    assert found.problem is not None
    assert found.problem.offset == len(frame(HELLO))
    assert (
        found.problem.reason
        == f"the frame has 16 of its {len(HELLO)} bytes, the rest may be in the next chunk"
    )


def test_it_reads_past_a_length_that_cannot_be() -> None:
    found = decode_chunk(frame(HELLO) + b"\xff\xff\xff\xff" + devl("after"))
    assert [it.value for it in found.values][1] == "after"
    assert found.problem is not None
    assert found.problem.reason == "a length of 4,294,967,295 bytes: no frame starts here"


def test_it_shows_the_first_10_000_frames() -> None:
    found = decode_chunk(frame(devl("x")) * 10_001)
    assert len(found.values) == 10_000
    assert found.problem is not None
    assert found.problem.reason == "only the first 10,000 frames are shown"


def test_it_stops_when_its_time_is_up() -> None:
    found = decode_chunk(frame(devl("x")) * 100, limits=Limits(seconds=0))
    assert len(found.values) < 100
    assert found.problem is not None
    assert "seconds" in found.problem.reason


def test_it_shows_the_first_10_000_lines() -> None:
    found = decode_chunk(b"[5]\n" * 10_001)
    assert (found.kind, len(found.values)) == ("legacy-json-lines", 10_000)
    assert found.problem is not None
