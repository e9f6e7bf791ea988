"""What can be done with one world: each act, what it asks for, and who may."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from dashboard.worlds.manage import add, taken_apart
from runs.managed import standing
from runs.models import World
from runs.secrets import secret_of
from tests.factories import make_world
from tests.kinds import SECRET, RemoteWorld, made_kind

pytestmark = pytest.mark.django_db
PAGE = "/w/app/manage/"


@pytest.fixture
def world(monkeypatch, settings, tmp_path):
    settings.DATA = tmp_path / "data"
    made_kind(monkeypatch)
    return add(taken_apart("remote://db/app", SECRET))[0]


def html(response) -> str:
    text: str = response.content.decode()
    assert SECRET not in text
    return text


def act(client, action, status=302, **fields):
    response = client.post(PAGE, {"action": action, **fields})
    assert response.status_code == status, response.content.decode()
    return html(response)


def test_it_shows_the_world_what_it_tells_and_what_can_be_done(client, world):
    text = html(client.get(PAGE))
    for said in (
        "remote://db/app",
        "One is stored",
        "What it can tell",
        "Pause",
        "Archive",
        "Remove",
    ):
        assert said in text, said


def test_it_pauses_and_resumes(client, world):
    act(client, "pause")
    assert standing(World.objects.get()) == "paused"
    assert "Resume" in html(client.get(PAGE)) and "is paused" in html(client.get("/w/app/runs/"))
    act(client, "resume")
    assert standing(World.objects.get()) == "followed"


def test_it_renames_moves_and_replaces_the_secret(client, world):
    act(client, "rename", name="<b>Shop")
    assert "&lt;b&gt;Shop" in html(client.get(PAGE))
    act(client, "move", given="remote://db2/app")
    act(client, "secret", secret="a new one")
    world.refresh_from_db()
    assert (world.location, secret_of(world)) == ("remote://db2/app", "a new one")
    assert "a new one" not in html(client.get(PAGE))
    act(client, "forget")
    assert World.objects.get().sealed is None and "TAILRACE_REMOTE_PASSWORD" in html(client.get(PAGE))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"action": "rename", "name": " "}, "needs a name"),
        ({"action": "secret", "secret": ""}, "stays as it is"),
        ({"action": "move", "given": "/etc"}, "of the system"),
        ({"action": "move", "given": "mysql://u:hunter2-correct-horse@h/x"}, "nothing here reads"),
        ({"action": "remove", "confirm": "shop"}, "not its name"),
        ({"action": "archive"}, "not its name"),
    ],
)
def test_what_cannot_be_done_is_said_where_it_was_asked(client, world, fields, says):
    before = World.objects.values().get()
    text = html(client.post(PAGE, fields))
    assert says in text and World.objects.values().get() == before


def test_what_is_for_good_asks_for_the_name(client, world):
    act(client, "archive", confirm=" app ")
    assert standing(World.objects.get()) == "archived"
    text = html(client.get(PAGE))
    assert 'value="archive"' not in text and 'value="remove"' in text and "is an archive" in text
    act(client, "remove", confirm="app")
    assert standing(World.objects.get()) == "removed" and client.get(PAGE).status_code == 404
    assert client.get(f"/w/{World.objects.get().slug}/runs/").status_code == 404
    assert "being removed" in html(client.get("/worlds/"))


def test_it_tries_the_world_with_what_is_stored(client, world):
    text = html(client.post(PAGE + "test/", headers={"HX-Request": "true"}))
    assert "<html" not in text and "password" in text and "failed" not in text
    RemoteWorld.away.add("db")
    assert "Is the host up?" in html(client.post(PAGE + "test/"))
    act(client, "archive", confirm="app")
    assert "no longer read" in html(client.post(PAGE + "test/", headers={"HX-Request": "true"}))


def test_a_world_that_pushes_has_nothing_to_pause(client):
    make_world("app", kind="probe")
    text = html(client.get(PAGE))
    assert 'value="pause"' not in text and "its app pushes" in text
    assert "its app pushes" in act(client, "pause", status=422)


def test_an_unknown_action_is_refused(client, world):
    assert client.post(PAGE, {"action": "drop"}).status_code == 400
    assert client.delete(PAGE).status_code == 405
    assert client.get("/w/nope/manage/").status_code == 404


def test_only_the_owner_may(client, world, settings):
    settings.SIGN_IN = True
    client.force_login(User.objects.create_user("reader"))
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"action": "pause"}).status_code == 403
    assert client.post(PAGE + "test/").status_code == 403
    assert standing(World.objects.get()) == "followed"
