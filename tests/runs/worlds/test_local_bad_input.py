"""What must not stop a local world from being read: broken, half-written, hostile and vanishing files."""

from __future__ import annotations

import errno
import hashlib
import os
import tracemalloc

import pytest

from runs.observations import ChunkSeen, EventSeen, ReadableAgain, RunSeen, StreamSeen, Unreadable
from runs.worlds import _local_files, _local_read
from runs.worlds.base import HEAD_KEPT, KEPT_WHOLE, Seen, WorldError
from tests.runs.worlds.made_worlds import OLD_NS, RUN, STREAM, MadeWorld, chunk_name, look, of

CHUNK = f"streams/chunks/{STREAM}/{chunk_name(1)}.bin"
RUN_FILE = f"runs/{RUN}.json"


@pytest.fixture
def made(tmp_path):
    return MadeWorld(tmp_path / "world")


@pytest.fixture
def now(monkeypatch):
    """The clock by which files are young, standing still."""
    monkeypatch.setattr(_local_files, "now_ns", lambda: OLD_NS + 10**18)
    return OLD_NS + 10**18


BROKEN = {
    b'{"runId": "wrun': "not whole JSON",
    b"": "not whole JSON",
    b"[1]": "JSON, but not an object",
    b"\xff\xfe": "not UTF-8 text at byte 0",
    b'{"a": NaN}': "not valid JSON",
    b'{"a": 1e999}': "not valid JSON",
    b'{"a": ' + b"9" * 5000 + b"}": "not valid JSON",
    b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}": "JSON nested too deeply",
    b"{}": "its runId is not the one in its name",
    b'{"runId": "wrun_X"}': "its runId is not the one in its name",
    b'{"runId": ["' + RUN.encode() + b'"]}': "its runId is not the one in its name",
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.items(), ids=range(len(BROKEN)))
def test_it_says_once_what_is_wrong_with_a_record(content, reason, made):
    made.put(RUN_FILE, content)
    seen = Seen()
    (unreadable,) = of(Unreadable, made.look(seen))
    assert (unreadable.where, unreadable.head) == (RUN_FILE, content[:200])
    assert unreadable.reason.startswith(reason)
    assert made.look(seen) == []


def test_it_says_when_a_broken_record_can_be_read_again(made):
    made.put(RUN_FILE, b"{"), made.put(f"events/{RUN}-evnt_1.json", b"{")
    seen = Seen()
    made.look(seen)
    path = made.run()
    assert [type(one) for one in made.look(seen, path)] == [ReadableAgain, RunSeen]
    assert seen.unreadable == {f"events/{RUN}-evnt_1.json"}


@pytest.mark.parametrize("is_hinted", [True, False])
def test_it_says_when_a_broken_record_is_gone(is_hinted, made):
    path, seen = made.put(RUN_FILE, b"{"), Seen()
    made.look(seen)
    path.unlink()
    assert made.look(seen, *[path] * is_hinted) == [ReadableAgain(RUN_FILE)]
    assert made.look(seen) == []


