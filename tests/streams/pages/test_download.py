"""The chunks of a stream as files."""

from __future__ import annotations

import csv
import io
import json

import pytest
from asgiref.sync import async_to_sync
from django.urls import reverse

from runs.worlds.base import WORLDS, WorldError
from streams.models import Chunk, Writer
from streams.pages import download
from tests.factories import CLOSE_MARKER, frame, make_chunks, make_stream, make_world

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stream():
    stream = make_stream(make_world())
    make_chunks(stream, [{"type": "a"}, b"\xff\xfe", "=cmd()", CLOSE_MARKER, {"late": 1}])
    return stream


def body_of(client, stream, form, **query):
    response = client.get(reverse("download", args=[stream.world.slug, stream.name, form]), query)

    async def gathered() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    return response, async_to_sync(gathered)()


def test_each_chunk_is_a_line_with_all_its_clocks(client, stream):
    writer = Writer.objects.create(
        stream=stream, key="k", known="exact", step_name="step//x//write", attempt=2
    )
    Chunk.objects.filter(stream=stream, arrival=1).update(writer=writer, sequence=7)
    response, body = body_of(client, stream, "ndjson")
    lines = [json.loads(line) for line in body.splitlines()]
    first = Chunk.objects.get(stream=stream, arrival=1)
    assert response["Content-Disposition"] == f'attachment; filename="{stream.name}.ndjson"'
    assert [line["arrival"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[0]["value"] == {"type": "a"}
    assert {name: lines[0][name] for name in ("minted_ms", "stored_ns", "observed_ns")} == {
        "minted_ms": first.minted_ms,
        "stored_ns": first.stored_ns,
        "observed_ns": first.observed_ns,
    }
    assert (lines[0]["sequence"], lines[0]["step"], lines[0]["attempt"]) == (7, "step//x//write", 2)
    assert lines[3]["is_close"] and "value" not in lines[3]
    assert lines[4]["marks"] == ["behind"] and lines[4]["position"] is None


def test_bytes_that_are_no_value_come_as_they_are(client, stream):
    _, body = body_of(client, stream, "bin")
    assert body == frame({"type": "a"}) + b"\xff\xfe" + frame("=cmd()") + frame({"late": 1})


def test_a_spreadsheet_runs_nothing(client, stream):
    Chunk.objects.filter(stream=stream, arrival=5).update(chunk_id="=HYPERLINK(1)")
    _, body = body_of(client, stream, "csv")
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert rows[4]["chunk_id"] == "'=HYPERLINK(1)"
    assert json.loads(rows[0]["value"]) == {"type": "a"}


def test_a_range_is_both_ends_included(client, stream):
    response, body = body_of(client, stream, "ndjson", **{"from": 2, "to": 3})
    assert [json.loads(line)["arrival"] for line in body.splitlines()] == [2, 3]
    assert "-2-3.ndjson" in response["Content-Disposition"]


def test_a_long_stream_is_read_page_by_page(client, stream, monkeypatch):
    monkeypatch.setattr(download, "PAGE", 2)
    _, body = body_of(client, stream, "ndjson")
    assert [json.loads(line)["arrival"] for line in body.splitlines()] == [1, 2, 3, 4, 5]


def test_what_is_kept_in_part_is_read_from_the_world_again(client, stream, monkeypatch):
    Chunk.objects.filter(stream=stream, arrival=2).update(size=1000)
    kind = WORLDS.found[stream.world.kind]
    monkeypatch.setattr(kind, "fetch_chunk", lambda self, name, chunk_id: b"whole")
    assert b"whole" in body_of(client, stream, "bin")[1]

    def gone(self, name, chunk_id):
        raise WorldError("gone")

    monkeypatch.setattr(kind, "fetch_chunk", gone)
    assert b"\xff\xfe" in body_of(client, stream, "bin")[1]
    line = json.loads(body_of(client, stream, "ndjson")[1].splitlines()[1])
    assert line["problem"] == "only the first 2 of 1000 bytes are kept" and line["data"] == "//4="


def test_there_are_no_other_forms(client, stream):
    url = reverse("download", args=[stream.world.slug, stream.name, "exe"])
    assert client.get(url).status_code == 404
