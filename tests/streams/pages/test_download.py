"""The chunks of a stream as files."""

from __future__ import annotations

import csv
import io
import json

import pytest
from asgiref.sync import async_to_sync
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.urls import reverse

from runs.models import Decryption
from runs.payloads import RunKey
from runs.worlds.base import WORLDS, WorldError
from streams import search
from streams.models import Chunk, Write, Writer
from streams.pages import download
from tests.factories import CLOSE_MARKER, devalue, frame, make_chunks, make_run, make_stream, make_world

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


@pytest.mark.parametrize(
    ("query", "arrivals"),
    [
        ({"only": "problems"}, [5]),
        ({"type": "a"}, [1]),
        ({"text": "/cmd|late/"}, [3, 5]),
        ({"text": "/cmd|late/", "to": 4}, [3]),
        ({"text": "nowhere"}, []),
        ({"writer": "2~step_1~p"}, [2, 3]),
        ({"step": "step_1", "from": 3}, [3]),
    ],
)
def test_only_what_fits_a_filter(client, stream, query, arrivals):
    writer = Writer.objects.create(
        stream=stream, key="k", known="exact", process="p", step_id="step_1", attempt=2
    )
    for number in (2, 3):
        Write.objects.create(
            stream=stream, writer=writer, process="p", number=number, place=0, outcome="stored", called_ns=1,
            revision=1, arrival=number,
        )  # fmt: skip
    Chunk.objects.filter(stream=stream, arrival__in=[2, 3]).update(writer=writer)
    response, body = body_of(client, stream, "ndjson", **query)
    assert [json.loads(line)["arrival"] for line in body.splitlines()] == arrivals
    assert response["Content-Disposition"].endswith('-filtered.ndjson"')


def test_a_long_search_is_sent_part_by_part(client, stream, monkeypatch):
    monkeypatch.setattr(search, "PAGE", 2)
    monkeypatch.setattr(search, "BUDGET_S", -1)
    _, body = body_of(client, stream, "csv", text="/a|late/")
    assert [row["arrival"] for row in csv.DictReader(io.StringIO(body.decode()))] == ["1", "5"]
    assert body_of(client, stream, "bin", type="a")[1] == frame({"type": "a"})


def test_a_pattern_that_cannot_be_used_gives_no_file(client, stream):
    response = client.get(reverse("download", args=[stream.world.slug, stream.name, "csv"]), {"text": "/a(/"})
    assert response.status_code == 400 and "missing )" in response.content.decode()
    assert "Content-Disposition" not in response


def test_a_search_that_opens_values_is_noted(client, monkeypatch):
    run = make_run(make_world())
    stream = make_stream(run.world, run=run)
    key, nonce = RunKey(bytes(range(32))), bytes(12)
    sealed = b"encr" + nonce + AESGCM(key).encrypt(nonce, devalue({"say": "secret"}), None)
    make_chunks(stream, [len(sealed).to_bytes(4, "big") + sealed, "open"])
    assert body_of(client, stream, "ndjson", text="secret")[1] == b"" and not Decryption.objects.exists()
    monkeypatch.setattr("runs.keys.key_for", lambda run: key)
    lines = body_of(client, stream, "ndjson", text="secret")[1].splitlines()
    assert [json.loads(line)["arrival"] for line in lines] == [1]
    assert "secret" not in lines[0].decode()
    assert Decryption.objects.get().what == f"a filtered download of {stream.name}"


def test_there_are_no_other_forms(client, stream):
    url = reverse("download", args=[stream.world.slug, stream.name, "exe"])
    assert client.get(url).status_code == 404
