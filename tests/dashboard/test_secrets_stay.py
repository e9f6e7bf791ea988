"""A secret that was given to a world appears nowhere: no page, log line, address, answer, file or repr."""

from __future__ import annotations

import io
import logging
import threading

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from dashboard.bundle.make import bundle_report, make_bundle
from dashboard.urls import urlpatterns
from dashboard.worlds import manage
from runs.models import World
from runs.secrets import adapter_of, secret_of
from runs.worlds.base import WorldError
from streams import ingest
from tests.factories import make_chunks, make_run, make_stream
from tests.kinds import SECRET, RemoteWorld, made_kind

pytestmark = pytest.mark.django_db
ADDRESS = f"remote://ann:{SECRET}@db/app"


@pytest.fixture
def said(monkeypatch, settings, tmp_path, caplog):
    """All that a session says; the adapter itself is as careless as it can be."""
    settings.DATA = tmp_path / "data"
    made_kind(monkeypatch)
    monkeypatch.setattr(ingest, "_opened", {})
    caplog.set_level(logging.DEBUG)
    return io.StringIO()


def pages_of(world: World) -> list[str]:
    """Every page that needs no more than a world, or one of its streams, to be named."""
    found = ["/worlds/add/?kind=remote"]
    stream = world.streams.get()
    for pattern in urlpatterns:
        wanted = set(pattern.pattern.converters)
        if (
            wanted <= {"slug", "name"}
            and "zip" not in str(pattern.pattern)
            and "static" not in str(pattern.pattern)
        ):
            values = {"slug": world.slug, "name": stream.name}
            found.append(reverse(pattern.name, kwargs={key: values[key] for key in wanted}))
    return found


@pytest.fixture
def world(said):
    client = Client(raise_request_exception=False)
    for path, status in (("/worlds/test/", 200), ("/worlds/add/", 302)):
        response = client.post(path, {"given": ADDRESS, "name": "shop"}, headers={"HX-Request": "true"})
        assert response.status_code == status
        said.write(response.content.decode() + repr(response.headers))
    return World.objects.get()


def test_a_whole_session_never_says_it(said, world, caplog, capfd, tmp_path):
    assert secret_of(world) == SECRET, "it is there"
    ingest.pull(world.pk, threading.Event())
    make_chunks(make_stream(world, run=make_run(world)), [b"a", {"type": "text-delta", "delta": "hi"}, None])
    RemoteWorld.away.add("db")
    ingest.hint(world.pk, ingest.EVERYTHING)
    ingest.pull(world.pk, threading.Event())
    visited = pages_of(world)
    for url in visited:
        answer = Client(raise_request_exception=False).get(url)
        said.write(url + answer.content.decode("utf-8", "replace") + repr(answer.headers))
    call_command("worlds", stdout=said, stderr=said)
    with pytest.raises(SystemExit):
        call_command("worlds", "test", "shop", stdout=said, stderr=said)
    said.write(repr(world) + repr(adapter_of(world)) + str(World.objects.values().get()))
    printed = capfd.readouterr()
    everything = said.getvalue() + caplog.text + printed.out + printed.err
    assert len(visited) > 10 and SECRET not in everything and "hunter2" not in everything


def test_evidence_that_is_downloaded_does_not_have_it(world):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, [b"a", None])
    file = io.BytesIO()
    make_bundle(stream, file, payloads=True)
    assert SECRET.encode() not in file.getvalue()
    assert SECRET not in bundle_report(stream, payloads=True)


def test_no_file_of_the_data_directory_holds_it_as_it_is(world, settings):
    files = [one for one in settings.DATA.rglob("*") if one.is_file()]
    assert files and all(SECRET.encode() not in one.read_bytes() for one in files)
    assert SECRET.encode() not in bytes(World.objects.get().sealed)


def test_an_error_report_of_the_form_hides_it(said, monkeypatch, caplog):
    def broken(*_args: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(manage, "add", broken)
    response = Client(raise_request_exception=False).post(
        "/worlds/add/", {"given": ADDRESS, "secret": SECRET}
    )
    assert response.status_code == 500 and SECRET not in response.content.decode() + caplog.text


def test_a_secret_that_cannot_be_opened_is_a_world_error_without_it(world, settings):
    settings.KEY_SECRET = "a secret from the environment"
    (settings.DATA / "sealing-key").unlink()
    with pytest.raises(WorldError) as refused:
        secret_of(world)
    assert SECRET not in str(refused.value)
