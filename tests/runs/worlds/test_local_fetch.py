"""A world from outside: what is fetched again later, and what is said of a directory at start-up."""

from __future__ import annotations

import hashlib
import json
import os
import shutil

import pytest

from runs.observations import RunSeen
from runs.worlds.base import WorldError
from runs.worlds.local import describe, looks_like_world
from tests.runs.worlds.made_worlds import CREATED, OTHER_RUN, RUN, STREAM, MadeWorld, chunk_name, of, wrapped

CHUNK = chunk_name(1)


@pytest.fixture
def made(tmp_path):
    return MadeWorld(tmp_path / "world")


def test_it_does_not_fetch_a_chunk_that_is_not_there_or_cannot_be(made):
    made.chunk(1)
    with pytest.raises(WorldError, match="no longer") as raised:
        made.adapter().fetch_chunk(STREAM, chunk_name(2))
    assert not raised.value.permanent
    for stream, chunk in ((STREAM, "../x"), ("../" + STREAM, CHUNK), ("", CHUNK), (STREAM, "chnk_1.bin/..")):
        with pytest.raises(WorldError, match="such a name"):
            made.adapter().fetch_chunk(stream, chunk)


def test_it_fetches_a_payload_that_was_too_large_to_copy(made):
    large, plain = b"devl" + b"x" * 1_100_000, {"a": "é" * 600_000}
    made.run(output=wrapped(large), error=plain)
    run = of(RunSeen, made.look())[0]
    for head, whole in (
        (run.output, large),
        (run.error, b"JSON" + json.dumps(plain, ensure_ascii=False).encode()),
    ):
        assert head is not None and len(head) < 70_000
        about = json.loads(head[4 : head.index(b"\n")])
        fetched = made.adapter().fetch_payload(about["pointer"])
        assert fetched == whole
        assert (len(fetched), hashlib.sha256(fetched).hexdigest()) == (about["size"], about["sha256"])


def test_it_does_not_fetch_a_payload_from_outside_of_the_world(made, tmp_path):
    made.run()
    (tmp_path / "secret.json").write_text('{"a": 1}')
    os.symlink(tmp_path / "secret.json", made.root / "runs" / "link.json")
    for pointer in (
        "../secret.json#a",
        f"{tmp_path}/secret.json#a",
        "runs/link.json#a",
        "runs\0/../../secret.json#a",
    ):
        with pytest.raises(WorldError, match="leads out of the world"):
            made.adapter().fetch_payload(pointer)


@pytest.mark.parametrize("pointer", [f"runs/{RUN}.json#input", "runs/x.json#input", f"runs/{RUN}.json", ""])
def test_it_says_that_a_payload_is_gone(pointer, made):
    made.run()
    with pytest.raises(WorldError, match=r"no longer|cannot be read"):
        made.adapter().fetch_payload(pointer)


def test_it_describes_a_world_in_a_sentence(made):
    assert describe(str(made.root / "x")) == "does not exist yet"
    assert describe(str(made.root)) == "an empty directory, no runs yet"
    made.run()
    assert describe(str(made.root)) == "1 run, no streams"
    made.run(OTHER_RUN), made.chunk(1), made.put(f"streams/chunks/{STREAM}_bG9ncw-{CHUNK}.bin", b"\0")
    expected = "2 runs, 2 streams, chunk files flat and in a folder for each stream"
    assert describe(str(made.root)) == expected
    shutil.rmtree(made.root / "runs")
    assert describe(str(made.root)).startswith("no runs, 2 streams")


def test_it_describes_what_is_no_world(made, tmp_path):
    (tmp_path / "file").write_text(CREATED)
    assert describe(str(tmp_path / "file")) == "cannot be read: a file where a directory should be"
    (made.root / "runs").mkdir()
    assert "does not look like" in describe(str(made.root))


@pytest.mark.parametrize("name", ["streams/chunks/x", "streams/runs/x", f"runs/{RUN}.json", "version.txt"])
def test_it_recognises_a_world_by_what_the_sdk_writes(name, made):
    assert not looks_like_world(str(made.root))
    made.put(name, b"x")
    assert looks_like_world(str(made.root))
