"""Whatever lies in a world's directory, the pages open, say what is wrong, and show the rest."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from dashboard.anomalies.detect import judge_world
from dashboard.worlds.known import ensure_world
from runs.models import Run, Unreadable
from streams import ingest
from streams.models import Chunk, Stream
from tests.crawl import crawl
from tests.recordings import SDKS, unpack

OLD = 1_700_000_000
STREAM = "strm_01M803XX9EKPGB0DR66MWJRZ99_user"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(ingest, "_opened", {})
    monkeypatch.setattr(ingest, "_followed", set())


@pytest.fixture
def world(tmp_path) -> Path:
    """A good world of a few runs, to which each test adds something bad."""
    return unpack("4.2.4", "probe-lat", tmp_path)


def without_long_streams(world: Path) -> Path:
    """Its longest stream cut short: a page for each of 2,000 equal chunks would show nothing more."""
    kept: dict[str, int] = {}
    for path in sorted((world / "streams" / "chunks").rglob("*.bin")):
        stream = path.name.split("-chnk_")[0] if "-chnk_" in path.name else path.parent.name
        kept[stream] = kept.get(stream, 0) + 1
        if kept[stream] > 20:
            path.unlink()
    return world


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (OLD, OLD))  # not a file that is still being written
    return path


def read(path: Path) -> None:
    """Read and judge a world."""
    row = ensure_world(str(path))
    ingest.hint(row.pk, ingest.EVERYTHING)
    ingest.pull(row.pk, threading.Event())
    judge_world(row.pk, threading.Event())


def visit(client) -> dict[str, int]:
    visited = crawl(client)
    assert {url: status for url, status in visited.items() if status != 200} == {}
    return visited


@pytest.mark.parametrize("sdk", [*SDKS, "python-0.12.0"])
def test_every_page_of_every_recording_opens(client, tmp_path, sdk):
    read(without_long_streams(unpack(sdk, "plain", tmp_path)))
    visited = visit(client)
    assert len(visited) > Run.objects.count() + Stream.objects.count()


@pytest.mark.parametrize(
    ("place", "content", "reason"),
    [
        ("runs/wrun_01M803PSMZS8Q96X8MRAFR9TS4.json", b'{"runId": "wrun_01M8', "JSON"),
        ("runs/wrun_01M803PSMZS8Q96X8MRAFR9TS5.json", b"[1, 2]", ""),
        ("steps/wrun_X-step_Y.json", b"\xff\xfe\x00", "UTF-8"),
        ("events/wrun_X-evnt_1.json", b"", ""),
        ("hooks/hook_1.json", b"null", ""),
        ("streams/runs/wrun_X.json", b'{"streams": 5}', ""),
    ],
)
def test_a_record_that_cannot_be_read_is_shown_raw_with_the_reason(client, world, place, content, reason):
    put(world / place, content)
    read(world)
    [unreadable] = Unreadable.objects.all()
    assert unreadable.where == place and reason in unreadable.reason
    assert Run.objects.filter(status="completed").exists(), "the rest is there"
    page = client.get("/", follow=True).content.decode()
    assert place in page
    visit(client)


def test_an_empty_chunk_file_is_a_chunk_with_a_problem(client, world):
    put(world / "streams" / "chunks" / f"{STREAM}-chnk_01M803XX9EKPGB0DR66MWJRZ8Z.bin", b"")
    read(world)
    chunk = Chunk.objects.get(stream__name=STREAM)
    assert chunk.problem and chunk.size == 0
    page = client.get(f"/w/{Run.objects.first().world.slug}/streams/{STREAM}/").content.decode()
    assert 'id="chunk-1"' in page and "empty" in page
    visit(client)


def test_a_chunk_of_100_mb_is_kept_as_head_size_and_hash(client, world):
    path = world / "streams" / "chunks" / f"{STREAM}-chnk_01M803XX9EKPGB0DR66MWJRZ8Z.bin"
    with path.open("wb") as file:
        file.write(b"\x00")
        file.truncate(100_000_001)
    read(world)
    chunk = Chunk.objects.get(stream__name=STREAM)
    assert chunk.size == 100_000_000
    assert len(chunk.data) == 64 * 1024
    visited = crawl(client, f"/w/{chunk.stream.world.slug}/streams/{STREAM}/chunks/1/")
    assert set(visited.values()) == {200}


HOSTILE_RUN = {"runId": "<img src=x onerror=alert(1)>", "status": "\x00", "workflowName": "\ud800<b>"}


@pytest.mark.parametrize(
    "name", ["<script>alert(1)<", "a\nb", "%00", "{{ 7|add:42 }}", "x" * 200, "é✓\u202e"]
)
def test_hostile_names_are_text(client, world, name):
    put(world / "streams" / "chunks" / name / "chnk_01M803XX9EKPGB0DR66MWJRZ8Z.bin", b"\x00hello")
    put(world / "runs" / f"{name}.json", json.dumps(HOSTILE_RUN).encode())
    read(world)
    told = Unreadable.objects.filter(where__startswith="streams/chunks/").exists()
    assert Stream.objects.filter(head=1).exists() or told, "it is shown, or told of"
    for url in visit(client):
        answer = client.get(url, follow=True)
        if not answer["Content-Type"].startswith("text/html"):
            assert answer["X-Content-Type-Options"] == "nosniff", "no browser takes it for a page"
            continue
        assert b"<script>alert" not in answer.content and b"<img src=x" not in answer.content


def test_clocks_years_off_break_nothing(client, world):
    folder = world / "streams" / "chunks"
    far = put(folder / f"{STREAM}-chnk_7ZZZZZZZZZEKPGB0DR66MWJRZ8.bin", b"\x00x")
    os.utime(far, (2**33, 2**33))
    os.utime(put(folder / f"{STREAM}-chnk_00000000000000000000000001.bin", b"\x00y"), (0, 0))
    put(
        world / "runs" / "wrun_A.json",
        b'{"runId": "wrun_A", "status": "running", "createdAt": "9999-12-31T23:59:59.999Z"}',
    )
    read(world)
    visit(client)
    assert Chunk.objects.filter(stream__name=STREAM).count() == 2


def test_a_file_where_a_directory_should_be_is_one_clear_sentence(client, tmp_path):
    (tmp_path / "world").write_text("not a directory")
    read(tmp_path / "world")
    page = client.get("/", follow=True).content.decode()
    assert "directory" in page
    visit(client)


def test_a_directory_that_is_not_there_is_told_and_read_when_it_comes(client, tmp_path):
    read(tmp_path / "world" / "data")
    assert "cannot be read" in client.get("/", follow=True).content.decode().replace(
        "unreachable", "cannot be read"
    )
    visit(client)
    unpack("4.2.4", "probe-lat", tmp_path / "world")
    read(tmp_path / "world" / "data")
    assert Run.objects.count() == 2
    visit(client)
