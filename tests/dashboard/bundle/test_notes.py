"""A bundle of a PostgreSQL stream keeps the proof of what live readers got."""

from __future__ import annotations

import json
import threading

import pytest

from dashboard.anomalies.detect import judge_world
from dashboard.bundle.bundled import bundled_of
from dashboard.bundle.opened import open_bundle
from runs.models import Unreadable
from runs.observations import ChunkTold
from streams.models import Note, Stream
from streams.notes import record_notes
from streams.reader_queries import readings_of
from tests.dashboard.bundle.replayed import bundle, members, records, rezipped, said
from tests.factories import CLOSE_MARKER, START_NS, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
NAME = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
DIVERGES = "live_reader_diverges"


@pytest.fixture
def stream() -> Stream:
    """Readers were told of its third chunk before its second."""
    world = make_world(kind="postgres")
    run = make_run(world, status="completed", sdk_version="4.8.9", source_ns=START_NS, completed_ns=START_NS)
    stream = make_stream(world, NAME, run)
    make_chunks(stream, ["a", "b", "c", CLOSE_MARKER])
    stream.save()
    a, b, c, close = stream.chunks.order_by("arrival").values_list("chunk_id", flat=True)
    record_notes(
        world, [ChunkTold(NAME, one, at, START_NS + at, "5e551") for at, one in enumerate([a, c, b, close])]
    )
    judge_world(world.pk, threading.Event())
    stream.refresh_from_db()
    return stream


def opened(path) -> Stream:
    return Stream.objects.select_related("run", "world").get(world=open_bundle(str(path)))


@pytest.mark.parametrize("payloads", [False, True], ids=["redacted", "with payloads"])
def test_it_proves_elsewhere_what_a_live_reader_got(stream, tmp_path, payloads):
    assert said(stream)[DIVERGES][0] == "proved"
    there = opened(bundle(stream, tmp_path / "b.zip", payloads=payloads))
    assert said(there) == said(stream)
    assert readings_of(there)[2:] == readings_of(stream)[2:]
    assert readings_of(there).choice == readings_of(stream).choice and bundled_of(there).only_here == []


def test_it_holds_the_order_and_no_name_of_a_session(stream, tmp_path):
    packed = members(bundle(stream, tmp_path / "b.zip"))
    notes = records(packed["notes.jsonl"])
    assert [(one["session"], one["place"]) for one in notes] == [(1, 0), (1, 1), (1, 2), (1, 3)]
    assert [one["chunk_id"] for one in notes] == [one.chunk_id for one in Note.objects.order_by("pk")]
    assert json.loads(packed["manifest.json"])["counts"]["notes"] == 4
    assert b"5e551" not in b"".join(packed.values())


def test_a_bundle_from_before_there_were_notes_opens_and_proves_nothing(stream, tmp_path):
    packed = members(bundle(stream, tmp_path / "b.zip"))
    manifest = json.loads(packed["manifest.json"])
    del manifest["members"]["notes.jsonl"]
    changed = {"notes__jsonl": None, "manifest__json": json.dumps(manifest)}
    there = opened(rezipped(tmp_path / "b.zip", tmp_path / "old.zip", **changed))
    assert not Unreadable.objects.exists() and not Note.objects.filter(stream=there).exists()
    assert said(there).get(DIVERGES, ("",))[0] != "proved"


def test_damaged_notes_cost_only_themselves(stream, tmp_path):
    there = opened(rezipped(bundle(stream, tmp_path / "b.zip"), tmp_path / "c.zip", notes__jsonl=b"{}\n"))
    assert (there.head, Note.objects.filter(stream=there).count()) == (4, 0)
    assert list(Unreadable.objects.values_list("where", flat=True)) == ["notes.jsonl"]
