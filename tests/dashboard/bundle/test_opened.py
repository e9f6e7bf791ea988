"""A bundle opened elsewhere says what was said where it was made."""

from __future__ import annotations

import hashlib
import json

import pytest

from dashboard.anomalies.models import Checkpoint, Finding
from dashboard.bundle.bundled import bundled_of
from dashboard.bundle.opened import about, open_bundle
from runs.models import AppProcess, Unreadable
from runs.worlds.base import WorldError
from runs.worlds.bundle import BundleWorld
from streams.models import Chunk, Stream, Write
from tests.dashboard.bundle.replayed import bundle, members, replayed, rezipped, said, streams_of

pytestmark = pytest.mark.django_db
RECORDED = [("4.2.4", "probe-lat"), ("4.2.4", "probe-409"), ("5.0.0-beta.5", "probe-w2")]
CLOCKS = ("stored_ns", "minted_ms", "observed_ns")
AS_IT_WAS = ("arrival", "chunk_id", "position", "sequence", "is_close", "marks", "size", *CLOCKS)
MEMBERS = ["run.json", "steps.json", "events.jsonl", "chunks.jsonl", "writes.jsonl", "verdict.json"]


def opened(path):
    world = open_bundle(str(path))
    return Stream.objects.select_related("run", "world").get(world=world)


def scrambled(into):
    """A stream of vercel/workflow#2058."""
    streams = streams_of(replayed("4.2.4", "probe-lat", into))
    return next(one for one in streams if "out_of_order" in said(one))


@pytest.mark.parametrize("payloads", [False, True], ids=["redacted", "with payloads"])
@pytest.mark.parametrize(("sdk", "label"), RECORDED)
def test_it_finds_the_same_from_the_evidence_of_every_stream(tmp_path, sdk, label, payloads):
    seen = 0
    for number, stream in enumerate(streams_of(replayed(sdk, label, tmp_path))):
        there = opened(bundle(stream, tmp_path / f"{number}.zip", payloads=payloads))

        assert said(there) == said(stream)
        verdict = bundled_of(there)
        assert all(one.is_found_here for one in verdict.findings) and verdict.only_here == []
        assert len(verdict.findings) == len(said(stream))
        seen += len(said(stream))
    assert seen >= 3


@pytest.mark.parametrize(("sdk", "label"), RECORDED)
def test_chunks_keep_their_clocks_ids_and_places_and_writes_come_to_their_outcome_again(tmp_path, sdk, label):
    for number, stream in enumerate(streams_of(replayed(sdk, label, tmp_path))):
        there = opened(bundle(stream, tmp_path / f"{number}.zip"))

        assert list(there.chunks.order_by("arrival").values_list(*AS_IT_WAS)) == list(
            stream.chunks.order_by("arrival").values_list(*AS_IT_WAS)
        )
        fields = (
            "process",
            "number",
            "place",
            "outcome",
            "arrival",
            "sequence",
            "called_ns",
            "took_ns",
            "status",
        )
        order = ("process", "number", "place")
        assert list(there.writes.order_by(*order).values_list(*fields)) == list(
            stream.writes.order_by(*order).values_list(*fields)
        )
        writer = ("writer__key", "writer__known", "writer__scope", "writer__step_name")
        assert list(there.writes.order_by(*order).values_list(*writer)) == list(
            stream.writes.order_by(*order).values_list(*writer)
        )
        assert AppProcess.objects.filter(world=there.world).values_list("clock_offset_ns", flat=True)[0] == 0


def test_with_payloads_the_bytes_are_those_that_were_stored(tmp_path):
    stream = scrambled(tmp_path)
    there = opened(bundle(stream, tmp_path / "b.zip", payloads=True))

    stored, read = (
        [(bytes(row.data), bytes(row.digest)) for row in one.chunks.all()] for one in (stream, there)
    )
    assert sorted(read) == sorted(stored)
    some = stream.chunks.filter(is_close=False).first()
    assert BundleWorld(there.world.location).fetch_chunk(stream.name, some.chunk_id) == bytes(some.data)


