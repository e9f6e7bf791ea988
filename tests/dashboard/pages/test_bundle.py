"""The bundle as a download, its report as text, and the panel of an opened one."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.test import AsyncClient
from django.urls import reverse

from dashboard.bundle.opened import open_bundle
from streams.models import Stream
from tests.dashboard.bundle.replayed import bundle, replayed, said, streams_of
from tests.factories import make_chunks, make_run, make_stream, make_world, text_chunks

pytestmark = pytest.mark.django_db


def url(stream, name="bundle", query=""):
    return reverse(name, args=[stream.world.slug, stream.name]) + query


@pytest.fixture
def scrambled(tmp_path):
    streams = streams_of(replayed("4.2.4", "probe-lat", tmp_path))
    return next(one for one in streams if "out_of_order" in said(one))


@pytest.fixture
def rejected(tmp_path):
    streams = streams_of(replayed("4.2.4", "probe-409", tmp_path))
    return next(one for one in streams if "write_rejected" in said(one))


def unpacked(response):
    return zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))


def test_it_gives_a_zip_without_payloads_to_keep(client, scrambled):
    response = client.get(url(scrambled))

    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"] == f'attachment; filename="tailrace-{scrambled.name}.zip"'
    names = unpacked(response).namelist()
    assert {"manifest.json", "chunks.jsonl", "verdict.json", "report.md"} <= set(names)
    assert not any(name.startswith("payloads/") for name in names)


def test_it_gives_payloads_where_they_are_asked_for(client, scrambled):
    names = unpacked(client.get(url(scrambled, query="?payloads=1"))).namelist()
    assert any(name.startswith("payloads/") for name in names)


@pytest.mark.django_db(transaction=True)
async def test_it_is_sent_in_blocks_by_the_real_server(tmp_path, monkeypatch):
    from asgiref.sync import sync_to_async

    @sync_to_async
    def made():
        stream = make_stream(make_world())
        make_chunks(stream, text_chunks(500))
        return stream

    monkeypatch.setattr("dashboard.pages.bundle.BLOCK", 1000)
    stream = await made()
    response = await AsyncClient().get(f"/w/app/streams/{stream.name}/bundle.zip")
    blocks = [block async for block in response.streaming_content]

    assert response.is_async and len(blocks) > 5 and max(map(len, blocks)) <= 1000
    assert zipfile.ZipFile(io.BytesIO(b"".join(blocks))).testzip() is None


def test_it_refuses_what_is_not_there_and_what_is_no_longer_kept(client):
    stream = make_stream(make_world())
    assert client.get(f"/w/app/streams/{stream.name}x/bundle.zip").status_code == 404
    Stream.objects.update(pruned_ns=1)
    response = client.get(url(stream))
    assert response.status_code == 404 and b"no longer kept here" in response.content
    assert client.post(url(stream)).status_code == 405


def test_the_report_of_a_scrambled_stream_proves_it(client, scrambled):
    response = client.get(url(scrambled, "bundle-markdown"))
    text = response.content.decode()

    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert text.startswith("# Chunks that are not stored in the order in which their writer wrote them\n")
    assert "vercel/workflow#2058" in text and "vercel/workflow#1949" not in text
    assert "| `out_of_order` | proved | error | 6 |" in text
    assert "| SDK of the run | `4.2.4` |" in text
    scrambled.refresh_from_db()
    rows = [line for line in text.splitlines() if "`chnk_" in line]
    assert len(rows) == 11 and sum("**moved**" in row for row in rows) == scrambled.moved_count > 5
    assert "getWritable()" in text and "Payloads are left out" in text


def test_the_report_of_a_rejected_write_names_the_known_issue_and_the_answer(client, rejected):
    text = client.get(url(rejected, "bundle-markdown")).content.decode()

    assert "vercel/workflow#1949" in text and "vercel/workflow#2058" not in text
    assert "## Writes that were not stored" in text
    assert "| rejected | 409 |" in text and "is already completed" in text


def test_the_report_shows_payloads_only_where_they_are_asked_for(client, scrambled):
    redacted, whole = (
        client.get(url(scrambled, "bundle-markdown", query)).content.decode() for query in ("", "?payloads=1")
    )
    assert "“novo" not in redacted and "| payload |" not in redacted
    assert "| payload |" in whole and "text-delta" in whole


def test_nothing_of_the_app_calls_anybody_or_breaks_the_table_in_a_report(client):
    run = make_run(make_world(), workflow="a|b`c @maintainer\n# x")
    stream = make_stream(run.world, run=run)
    make_chunks(stream, text_chunks(2))
    text = client.get(url(stream, "bundle-markdown")).content.decode()

    assert "`a¦b´c @maintainer # x`" in text
    assert "Nothing wrong was found in it." in text


def test_an_opened_bundle_shows_what_was_said_where_it_was_made(client, scrambled, tmp_path):
    world = open_bundle(str(bundle(scrambled, tmp_path / "b.zip")))
    there = Stream.objects.get(world=world)
    html = client.get(url(there, "bundled")).content.decode()

    assert "app (bundle, read-only)" in html and "without payloads" in html
    assert html.count("the same") == len(said(there)) == 3
    piece = client.get(url(there, "bundled"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in piece and "As bundled" in piece


def test_its_stream_page_is_like_any_other(client, scrambled, tmp_path):
    there = Stream.objects.get(world=open_bundle(str(bundle(scrambled, tmp_path / "b.zip"))))
    html = client.get(url(there, "stream")).content.decode()

    assert "6 chunks are not stored where step emitStream wrote them" in html
    assert "█" in html and "novo" not in html


def test_the_panel_says_so_where_the_bundle_is_gone_and_is_only_for_bundles(client, scrambled, tmp_path):
    path = bundle(scrambled, tmp_path / "b.zip")
    there = Stream.objects.get(world=open_bundle(str(path)))
    path.unlink()

    assert "does not exist" in client.get(url(there, "bundled")).content.decode()
    assert client.get(url(scrambled, "bundled")).status_code == 404
