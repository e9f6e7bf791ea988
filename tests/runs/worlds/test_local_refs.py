"""Streams that payloads speak of."""

from __future__ import annotations

import json
import zlib

import pytest
from backports import zstd

from runs.observations import StreamSeen
from runs.worlds._local_refs import INFLATED_MAX, Handle, handles_in, owner_of
from tests.runs.worlds.made_worlds import OTHER_RUN, RUN, STREAM, MadeWorld, of, wrapped

ARGUMENT = "strm_01M803WSDCT2X0WFSWZSBS26VN"
ABORT = "strm_01M803X0000000000000000000_system_abort"
NODES = [{"a": 1, "b": 4}, ["ReadableStream", 2], {"name": 3, "framing": 6}, ARGUMENT, ["WritableStream", 5]]
PAYLOAD = b"devl" + json.dumps([*NODES, {"name": 7, "runId": 8}, "framed-v1", STREAM, RUN]).encode()


def gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"gzip" + packer.compress(data) + packer.flush()


@pytest.mark.parametrize("pack", [bytes, gzipped, lambda data: b"zstd" + zstd.compress(data)])
def test_it_finds_the_handles_in_a_payload(pack):
    handles = list(handles_in([pack(PAYLOAD)], b""))
    assert handles[:2] == [Handle(ARGUMENT, "framed-v1"), Handle(STREAM, "", RUN)]
    assert {handle.name for handle in handles} == {ARGUMENT, STREAM}


def test_it_finds_names_in_plain_text():
    assert list(handles_in([], f'{{"a": "x {ABORT} y"}}'.encode())) == [Handle(ABORT)]


@pytest.mark.parametrize(
    "payload",
    [
        b"encr" + bytes(40),
        b"gzip" + b"broken",
        b"zstd" + zstd.compress(b"x" * (INFLATED_MAX + 1)),
        b"devl[1,",
        b"",
        b"devl" + b"[" * 100_000,
        b'devl["strm_short", "strm_01M803WSDCT2X0WFSWZSBS26V"]',
    ],
)
def test_it_finds_nothing_in_what_it_cannot_open(payload):
    assert list(handles_in([payload], b"")) == []


def test_it_finds_the_names_in_a_payload_that_is_cut_off():
    whole = gzipped(b"devl" + json.dumps([ARGUMENT, *map(str, range(5_000))]).encode())
    assert list(handles_in([whole[: len(whole) // 2]], b"")) == [Handle(ARGUMENT)]


@pytest.mark.parametrize(
    "nodes", [[{"name": 9}], [{"name": True}], [{"name": -1}], [{"name": []}], {"name": 0}, 7]
)
def test_it_survives_handles_that_are_none(nodes):
    found = list(handles_in([b"devl" + json.dumps(nodes).encode() + b" " * 8 + b"strm_"], b""))
    assert found == []
    assert list(handles_in([b"devl" + json.dumps([nodes, "strm_"]).encode()], b"")) == []


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        (STREAM, (RUN, True)),
        (STREAM + "_bG9ncw", (RUN, True)),
        (ABORT, (OTHER_RUN, False)),
        (ARGUMENT, ("", False)),
        (STREAM + "x", (RUN, False)),
        (STREAM.lower(), ("", False)),
        ("my-own-stream", ("", False)),
    ],
)
def test_it_tells_the_run_in_a_streams_name(name, owner):
    assert owner_of(name) == owner


def linked(made: MadeWorld) -> dict[str, str]:
    return {one.name: one.run_id for one in of(StreamSeen, made.look())}


def test_it_links_a_stream_to_the_run_that_its_name_proves_and_else_to_the_one_that_speaks_of_it(tmp_path):
    made = MadeWorld(tmp_path)
    made.event(run_id=OTHER_RUN, eventData={"input": wrapped(f'devl["{STREAM}","{ARGUMENT}"]'.encode())})
    assert linked(made) == {STREAM: RUN, ARGUMENT: OTHER_RUN}


def test_it_links_a_stream_to_the_run_that_its_handle_names(tmp_path):
    made = MadeWorld(tmp_path)
    payload = f'devl[["WritableStream",1],{{"name":2,"runId":3}},"{ARGUMENT}","{RUN}"]'
    made.step(run_id=OTHER_RUN, input=wrapped(payload.encode()))
    assert linked(made) == {ARGUMENT: RUN}


def test_it_links_a_system_stream_by_name_only_if_there_is_such_a_run(tmp_path):
    made = MadeWorld(tmp_path)
    made.event(eventData={"input": wrapped(f'devl["{ABORT}"]'.encode())})
    made.chunk(1, stream=ABORT)
    assert linked(made) == {ABORT: RUN}
    made.run(OTHER_RUN)
    assert linked(made) == {ABORT: OTHER_RUN}


def test_it_does_not_link_a_stream_whose_name_and_chunks_say_nothing(tmp_path):
    made = MadeWorld(tmp_path)
    made.chunk(1, stream=ARGUMENT), made.chunk(1, stream="my-own-stream")
    assert linked(made) == {}
