"""A bundle is a file from anybody: what it may cost, and what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import threading
import zipfile
import zlib

import pytest

from runs.observations import ChunkSeen, EventSeen, RunSeen, StepSeen, StreamListSeen, StreamSeen, Unreadable
from runs.payloads import as_plain, decode_chunk
from runs.worlds._bundle_rows import write_of
from runs.worlds._bundle_shape import placeholder
from runs.worlds.base import WORLDS, Seen, WorldError
from runs.worlds.bundle import BundleWorld

STREAM, RUN = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user", "wrun_01M803XX9EKPGB0DR66MWJRZ8Z"
RECORD = {
    "run_id": RUN,
    "status": "completed",
    "workflow": "workflow//./a//b",
    "source_ns": 5,
    "created_ns": 1,
    "stream": {"name": STREAM, "listed": True, "framing": ""},
}


def chunk(number, **fields):
    clocks = {"minted_ms": 7, "stored_ns": number, "observed_ns": number + 1}
    outline = {"form": "framed-value", "values": [{"type": "text-delta", "delta": {"characters": 3}}]}
    record = {
        "arrival": number,
        "chunk_id": f"chnk_{number:026d}",
        "size": 60,
        "digest": "ab" * 16,
        "clocks": clocks,
    }
    return record | {"outline": outline} | fields


def lines(*records):
    return b"".join(json.dumps(one).encode() + b"\n" for one in records)


def made(path, manifest=None, **parts):
    """A bundle of members given as `chunks__jsonl=b"..."`, with the hashes that belong to them."""
    members = {
        "run.json": json.dumps(RECORD).encode(),
        "steps.json": b'[{"step_id": "step_1", "name": "s", "status": "completed"}]',
        "events.jsonl": lines(
            {"event_id": "evnt_1", "type": "run_created", "source_ns": 3, "data": {"attempt": 1}}
        ),
        "chunks.jsonl": lines(chunk(1), chunk(2)),
        "writes.jsonl": b"",
        "processes.json": b"[]",
        "verdict.json": b'{"judged": true, "findings": [], "unchecked": []}',
    } | {name.replace("__", "."): data for name, data in parts.items()}
    hashes = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in members.items()
    }
    about = {"format": "tailrace-bundle", "version": 1, "stream": STREAM, "run": RUN, "members": hashes}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps(about | (manifest or {})))
    return BundleWorld(str(path))


def read(world, seen=None):
    return [one for batch in world.read(seen or Seen()) for one in batch]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "b.zip"


def test_it_yields_the_run_its_steps_and_events_and_the_chunks_in_the_order_of_arrival(path):
    found = read(made(path))

    assert [type(one) for one in found] == [
        RunSeen, StreamListSeen, StreamSeen, StepSeen, EventSeen, ChunkSeen, ChunkSeen,
    ]  # fmt: skip
    first = found[-2]
    assert (first.stream, first.stored_ns, first.observed_ns, first.minted_ms) == (STREAM, 1, 2, 7)
    assert first.problem == "" and b"redacted" in first.data
    assert found[1].names == (STREAM,) and found[2].listed is True


def test_what_is_known_is_not_yielded_again_nor_is_a_file_that_was_read(path):
    world = made(path)
    seen = Seen(chunks={STREAM: {f"chnk_{1:026d}"}}, events={(RUN, "evnt_1")}, rows={("run", RUN): 5})

    assert [type(one).__name__ for one in read(world, seen)] == [
        "StreamListSeen",
        "StreamSeen",
        "StepSeen",
        "ChunkSeen",
    ]
    assert read(world) == []


def test_it_is_found_as_a_kind_of_world_and_waits_without_a_word(path):
    stop = threading.Event()
    stop.set()
    assert WORLDS.found["bundle"] is BundleWorld
    assert list(made(path).watch(stop)) == []


def test_a_file_that_is_gone_is_an_unreadable_world(path):
    world = made(path)
    path.unlink()
    with pytest.raises(WorldError, match="cannot be read"):
        read(world)


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ({"version": 2}, "version 2, this Tailrace reads version 1"),
        ({"version": "1"}, "cannot be opened"),
        ({"format": "another"}, "is no bundle of Tailrace"),
    ],
)
def test_another_format_is_refused(path, manifest, says):
    with pytest.raises(WorldError, match=says) as refused:
        read(made(path, manifest))
    assert refused.value.permanent


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return BundleWorld(str(path))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../../up", "C:\\x", "\\\\host\\x", "payloads\\..\\x"]
)
def test_a_member_that_leads_out_of_it_is_refused(path, name):
    with pytest.raises(WorldError, match="leads out of it"):
        read(zipped(path, (name, b"x")))


def test_two_members_of_one_name_are_refused(path):
    with pytest.warns(UserWarning, match="Duplicate"):
        world = zipped(path, ("run.json", b"1"), ("run.json", b"2"))
    with pytest.raises(WorldError, match="two members"):
        read(world)


def test_a_bomb_is_refused_before_it_is_read(path):
    world = zipped(path, ("chunks.jsonl", b"\0" * (80 * 2**20)), ("manifest.json", b"{}"))
    assert path.stat().st_size < 2**20
    with pytest.raises(WorldError, match="a bomb"):
        read(world)


def test_a_member_that_claims_to_be_small_gives_no_more_than_that(path):
    made(path, chunks__jsonl=lines(chunk(1)) * 1000)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo("chunks.jsonl")
    at = data.rindex(b"chunks.jsonl") - 46  # its entry in the directory
    assert struct.unpack_from("<I", data, at + 24)[0] == info.file_size
    struct.pack_into("<I", data, at + 24, 100)
    path.write_bytes(data)

    told = [one for one in read(BundleWorld(str(path))) if isinstance(one, Unreadable)]
    assert [one.where for one in told] == ["chunks.jsonl"]


def test_members_that_overlap_are_refused(path):
    made(path, chunks__jsonl=zlib.compress(bytes(range(256)) * 100))
    data = bytearray(path.read_bytes())
    at = data.rindex(b"run.json") - 46
    struct.pack_into("<I", data, at + 20, len(data) * 2)  # its packed size
    path.write_bytes(data)
    with pytest.raises(WorldError, match="overlap"):
        read(BundleWorld(str(path)))


def test_what_is_encrypted_or_packed_otherwise_is_refused(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("manifest.json", b"{}")
    with pytest.raises(WorldError, match="packed in another way"):
        read(BundleWorld(str(path)))


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + bytes(18), b"PK\x03\x04garbage", b"\xff" * 5000])
def test_what_is_no_zip_or_an_empty_one_is_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(WorldError, match="is no bundle"):
        read(BundleWorld(str(path)))


@pytest.mark.parametrize("member", ["run.json", "steps.json", "events.jsonl", "chunks.jsonl"])
def test_a_damaged_or_missing_member_costs_only_itself(path, member):
    everything = read(made(path))
    hashes = {member: {"sha256": "0" * 64, "bytes": 1}}
    world = made(path)
    manifest = world.manifest()
    manifest["members"] |= hashes
    found = read(made(path, {"members": manifest["members"]}))

    told = [one for one in found if isinstance(one, Unreadable)]
    assert [one.where for one in told] == [member]
    kept = [one for one in found if not isinstance(one, Unreadable)]
    assert kept and set(map(repr, kept)) < set(map(repr, everything))


BAD_LINES = [
    b"not json",
    b"[1]",
    b'{"chunk_id": 7}',
    b'{"chunk_id": "c", "clocks": {"stored_ns": "x"}}',
    b'{"chunk_id": "c", "clocks": {"stored_ns": 1}, "digest": "zz"}',
    b"[" * 100_000,
    b'{"chunk_id": "c", "clocks": {"stored_ns": ' + b"9" * 5000 + b"}}",
]


@pytest.mark.parametrize("line", BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_line_that_cannot_be_read_costs_only_itself(path, line):
    found = read(made(path, chunks__jsonl=lines(chunk(1)) + line + b"\n" + lines(chunk(3))))

    assert [one.stored_ns for one in found if isinstance(one, ChunkSeen)] == [1, 3]
    assert [one.where for one in found if isinstance(one, Unreadable)] == ["chunks.jsonl:2"]


def test_payloads_are_read_from_their_place_and_a_wrong_place_costs_only_its_chunk(path):
    one = chunk(1, payload={"member": "payloads/000000001.bin", "at": 0, "length": 3}, size=3)
    two = chunk(2, payload={"member": "payloads/000000001.bin", "at": 3, "length": 900}, size=900)
    three = chunk(3, payload={"member": "../../etc/passwd", "at": 0, "length": 3}, size=3)
    world = made(path, chunks__jsonl=lines(one, two, three), **{"payloads/000000001__bin": b"abcdef"})
    chunks = [one for one in read(world) if isinstance(one, ChunkSeen)]

    assert [one.data for one in chunks] == [b"abc", b"", b""]
    assert [bool(one.problem) for one in chunks] == [False, True, True]
    assert world.fetch_chunk(STREAM, f"chnk_{1:026d}") == b"abc"
    with pytest.raises(WorldError, match="cut short"):
        world.fetch_chunk(STREAM, f"chnk_{2:026d}")
    with pytest.raises(WorldError, match="has no chunk"):
        world.fetch_chunk(STREAM, "chnk_other")


def test_a_placeholder_has_the_structure_and_the_size_but_no_text():
    outline = {
        "values": [
            {"type": "text-delta", "id": "part-1", "delta": {"characters": 3}, "data": {"omitted": "object"}}
        ]
    }
    data = placeholder(outline, 200)

    (value,) = decode_chunk(data).values
    assert value.status == "ok" and len(data) == 200
    assert as_plain(value.value) == {
        "type": "text-delta",
        "id": "part-1",
        "delta": "███",
        "data": {},
        "redacted": True,
    }


@pytest.mark.parametrize(
    "outline",
    [
        None,
        5,
        {},
        {"values": 7},
        {"values": []},
        {"values": [{"characters": -1}]},
        {"values": [{"characters": 10**12}]},
    ],
)
def test_a_placeholder_of_nonsense_is_small_and_never_fails(outline):
    assert len(placeholder(outline, 10**9)) <= 2**17


def test_a_chunk_that_nobody_could_read_is_marked_as_redacted(path):
    end = chunk(2, is_close=True, size=0, outline=None)
    found = read(made(path, chunks__jsonl=lines(chunk(1, outline={"form": "raw-bytes"}), end)))

    assert [(one.data, one.problem) for one in found if isinstance(one, ChunkSeen)] == [
        (b"", "redacted"),
        (b"", ""),
    ]


def test_a_deep_outline_is_cut():
    deep = value = {}
    for _ in range(500):
        value["a"] = value = {}
    assert decode_chunk(placeholder({"values": [deep]}, 10)).values[0].status == "ok"


def written(**fields):
    base = {"process": "p", "number": 1, "place": 0, "called_ns": 5, "took_ns": 2, "ok": True, "acquired": 2}
    return write_of(STREAM, base | {"step": {"id": "step_1", "name": "s", "attempt": 1}} | fields)


def test_writables_that_other_streams_account_for_are_not_held_against_this_one():
    assert written(step_streams=2).acquired is None
    assert written(step_streams=2, acquired=3).acquired == 3
    assert written(step_streams=1).acquired == 2


def test_a_write_comes_back_as_it_was_reported():
    one = written(
        ok=False,
        error="HTTP 409",
        status=409,
        digest="ab" * 8,
        order=4,
        writer={"known": "exact", "writable": "pair 2"},
    )

    assert (one.ok, one.error, one.status, one.order, one.writable) == (False, "HTTP 409", 409, 4, "pair 2")
    assert one.digest == bytes.fromhex("ab" * 8) and one.step.known == "exact" and not one.is_sdk_writer
