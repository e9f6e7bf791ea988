"""Names and links that no SDK makes, but that may lie in a world's directory all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runs.observations import ChunkSeen, RunSeen, Unreadable
from runs.worlds._local_files import WHERE_MAX, where_in
from runs.worlds.base import Seen
from tests.runs.worlds.made_worlds import OTHER_RUN, RUN, STREAM, MadeWorld, chunk_name, of

CHUNK = chunk_name(1)
NAMES = {
    b"runs/a\nb.json": "runs/a\\nb.json",
    b"runs/\xff\xfe.json": "runs/\\xff\\xfe.json",
    b"runs/\x1b[31m.json": "runs/\\x1b[31m.json",
    b"runs/a\\b.json": "runs/a\\\\b.json",
    b"runs/a..b.json": "runs/a..b.json",
    "runs/\u202ereversed.json".encode(): "runs/\\u202ereversed.json",
    b"events/no-dash-missing-.json": "events/no-dash-missing-.json",
    b"events/nodash.json": "events/nodash.json",
    b"steps/-.json": "steps/-.json",
    f"streams/chunks/{STREAM}/chnk_..bin".encode(): f"streams/chunks/{STREAM}/chnk_..bin",
    f"streams/chunks/{STREAM}/\n.bin".encode(): f"streams/chunks/{STREAM}/\\n.bin",
    f"streams/chunks/a\nb-{CHUNK}.bin".encode(): f"streams/chunks/a\\nb-{CHUNK}.bin",
    f"streams/chunks/-{CHUNK}.bin".encode(): f"streams/chunks/-{CHUNK}.bin",
    b"streams/chunks/x.bin": "streams/chunks/x.bin",
}


@pytest.fixture
def made(tmp_path):
    return MadeWorld(tmp_path / "world")


def put(made: MadeWorld, name: bytes, content: bytes = b"{}") -> str:
    path = os.path.join(os.fsencode(made.root), name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.utime(path, (0, 0))
    return os.fsdecode(path)


@pytest.mark.parametrize(("name", "where"), NAMES.items(), ids=range(len(NAMES)))
def test_it_reports_a_name_it_cannot_use_in_a_form_that_can_be_shown(name, where, made):
    path, seen = put(made, name), Seen()
    made.chunk(2), made.run()
    found = made.look(seen)
    assert [one.where for one in of(Unreadable, found)] == [where]
    assert where.isprintable()
    assert len(of(ChunkSeen, found)) == len(of(RunSeen, found)) == 1
    assert made.look(seen, Path(path)) == []


def test_it_reads_names_as_long_as_a_file_system_allows(made):
    put(made, b"runs/" + b"x" * 250 + b".json", b'{"runId": "' + b"x" * 250 + b'"}')
    put(made, b"runs/" + b"\xff" * 250 + b".json")
    found = made.look()
    assert [run.run_id for run in of(RunSeen, found)] == ["x" * 250]
    assert [len(one.where) for one in of(Unreadable, found)] == [WHERE_MAX]


def test_it_keeps_long_names_apart(made):
    one, other = (put(made, b"runs/" + b"\xff" * 240 + end) for end in (b"a.json", b"b.json"))
    assert where_in(str(made.root), one) != where_in(str(made.root), other)


def test_it_follows_a_link_that_stays_in_the_world(made):
    made.run(OTHER_RUN, file="elsewhere.json")
    (made.root / "runs").mkdir()
    (made.root / "runs" / f"{OTHER_RUN}.json").symlink_to("../elsewhere.json")
    made.put(f"streams/kept/{CHUNK}.bin", b"\0abc")
    (made.root / "streams" / "chunks").mkdir()
    (made.root / "streams" / "chunks" / STREAM).symlink_to("../kept")
    found = made.look()
    assert [run.run_id for run in of(RunSeen, found)] == [OTHER_RUN]
    assert [(chunk.stream, chunk.data) for chunk in of(ChunkSeen, found)] == [(STREAM, b"abc")]


LINKS = [
    f"runs/{RUN}.json",
    "runs",
    "streams",
    f"streams/chunks/{STREAM}",
    f"streams/chunks/{STREAM}/{CHUNK}.bin",
]


@pytest.mark.parametrize("link", LINKS)
def test_it_does_not_follow_a_link_out_of_the_world(link, made, tmp_path):
    outside = MadeWorld(tmp_path / "world-outside")
    outside.run(), outside.chunk(1)
    path = made.root / link
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(outside.root / link)
    seen = Seen()
    found = made.look(seen)
    assert {type(one) for one in found} == {Unreadable}
    assert {one.reason for one in of(Unreadable, found)} == {"a symbolic link that leads out of the world"}
    assert of(RunSeen, made.look(seen, path, path / "x")) == []


def test_it_reports_links_that_lead_nowhere_and_files_that_are_none(made):
    (made.root / "runs").mkdir()
    (made.root / "runs" / "loop.json").symlink_to("loop.json")
    (made.root / "runs" / "dangling.json").symlink_to("gone.json")
    (made.root / "runs" / "folder.json").mkdir()
    os.mkfifo(made.root / "runs" / "pipe.json")
    (made.root / "streams" / "chunks" / STREAM / f"{CHUNK}.bin").mkdir(parents=True)
    assert {(one.where, one.reason) for one in of(Unreadable, made.look())} == {
        ("runs/loop.json", "a symbolic link that leads nowhere"),
        ("runs/folder.json", "a directory where a file should be"),
        ("runs/pipe.json", "not a regular file"),
        (f"streams/chunks/{STREAM}/{CHUNK}.bin", "not a file"),
    }


@pytest.mark.parametrize("folder", ["runs", "events", "streams", "streams/chunks"])
def test_it_reports_a_file_where_a_folder_should_be(folder, made):
    made.put(folder, b"x")
    assert "a file where a directory should be" in {one.reason for one in of(Unreadable, made.look())}
