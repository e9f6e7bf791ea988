"""The zip itself: its members, its manifest, and what it costs to make and to read."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
import zipfile

import pytest

from dashboard.bundle.make import make_bundle
from dashboard.bundle.opened import open_bundle
from runs.worlds.base import KEPT_WHOLE, Seen
from runs.worlds.bundle import BundleWorld
from streams.models import Chunk, Stream
from tests.dashboard.bundle.replayed import bundle, members, records, replayed, said, streams_of
from tests.factories import CLOSE_MARKER, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
MB = 2**20


@pytest.fixture
def scrambled(tmp_path):
    streams = streams_of(replayed("4.2.4", "probe-lat", tmp_path))
    return next(one for one in streams if "out_of_order" in said(one))


def test_the_manifest_says_what_it_is_and_names_every_member_with_its_hash(scrambled, tmp_path):
    packed = members(bundle(scrambled, tmp_path / "b.zip"))
    manifest = json.loads(packed.pop("manifest.json"))

    assert (manifest["format"], manifest["version"], manifest["redacted"]) == ("tailrace-bundle", 1, True)
    assert manifest["stream"] == scrambled.name and manifest["run"] == scrambled.run.run_id
    assert manifest["world"]["kind"] == "local" and manifest["sdk"]["run"] == "4.2.4"
    assert manifest["sdk"]["processes"] == ["4.2.4"]
    assert manifest["counts"]["chunks"] == 10 and manifest["counts"]["writes"] == 11
    assert manifest["members"] == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in packed.items()
    }


def test_every_chunk_comes_with_its_clocks_and_its_writer(scrambled, tmp_path):
    chunks = records(members(bundle(scrambled, tmp_path / "b.zip"))["chunks.jsonl"])
    row = Chunk.objects.get(stream=scrambled, arrival=1)

    assert [one["arrival"] for one in chunks] == list(range(1, 12))
    assert chunks[0]["clocks"] == {
        "minted_ms": row.minted_ms,
        "stored_ns": row.stored_ns,
        "observed_ns": row.observed_ns,
    }
    assert chunks[0]["step"]["name"].endswith("emitStream") and chunks[0]["attempt"] == 1
    assert chunks[0]["outcome"] == "stored" and chunks[0]["marks"] == ["moved"]


def test_the_same_stream_gives_the_same_members(scrambled, tmp_path):
    first, second = (members(bundle(scrambled, tmp_path / name)) for name in ("1.zip", "2.zip"))
    for packed in (first, second):
        del packed["manifest.json"], packed["report.md"]  # say when it was made
    assert list(first.items()) == list(second.items())


def test_a_stream_without_a_run_or_a_chunk_is_bundled_and_opened_too(tmp_path):
    stream = Stream.objects.select_related("run", "world").get(pk=make_stream(make_world()).pk)
    path = bundle(stream, tmp_path / "b.zip")

    assert json.loads(members(path)["run.json"]) is None
    world = open_bundle(str(path))
    assert not Stream.objects.filter(world=world).exists()


def test_what_was_kept_as_a_head_is_fetched_from_the_world(tmp_path, monkeypatch):
    whole = b"x" * (KEPT_WHOLE + 10)
    stream = make_stream(make_world())
    make_chunks(stream, [b"x" * 1000], size=len(whole))
    stream = Stream.objects.select_related("run", "world").get()
    monkeypatch.setattr("runs.worlds.local.LocalWorld.fetch_chunk", lambda *_: whole)
    path = bundle(stream, tmp_path / "b.zip", payloads=True)

    there = Stream.objects.get(world=open_bundle(str(path)))
    chunk = there.chunks.get()
    assert chunk.size == len(whole) and len(chunk.data) < len(whole)
    assert BundleWorld(str(path)).fetch_chunk(stream.name, chunk.chunk_id) == whole


@pytest.mark.parametrize("payloads", [False, True], ids=["redacted", "with payloads"])
def test_a_stream_of_20_000_chunks_is_never_held_whole(tmp_path, payloads):
    stream = make_stream(make_world(), run=make_run(make_world("other")))
    payload = b"\0\0\x0b\xbcdevl" + b'["' + b"y" * 2990 + b'"]' + b" " * 2
    for start in range(0, 20_000, 2000):
        values = [payload] * 2000 + ([CLOSE_MARKER] if start == 18_000 else [])
        make_chunks(stream, values)
    stream = Stream.objects.select_related("run", "world").get(name=stream.name)
    path = tmp_path / "b.zip"
    with path.open("wb") as file:
        tracemalloc.start()
        make_bundle(stream, file, payloads=payloads)
        made = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    total = len(payload) * 20_000
    assert made < 24 * MB < total
    sizes = [len(batch) for batch in BundleWorld(str(path)).read(Seen())]
    assert sum(sizes) >= 20_001 and max(sizes) <= 1000
    with zipfile.ZipFile(path) as archive:
        packs = [one for one in archive.infolist() if one.filename.startswith("payloads/")]
    assert sum(one.file_size for one in packs) == (total if payloads else 0)