def test_it_takes_nothing_back_while_a_folder_or_the_world_cannot_be_listed(made, monkeypatch):
    made.put(RUN_FILE, b"{")
    seen, scandir = Seen(), os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("runs"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    made.look(seen)
    monkeypatch.setattr(os, "scandir", refuse)
    assert {one.where for one in of(Unreadable, made.look(seen))} == {"runs", "streams/runs"}
    assert RUN_FILE in seen.unreadable
    monkeypatch.undo()
    assert set(made.look(seen)) == {ReadableAgain("runs"), ReadableAgain("streams/runs")}


def test_it_leaves_a_half_written_record_for_later(made, now):
    path, seen = made.put(RUN_FILE, b'{"runId": ', now), Seen()
    assert made.look(seen) == made.look(seen, path) == []
    made.run()
    assert [type(one) for one in made.look(seen, path)] == [RunSeen]


def test_it_reports_a_half_written_record_that_nobody_completes(made, now):
    path, seen = made.put(RUN_FILE, b'{"runId": ', now), Seen()
    made.look(seen)
    made.age(path)
    assert [type(one) for one in made.look(seen)] == [Unreadable]


def test_it_does_not_read_a_record_that_is_absurdly_large(made, monkeypatch):
    monkeypatch.setattr(_local_read, "RECORD_MAX", 1_000)
    made.run(input="x" * 1_000)
    (unreadable,) = made.look()
    assert isinstance(unreadable, Unreadable) and "more than the 1,000 allowed" in unreadable.reason
    assert unreadable.head.startswith(b'{"runId"') and len(unreadable.head) == 200


def test_it_leaves_a_chunk_of_no_bytes_for_later_while_it_is_young(made, now):
    path, seen = made.put(CHUNK, b"", now), Seen()
    assert made.look(seen) == []
    made.put(CHUNK, b"\0abc", now)
    assert of(ChunkSeen, made.look(seen, path))[0].data == b"abc"


def test_it_gives_a_chunk_of_no_bytes_that_stays_so(made):
    made.put(CHUNK, b"")
    chunk = of(ChunkSeen, made.look())[0]
    assert (chunk.data, chunk.size, chunk.is_close) == (b"", 0, False)
    assert "empty file" in chunk.problem


def test_it_keeps_all_bytes_of_a_chunk_with_an_unknown_first_byte(made):
    made.put(CHUNK, b"\x07abc")
    chunk = of(ChunkSeen, made.look())[0]
    assert (chunk.data, chunk.size, chunk.is_close) == (b"\x07abc", 4, False)
    assert "0x07" in chunk.problem
    assert made.adapter().fetch_chunk(STREAM, chunk_name(1)) == b"\x07abc"


def test_it_gives_what_lies_behind_an_end_marker_in_its_own_file(made):
    made.put(CHUNK, b"\1abc")
    chunk = of(ChunkSeen, made.look())[0]
    assert (chunk.data, chunk.is_close) == (b"abc", True)
    assert "3 bytes behind it" in chunk.problem


@pytest.mark.parametrize("flag", [b"\0", b"\x07"])
@pytest.mark.parametrize("size", [KEPT_WHOLE - 1, KEPT_WHOLE, KEPT_WHOLE + 1, 3 * KEPT_WHOLE])
def test_it_keeps_the_head_of_a_large_chunk_with_the_size_and_hash_of_all(flag, size, made):
    payload = (flag if flag != b"\0" else b"") + bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    made.put(CHUNK, payload if flag != b"\0" else b"\0" + payload)
    chunk = of(ChunkSeen, made.look())[0]
    assert (chunk.size, chunk.digest) == (len(payload), hashlib.sha256(payload).digest()[:16])
    assert chunk.data == (payload if len(payload) <= KEPT_WHOLE else payload[:HEAD_KEPT])
    assert made.adapter().fetch_chunk(STREAM, chunk_name(1)) == payload


def test_it_reads_a_chunk_of_100_mb_without_holding_it(made):
    path = made.put(CHUNK, b"\0")
    os.truncate(path, 100_000_001)
    made.age(path)
    tracemalloc.start()
    chunk = of(ChunkSeen, made.look())[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (chunk.size, len(chunk.data)) == (100_000_000, HEAD_KEPT)
    assert peak < 10_000_000


def test_it_makes_small_batches_of_large_chunks(made):
    for number in range(40):
        made.chunk(number, b"x" * 900_000)
    sizes = [sum(len(chunk.data) for chunk in of(ChunkSeen, batch)) for batch in made.adapter().read(Seen())]
    assert sum(sizes) == 40 * 900_000
    assert max(sizes) < 20_000_000


@pytest.mark.parametrize("size", [100, KEPT_WHOLE * 2])
def test_it_leaves_a_chunk_that_still_grows_for_later(size, made, monkeypatch):
    path, seen, open_file = made.chunk(1, b"x" * size), Seen(), os.open

    def grow(name: str, *args: int) -> int:
        with path.open("ab") as file:
            file.write(b"more")
        return open_file(name, *args)

    monkeypatch.setattr(os, "open", grow)
    assert of(ChunkSeen, made.look(seen)) == []
    monkeypatch.undo()
    assert of(ChunkSeen, made.look(seen))[0].size == size + 4


def test_it_leaves_a_record_that_changes_under_its_eyes_for_later(made, monkeypatch):
    path, seen, read = made.run(), Seen(), os.read

    def change(*args: int) -> bytes:
        data = read(*args)
        made.age(path, OLD_NS + 10**12)
        return data

    monkeypatch.setattr(os, "read", change)
    assert made.look(seen) == []
    monkeypatch.undo()
    assert of(RunSeen, made.look(seen))[0].source_ns == OLD_NS + 10**12


def test_it_passes_over_files_that_vanish_after_they_were_listed(made, monkeypatch):
    doomed, open_file = [made.run(), made.chunk(1), made.event()], os.open
    made.chunk(2)

    def vanish(name: str, *args: int) -> int:
        for path in doomed:
            path.unlink(missing_ok=True)
        return open_file(name, *args)

    monkeypatch.setattr(os, "open", vanish)
    found = made.look()
    assert [chunk.chunk_id for chunk in of(ChunkSeen, found)] == [chunk_name(2)]
    assert {type(one) for one in found} == {StreamSeen, ChunkSeen}


@pytest.mark.parametrize("path", [RUN_FILE, CHUNK])
def test_it_says_what_it_may_not_read(path, made, monkeypatch):
    made.run(), made.chunk(1), made.event()
    seen, open_file = Seen(), os.open

    def refuse(name: str, *args: int) -> int:
        if name.endswith(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_file(name, *args)

    monkeypatch.setattr(os, "open", refuse)
    found = made.look(seen)
    assert of(Unreadable, found) == [Unreadable(path, "permission denied")]
    assert len(of(EventSeen, found)) == 1
    monkeypatch.undo()
    assert made.look(seen)[0] == ReadableAgain(path)


def test_it_takes_running_out_of_descriptors_for_no_fault_of_the_files(made, monkeypatch):
    def exhausted(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    made.run()
    monkeypatch.setattr(os, "open", exhausted)
    with pytest.raises(WorldError, match="too many open files") as raised:
        made.look()
    assert not raised.value.permanent


@pytest.mark.parametrize("mtime_ns", [-(10**18), 0, 4 * 10**18, 2**63 + 10**18])
def test_it_reads_files_from_any_year(mtime_ns, made):
    made.age(made.run(createdAt="9999-12-31T23:59:59.999Z", startedAt="0001-01-01T00:00:00Z"), mtime_ns)
    made.age(made.put(f"streams/chunks/{STREAM}/chnk_7ZZZZZZZZZZZZZZZZZZZZZZZZZ.bin", b"\0x"), mtime_ns)
    made.put(f"streams/chunks/{STREAM}/chnk_ZZZZZZZZZZZZZZZZZZZZZZZZZZ.bin", b"", mtime_ns)
    made.age(made.put(f"streams/chunks/{STREAM}/chnk_01M803WSDCT2X0WFSWZSBS26VK.bin", b"\0x"), mtime_ns)
    seen = Seen()
    found = look(made.adapter(), seen)
    kept = min(mtime_ns, 2**63 - 1)
    assert of(RunSeen, found)[0].source_ns == kept
    assert {(chunk.minted_ms, chunk.stored_ns) for chunk in of(ChunkSeen, found)} == {
        (1_795_300_418_988, kept),
        (None, kept),  # a time that no ULID can have, and one that no nanoseconds can
    }
    assert look(made.adapter(), seen) == []


def test_it_counts_a_file_from_the_future_as_complete(made, now):
    made.put(RUN_FILE, b"{", now + 3_600 * 10**9)
    assert [type(one) for one in made.look()] == [Unreadable]


def test_it_does_not_wait_for_a_clock_of_its_own_that_is_years_off(made, monkeypatch):
    monkeypatch.setattr(_local_files, "now_ns", lambda: 0)
    made.run(), made.put(CHUNK, b"")
    assert {RunSeen, ChunkSeen} <= {type(one) for one in made.look()}
