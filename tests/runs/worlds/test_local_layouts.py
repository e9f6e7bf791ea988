"""Where a local world keeps its files: every layout, what is looked at again, and what is looked at by hint."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from runs.observations import (
    ChunkSeen,
    EventSeen,
    Observation,
    RunSeen,
    StepSeen,
    StreamListSeen,
    StreamSeen,
    WaitSeen,
)
from runs.worlds import _local_files
from runs.worlds.base import Seen
from tests.runs.worlds.made_worlds import (
    OLD_NS,
    OTHER_RUN,
    RUN,
    STEP,
    STREAM,
    MadeWorld,
    chunk_name,
    look,
    of,
    wrapped,
)

CHUNK = chunk_name(1)
CHUNK_FILES = {
    "flat": f"{STREAM}-{CHUNK}.bin",
    "in a folder": f"{STREAM}/{CHUNK}.bin",
    "flat, tagged": f"{STREAM}-{CHUNK}.vitest-0.bin",
    "in a folder, tagged": f"{STREAM}/{CHUNK}.vitest-0.bin",
    "flat, old extension": f"{STREAM}-{CHUNK}.json",
    "in a folder, old extension": f"{STREAM}/{CHUNK}.json",
}


@pytest.fixture
def made(tmp_path):
    return MadeWorld(tmp_path / "world")


@pytest.mark.parametrize("name", CHUNK_FILES.values(), ids=CHUNK_FILES)
def test_it_finds_a_chunk_in_every_layout(name, made):
    made.put(f"streams/chunks/{name}", b"\0abc")
    chunk = of(ChunkSeen, made.look())[0]
    assert (chunk.stream, chunk.chunk_id, chunk.data, chunk.is_close) == (STREAM, CHUNK, b"abc", False)
    assert made.adapter().fetch_chunk(STREAM, CHUNK) == b"abc"


def test_it_finds_chunks_of_both_layouts_in_one_world_once(made):
    made.put(f"streams/chunks/{CHUNK_FILES['flat']}", b"\0abc")
    made.put(f"streams/chunks/{CHUNK_FILES['in a folder, tagged']}", b"\0abc")
    made.chunk(2)
    assert [chunk.chunk_id for chunk in of(ChunkSeen, made.look())] == [CHUNK, chunk_name(2)]


def test_it_reads_chunks_by_stored_time_and_then_by_id(made):
    for number, mtime_ns in ((1, OLD_NS + 9), (3, OLD_NS), (2, OLD_NS)):
        made.chunk(number, mtime_ns=mtime_ns)
    assert [chunk.chunk_id for chunk in of(ChunkSeen, made.look())] == list(map(chunk_name, (2, 3, 1)))


@pytest.mark.parametrize("hinted", ["", "streams/chunks", f"streams/chunks/{STREAM}"])
def test_it_finds_a_chunk_that_a_listing_jumped_over_and_leaves_what_is_newer(hinted, made, monkeypatch):
    seen, listings, scandir = Seen(), [], os.scandir
    for number in (1, 2, 3):
        made.chunk(number, mtime_ns=OLD_NS + number)
    monkeypatch.setattr(_local_files, "now_ns", lambda: OLD_NS)

    @contextmanager
    def concurrent(path: str) -> Iterator[list[os.DirEntry[str]]]:
        """The first listing was made when only chunk 2 could be seen."""
        with scandir(path) as entries:
            listings.extend([path] * path.endswith(STREAM))
            is_first = path.endswith(STREAM) and len(listings) == 1
            yield [entry for entry in entries if not is_first or entry.name.startswith(chunk_name(2))]

    monkeypatch.setattr(os, "scandir", concurrent)
    hints = [made.root / hinted] * bool(hinted)
    assert [chunk.chunk_id for chunk in of(ChunkSeen, made.look(seen, *hints))] == [CHUNK, chunk_name(2)]
    assert [chunk.chunk_id for chunk in of(ChunkSeen, made.look(seen, *hints))] == [chunk_name(3)]


RECORD_FILES = {
    "run, tagged": ("run", f"runs/{RUN}.vitest-0.json"),
    "step, flat": ("step", f"steps/{RUN}-{STEP}.json"),
    "step, in the run's folder": ("step", f"steps/{RUN}/{RUN}-{STEP}.json"),
    "step, tagged": ("step", f"steps/{RUN}-{STEP}.vitest-0.json"),
    "event, flat": ("event", f"events/{RUN}-evnt_{1:026d}.json"),
    "event, in the run's folder": ("event", f"events/{RUN}/{RUN}-evnt_{1:026d}.json"),
    "wait, in the run's folder": ("wait", f"waits/{RUN}/{RUN}-wait_1.json"),
}


@pytest.mark.parametrize(("kind", "file"), RECORD_FILES.values(), ids=RECORD_FILES)
def test_it_finds_a_record_in_every_layout(kind, file, made):
    getattr(made, kind)(file=file)
    seen = Seen()
    (found,) = made.look(seen)
    assert getattr(found, "run_id", None) == RUN
    assert made.look(seen) == []


def test_it_takes_a_tagged_step_and_its_untagged_run_as_they_are(made):
    made.run(file=f"runs/{RUN}.json"), made.run(OTHER_RUN, file=f"runs/{OTHER_RUN}.vitest-0.json")
    assert {run.run_id for run in of(RunSeen, made.look())} == {RUN, OTHER_RUN}


def test_it_takes_the_newer_of_two_files_of_one_run(made):
    made.run(status="running")
    made.run(status="completed", file=f"runs/{RUN}.vitest-0.json")
    seen = Seen()
    assert [run.status for run in of(RunSeen, made.look(seen))] == ["completed"]
    assert made.look(seen) == []


IGNORED = [
    f"runs/{RUN}.json.tmp.01M803WSDCT2X0WFSWZSBS26VK",
    f"streams/chunks/{STREAM}/{CHUNK}.bin.tmp.01M803WSDCT2X0WFSWZSBS26VK",
    f"streams/chunks/{STREAM}-{CHUNK}.tmp.1.bin",
    f".locks/runs/{RUN}.json",
    "hooks/tokens/aa.json",
    "hooks/by-run/x.json",
    "hooks/id-index/hook_1/evnt_1.json",
    "hooks/.hook-index-complete",
    "version.txt",
    "runs/README.md",
    "runs/tmpab12cd",
]


@pytest.mark.parametrize("name", IGNORED)
def test_it_ignores_what_is_no_record(name, made):
    path = made.put(name, b"{}")
    assert made.look() == []
    assert made.look(None, path) == []


def test_it_gives_a_purged_streams_tombstone_as_a_close_without_a_time_of_writing(made):
    made.put(f"streams/chunks/{STREAM}/chnk_{'0' * 26}.bin", b"\1")
    (chunk,) = of(ChunkSeen, made.look())
    assert (chunk.is_close, chunk.chunk_id, chunk.minted_ms) == (True, "chnk_" + "0" * 26, None)


def test_it_reads_the_time_of_writing_from_the_chunk_id(made):
    made.put(f"streams/chunks/{STREAM}/chnk_01ARZ3NDEKTSV4RRFFQ69G5FAV.bin", b"\0x")
    made.put(f"streams/chunks/{STREAM}/chnk_early.bin", b"\0x")
    assert [chunk.minted_ms for chunk in of(ChunkSeen, made.look())] == [1469922850259, None]


def test_it_unites_the_stream_list_with_chunk_names_and_payloads(made):
    arg = "strm_01M803WSDCT2X0WFSWZSBS26VN"
    payload = f'devl[["ReadableStream",1],{{"name":2,"type":3,"framing":4}},"{arg}","bytes","framed-v1"]'
    made.run(), made.listed(STREAM), made.step(output=wrapped(payload.encode()))
    made.chunk(1, stream=STREAM + "_bG9ncw")
    streams = {one.name: one for one in of(StreamSeen, made.look())}
    assert streams == {
        STREAM: StreamSeen(RUN, STREAM, listed=True),
        STREAM + "_bG9ncw": StreamSeen(RUN, STREAM + "_bG9ncw", listed=False),
        arg: StreamSeen(RUN, arg, listed=False, framing="framed-v1"),
    }


def test_it_keeps_the_framing_of_a_stream_that_is_listed_as_well(made):
    arg = "strm_01M803WSDCT2X0WFSWZSBS26VN"
    payload = f'devl[["ReadableStream",1],{{"name":2,"framing":3}},"{arg}","framed-v1"]'
    made.step(output=wrapped(payload.encode())), made.listed(arg), made.event(eventData={"note": arg})
    assert of(StreamSeen, made.look())[-1] == StreamSeen(RUN, arg, listed=True, framing="framed-v1")


def test_it_lists_only_names_that_a_stream_can_have(made):
    made.listed(STREAM, STREAM, 7, "", "../x", "a\nb", "x" * 300, None)
    assert of(StreamListSeen, made.look())[0].names == (STREAM,)


def test_it_reads_a_rewritten_record_again_and_an_event_never(made):
    made.run(), made.event()
    seen = Seen()
    made.look(seen)
    made.run(status="completed"), made.event(eventType="rewritten")
    assert [type(one) for one in made.look(seen)] == [RunSeen]


def test_it_does_not_miss_a_version_with_the_same_time_as_the_one_before(made, monkeypatch):
    path, seen = made.run(), Seen()
    monkeypatch.setattr(_local_files, "now_ns", lambda: path.stat().st_mtime_ns + 1_000_000)
    first = of(RunSeen, made.look(seen))[0]
    at = path.stat().st_mtime_ns
    made.run(status="completed"), made.age(path, at)
    monkeypatch.setattr(_local_files, "now_ns", lambda: at + 10**9)
    second = of(RunSeen, made.look(seen))[0]
    assert (first.status, second.status) == ("running", "completed")
    assert first.source_ns < second.source_ns == at
    assert made.look(seen) == []


def test_it_takes_what_lies_there_although_a_clock_was_set_back(made):
    adapter, seen = made.adapter(), Seen()
    made.age(made.run(), OLD_NS + 10**18)
    before = of(RunSeen, look(adapter, seen))[0]
    made.age(made.run(status="completed"), OLD_NS)
    after = of(RunSeen, look(adapter, seen))[0]
    assert after == replace(before, status="completed")
    assert look(adapter, seen) == []


def test_it_does_not_read_what_was_pruned(made):
    made.run(), made.step(), made.event(), made.wait(), made.hook(), made.listed(STREAM), made.chunk(1)
    made.put(f"streams/chunks/{STREAM}-{CHUNK}.bin", b"\0x")
    assert made.look(Seen(pruned_runs={RUN}, pruned_streams={STREAM})) == []


@pytest.mark.parametrize("flat", [True, False])
def test_it_looks_only_where_it_is_told_to(flat, made):
    made.run(), made.event(1), made.chunk(1)
    hinted = made.put(f"streams/chunks/{STREAM}{'-' if flat else '/'}{chunk_name(2)}.bin", b"\0x")
    found = made.look(None, hinted, made.event(2))
    assert [event.event_id for event in of(EventSeen, found)] == [f"evnt_{2:026d}"]
    assert [chunk.chunk_id for chunk in of(ChunkSeen, found)] == [chunk_name(2)]
    assert of(RunSeen, found) == []


HINTED_FOLDERS: dict[str, set[type[Observation]]] = {
    "": {RunSeen, StepSeen, EventSeen, WaitSeen, StreamListSeen, StreamSeen, ChunkSeen},
    "runs": {RunSeen},
    f"steps/{RUN}": {StepSeen},
    f"events/{RUN}": {EventSeen},
    "waits": {WaitSeen},
    "streams": {StreamListSeen, StreamSeen, ChunkSeen},
    "streams/runs": {StreamListSeen, StreamSeen},
    "streams/chunks": {StreamSeen, ChunkSeen},
    f"streams/chunks/{STREAM}": {StreamSeen, ChunkSeen},
    f"streams/chunks/{STREAM}/{CHUNK}.bin/x": set(),
    "hooks/tokens": set(),
}


@pytest.mark.parametrize("folder", HINTED_FOLDERS)
def test_it_looks_into_a_folder_it_is_told_of(folder, made):
    made.run(), made.listed(STREAM), made.chunk(1), made.wait()
    (
        made.step(file=f"steps/{RUN}/{RUN}-{STEP}.json"),
        made.event(file=f"events/{RUN}/{RUN}-evnt_{1:026d}.json"),
    )
    made.put("hooks/tokens/x.json", b"{}")
    assert {type(one) for one in made.look(None, made.root / folder)} == HINTED_FOLDERS[folder]


def test_it_does_not_look_outside_of_the_world(made, tmp_path):
    outside = MadeWorld(tmp_path / "world-2")
    assert made.look(None, outside.run(), tmp_path) == []