def test_without_payloads_it_says_that_they_are_not_there(tmp_path):
    stream = scrambled(tmp_path)
    there = opened(bundle(stream, tmp_path / "b.zip"))
    some = stream.chunks.filter(is_close=False).first()

    with pytest.raises(WorldError, match="made without payloads"):
        BundleWorld(there.world.location).fetch_chunk(stream.name, some.chunk_id)
    assert "█" in bytes(there.chunks.get(chunk_id=some.chunk_id).data).decode()


def test_it_says_what_it_is_in_its_name_and_in_words(tmp_path):
    stream = scrambled(tmp_path)
    there = opened(bundle(stream, tmp_path / "b.zip"))

    assert there.world.kind == "bundle" and there.world.name == "app (bundle, read-only)"
    words = about(BundleWorld(there.world.location).manifest())
    assert stream.name in words and "without payloads" in words and "by Tailrace" in words


def test_opening_it_again_changes_nothing(tmp_path):
    path = bundle(streams_of(replayed("4.2.4", "probe-409", tmp_path))[0], tmp_path / "b.zip")
    first = opened(path)
    before = said(first), Chunk.objects.count(), Write.objects.count()

    assert opened(path).pk == first.pk
    assert (said(first), Chunk.objects.count(), Write.objects.count()) == before


def test_what_was_not_told_when_it_was_bundled_is_not_told_later(tmp_path):
    """The run had just ended: that its close is missing in the bundle says nothing."""
    stream = next(
        one for one in streams_of(replayed("4.2.4", "probe-full", tmp_path)) if "never_closed" in said(one)
    )
    Finding.objects.filter(stream=stream, kind="never_closed").delete()
    Checkpoint.objects.filter(stream=stream).update(
        unchecked=[{"kind": "never_closed", "reason": "it has just ended"}]
    )
    there = opened(bundle(stream, tmp_path / "b.zip"))

    assert "never_closed" not in said(there)
    assert "it has just ended" in str(Checkpoint.objects.get(stream=there).unchecked)
    assert Checkpoint.objects.get(stream=there).due_ns is None


@pytest.mark.parametrize("member", MEMBERS)
def test_a_damaged_member_costs_only_itself(tmp_path, member):
    stream = scrambled(tmp_path)
    path = bundle(stream, tmp_path / "b.zip")
    changed = members(path)[member].replace(b"1", b"2", 3)
    there = opened(rezipped(path, tmp_path / "c.zip", **{member.replace(".", "__"): changed}))

    told = Unreadable.objects.filter(world=there.world).values_list("where", "reason")
    assert [where for where, _ in told] == [member] and "SHA-256" in told[0][1]
    assert (there.head == 0) is (member == "chunks.jsonl")
    assert ("out_of_order" in said(there)) is (member not in {"chunks.jsonl", "writes.jsonl"})


def test_a_line_that_says_nothing_costs_only_itself(tmp_path):
    stream = scrambled(tmp_path)
    path = bundle(stream, tmp_path / "b.zip")
    lines = members(path)["chunks.jsonl"].splitlines(keepends=True)
    lines[1] = b'{"chunk_id": 7}\n'
    data = b"".join(lines)
    manifest = json.loads(members(path)["manifest.json"])
    manifest["members"]["chunks.jsonl"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    changed = {"chunks__jsonl": data, "manifest__json": json.dumps(manifest).encode()}
    there = opened(rezipped(path, tmp_path / "c.zip", **changed))

    assert there.head == stream.head - 1
    assert Unreadable.objects.get(world=there.world).where == "chunks.jsonl:2"


def test_what_is_no_bundle_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(WorldError, match="is no bundle"):
        open_bundle(str(tmp_path / "b.zip"))
    with pytest.raises(WorldError, match="does not exist"):
        open_bundle(str(tmp_path / "c.zip"))
