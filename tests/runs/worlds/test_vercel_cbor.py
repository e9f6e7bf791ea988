"""Answers of a server are bytes of a stranger: read as plain values, or refused."""

from __future__ import annotations

import random
import struct

import cbor2
import pytest

from runs.worlds._vercel_cbor import Garbled, body_of, bytes_of, decode, from_cbor, payload_of, plain
from runs.worlds._vercel_frames import frames_in, page_of
from tests.lab.vercel import wire
from tests.vercel_worlds import exchanges


def test_it_reads_what_the_sdks_encoder_writes():
    data = bytes.fromhex("b900036161d8404201026162c1fb41dab01ab07be76c6163f7")
    assert from_cbor(data) == {"a": b"\x01\x02", "b": "2026-10-03T02:38:57.936Z", "c": cbor2.undefined}
    assert plain(from_cbor(data))["c"] is None


def test_json_is_read_by_its_content_type():
    assert decode(b'{"a": [1, null]}', "application/json; charset=utf-8") == {"a": [1, None]}
    with pytest.raises(Garbled, match="no JSON"):
        decode(b"{", "application/json")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("nothing", ""),
        ("cut off", "a2616101"),
        ("a length beyond the end", "9b00ffffffffffffff"),
        ("a text beyond the end", "7b00ffffffffffffff61"),
        ("deep", "81" * 5000 + "00"),
        ("deep tags", "c1" * 5000 + "00"),
        ("a lone break", "ff"),
        ("an unknown form", "1c"),
    ],
)
def test_what_is_no_cbor_is_refused(name, data):
    with pytest.raises(Garbled, match="no CBOR"):
        from_cbor(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("d8236161", "a"),  # a regular expression: not compiled
        ("d8246161", "a"),  # a mail: not parsed
        ("c482185301", [0x53, 1]),  # a decimal fraction
        ("d81e820102", [1, 2]),  # a fraction
        ("d82550" + "00" * 16, b"\0" * 16),  # a UUID
        ("d901028101", [1]),  # a set
        ("d81d00", None),  # what was shared before
        ("d81c81d81d00", [None]),  # a list that holds itself
        ("c1fb7ff0000000000000", None),  # a date at infinity
        ("c1f97e00", None),
        ("c11b7fffffffffffffff", None),
        ("c0616e", "n"),
        ("d9ffff01", 1),  # a tag that nobody knows
    ],
)
def test_no_tag_makes_anything_but_plain_values(data, value):
    assert from_cbor(bytes.fromhex(data)) == value


def test_random_bytes_are_read_or_refused():
    dice = random.Random(7)
    for _ in range(3000):
        data = dice.randbytes(dice.randrange(60))
        try:
            plain(from_cbor(data))
        except Garbled:
            continue


def test_recorded_answers_cut_anywhere_are_refused():
    answers = [wire.frame({"eventId": "evnt_1", "eventType": "run_created", "createdAt": 1}, b"devl[1]")]
    whole = b"".join(answers) + wire.frame({"_end": 1, "hasMore": False})
    assert len(page_of(whole).events) == 1
    for at in range(len(whole)):
        with pytest.raises(Garbled):
            page_of(whole[:at])


def test_a_list_tells_where_to_go_on():
    page = page_of(wire.frame({"_end": 1, "next": "eid:evnt_9", "hasMore": False}))
    assert (page.cursor, page.has_more) == ("eid:evnt_9", False)
    assert page_of(wire.frame({"_end": 1, "next": "eid:evnt_9"})).has_more, "4.x leaves the rest out"
    assert not page_of(wire.frame({"_end": 1})).has_more


def test_a_list_that_failed_half_way_is_no_list():
    with pytest.raises(Garbled, match="ends with an error: too much"):
        page_of(wire.frame({"_error": 1, "code": "x", "message": "too much"}))


def test_a_frame_longer_than_all_is_refused_before_anything_is_made_of_it():
    with pytest.raises(Garbled, match="cut off"):
        list(frames_in(struct.pack(">I", 2**32 - 1) + b"\xa0"))


@pytest.mark.parametrize("name", ["vercel-5.0.0-beta.50", "vercel-5.0.0-beta.50-realapp"])
def test_it_reads_every_body_of_the_real_client(name):
    import base64

    sent = [one for one in exchanges(name) if one["url"].startswith("/v4/") and one["method"] == "POST"]
    metas = [meta for one in sent for meta, _ in frames_in(base64.b64decode(one["body"]))]
    assert len(metas) >= 30
    assert all(isinstance(meta["eventType"], str) for meta in metas)


@pytest.mark.parametrize(
    ("value", "payload"),
    [
        (b"devl[1]", b"devl[1]"),
        ("ZGV2bFsxXQ==", b"devl[1]"),
        ({"__type": "Uint8Array", "data": "ZGV2bFsxXQ=="}, b"devl[1]"),
        ({"type": "Buffer", "data": [1, 2]}, b"\x01\x02"),
        ("only a text", "only a text"),
        (
            {"message": "no", "cause": b"x"},
            {"message": "no", "cause": {"__type": "Uint8Array", "data": "eA=="}},
        ),
        (float("nan"), None),
        (2**70, hex(2**70)),
        (None, None),
    ],
)
def test_a_payload_is_bytes_or_a_plain_value(value, payload):
    assert payload_of(value) == payload


def test_bytes_that_are_none_are_not_made_up():
    assert bytes_of({"type": "Buffer", "data": [300]}) is None
    assert bytes_of({"__type": "Uint8Array", "data": "%%"}) is None


def test_a_frames_payload_is_the_sdks_bytes_or_what_the_server_put_into_cbor():
    assert body_of(b"devl[1]") == b"devl[1]"
    assert body_of(cbor2.dumps({"message": "no"})) == {"message": "no"}
    assert body_of(b"\xff\xff") == b"\xff\xff"
    assert body_of(b"") is None
