from __future__ import annotations

import functools
import hashlib
import json
import os
from pathlib import Path

import pytest

from runs.observations import (
    ChunkSeen,
    EventSeen,
    HookSeen,
    RunSeen,
    StepSeen,
    StreamListSeen,
    StreamSeen,
    Unreadable,
    WaitSeen,
)
from runs.worlds.base import WORLDS, Seen, WorldError
from runs.worlds.local import LocalWorld
from tests.recordings import PYTHON_SDK, SDKS, python_scenarios, scenarios, unpack
from tests.runs.worlds.made_worlds import STREAM, MadeWorld, look, of

EVERY_SDK = [*SDKS, PYTHON_SDK]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The directory of a recording by SDK, unpacked once: nothing here may change it."""
    return functools.cache(lambda sdk: unpack(sdk, "plain", tmp_path_factory.mktemp(sdk)))


def files(root: Path, folder: str, suffix: str) -> list[Path]:
    found = [Path(at) / name for at, _, names in os.walk(root / folder) for name in names]
    return [path for path in found if path.name.endswith(suffix)]


@pytest.mark.parametrize("sdk", EVERY_SDK)
def test_it_reads_every_record_and_chunk_that_an_sdk_wrote(sdk, recorded):
    root = recorded(sdk)
    found = look(LocalWorld(str(root)))
    assert {one.run_id for one in of(RunSeen, found)} == {path.stem for path in files(root, "runs", ".json")}
    steps = {f"{one.run_id}-{one.step_id}" for one in of(StepSeen, found)}
    assert steps == {path.stem for path in files(root, "steps", ".json")}
    events = {f"{one.run_id}-{one.event_id}" for one in of(EventSeen, found)}
    assert events == {path.stem for path in files(root, "events", ".json")}
    assert {one.hook_id for one in of(HookSeen, found)} == {
        path.stem for path in (root / "hooks").glob("*.json")
    }
    assert {one.run_id for one in of(StreamListSeen, found)} == {
        path.stem for path in (root / "streams" / "runs").iterdir()
    }
    assert len(of(ChunkSeen, found)) == len(files(root, "streams/chunks", ".bin")) > 0
    assert of(Unreadable, found) == []


@pytest.mark.parametrize("sdk", EVERY_SDK)
def test_it_gives_the_payload_hash_and_times_of_each_chunk_file(sdk, recorded):
    root = recorded(sdk)
    stored = {path.stem[-31:]: path for path in files(root, "streams/chunks", ".bin")}
    chunks = of(ChunkSeen, look(LocalWorld(str(root))))
    for chunk in chunks:
        content = stored[chunk.chunk_id].read_bytes()
        assert (chunk.is_close, chunk.data, chunk.size) == (content[0] == 1, content[1:], len(content) - 1)
        assert chunk.digest == hashlib.sha256(content[1:]).digest()[:16]
        assert chunk.stored_ns == stored[chunk.chunk_id].stat().st_mtime_ns
        assert chunk.minted_ms is not None
        assert chunk.problem == ""
    assert [(c.stored_ns, c.chunk_id) for c in chunks] == sorted((c.stored_ns, c.chunk_id) for c in chunks)


@pytest.mark.parametrize("sdk", SDKS)
def test_it_finds_each_stream_with_its_chunks_ends_and_run(sdk, recorded):
    found = look(LocalWorld(str(recorded(sdk))))
    owner = {one.name: one.run_id for one in of(StreamSeen, found)}
    listed = {one.name for one in of(StreamSeen, found) if one.listed}
    expected = [(entry, stream) for entry in scenarios(sdk, "plain") for stream in entry["streams"]]
    for entry, stream in expected:
        chunks = sorted((c.chunk_id, c.is_close) for c in of(ChunkSeen, found) if c.stream == stream["name"])
        assert len(chunks) == stream["files"]
        assert [n for n, (_, is_close) in enumerate(chunks) if is_close] == stream["eofAt"]
        assert owner[stream["name"]] in entry["runIds"]
        assert (stream["name"] in listed) == (stream["name"] in entry["listedStreams"])
    assert {stream["name"] for _, stream in expected} == {c.stream for c in of(ChunkSeen, found)}
    assert len(owner) > len(listed)


def test_it_reads_the_layout_of_the_python_sdk_as_its_own_reader_does(recorded):
    found = look(LocalWorld(str(recorded(PYTHON_SDK))))
    for scenario in python_scenarios().values():
        stream = scenario["run_id"].replace("wrun_", "strm_") + "_user"
        chunks = sorted(of(ChunkSeen, found), key=lambda chunk: chunk.chunk_id)
        ends = [chunk.is_close for chunk in chunks if chunk.stream == stream]
        seen_by_reader = {"tail_index": (ends.index(True) if any(ends) else len(ends)) - 1, "done": any(ends)}
        assert seen_by_reader == scenario.get("default_stream", seen_by_reader)
        streams = {one.name for one in of(StreamSeen, found) if one.run_id == scenario["run_id"]}
        assert set(scenario.get("streams", ())) <= streams
    assert {(run.language, run.spec_version) for run in of(RunSeen, found)} == {("python", 5)}
    assert len([one for one in of(StreamSeen, found) if one.listed]) == 10


@pytest.mark.parametrize(("sdk", "spec"), [*zip(SDKS, (3, 3, 3, 7), strict=True)])
def test_it_tells_which_sdk_wrote_a_run(sdk, spec, recorded):
    runs = of(RunSeen, look(LocalWorld(str(recorded(sdk)))))
    assert {(run.sdk_version, run.language, run.spec_version) for run in runs} == {(sdk, "js", spec)}


def test_it_yields_nothing_that_has_been_seen(recorded):
    adapter, seen = LocalWorld(str(recorded("4.8.9"))), Seen()
    assert look(adapter, seen)
    assert look(adapter, seen) == []


def test_it_yields_what_is_referred_to_before_what_refers_to_it(tmp_path):
    made = MadeWorld(tmp_path)
    made.chunk(1), made.event(), made.listed(STREAM), made.wait(), made.hook(), made.step(), made.run()
    kinds = [type(one) for one in made.look()]
    assert kinds == [RunSeen, StepSeen, HookSeen, WaitSeen, StreamListSeen, StreamSeen, EventSeen, ChunkSeen]


def test_it_leaves_the_directory_as_it_was(recorded):
    root = recorded("5.0.0-beta.55")

    def state() -> list[tuple[str, int, int, int]]:
        paths = [root, *root.rglob("*")]
        return sorted((str(p), (s := p.lstat()).st_mtime_ns, s.st_ctime_ns, s.st_size) for p in paths)

    before = state()
    adapter, seen = LocalWorld(str(root)), Seen()
    look(adapter, seen)
    chunk = next(iter(seen.chunks.items()))
    adapter.fetch_chunk(chunk[0], next(iter(chunk[1])))
    assert state() == before


def test_it_reads_the_world_behind_a_link_to_it(tmp_path):
    MadeWorld(tmp_path / "real").run()
    (tmp_path / "link").symlink_to("real")
    assert len(of(RunSeen, look(LocalWorld(str(tmp_path / "link"))))) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.write_text("x"), "is a file, not a directory"),
    ],
)
def test_it_says_in_one_sentence_why_a_world_cannot_be_read(make, message, tmp_path):
    make(tmp_path / "world")
    with pytest.raises(WorldError, match=message) as raised:
        look(LocalWorld(str(tmp_path / "world")))
    assert not raised.value.permanent


def test_it_says_that_a_world_may_not_be_read(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(WorldError, match="cannot be read: permission denied"):
        look(LocalWorld(str(tmp_path)))


def test_it_refuses_a_location_that_is_no_path():
    with pytest.raises(WorldError, match="is no path"):
        look(LocalWorld("a\0b"))


def test_it_finds_nothing_in_a_directory_that_is_no_world(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.json").write_text("{}")
    assert look(LocalWorld(str(tmp_path))) == []


def test_it_is_found_as_the_world_of_its_kind():
    assert WORLDS.found["local"] is LocalWorld
    assert (LocalWorld.kind, LocalWorld.supplies) == ("local", {"chunks", "stream_list"})


def test_it_keeps_event_data_as_the_text_it_is_stored_as(tmp_path):
    made = MadeWorld(tmp_path)
    made.event(eventData={"input": {"__type": "Uint8Array", "data": "ZGV2bFtd"}, "name": "é"})
    data = of(EventSeen, made.look())[0].data
    assert data is not None and data[:4] == b"JSON"
    assert json.loads(data[4:]) == {"input": {"__type": "Uint8Array", "data": "ZGV2bFtd"}, "name": "é"}
