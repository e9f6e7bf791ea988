"""The page of worlds and the form that adds one."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.worlds import manage, rows
from runs.models import World
from runs.secrets import secret_of
from tests.factories import MS, START_NS, make_chunks, make_run, make_stream, make_world
from tests.kinds import SECRET, made_kind
from tests.runs.worlds.made_worlds import MadeWorld

pytestmark = pytest.mark.django_db


@pytest.fixture
def remote(monkeypatch, settings, tmp_path):
    settings.DATA = tmp_path / "data"
    return made_kind(monkeypatch)


def html(response) -> str:
    text: str = response.content.decode()
    assert SECRET not in text
    return text


def post(client, path="/worlds/add/", status=302, **fields):
    response = client.post(path, fields)
    assert response.status_code == status, response.content.decode()
    return html(response)


def test_it_shows_every_world_with_its_state(client):
    make_world("shop", read_ns=START_NS, facts=[{"label": "Clock", "value": "12 ms off", "is_warning": True}])
    make_world("gone", trouble="the host does not answer", trouble_since_ns=START_NS)
    make_world("app", kind="probe")
    manage.pause(make_world("idle"))
    manage.archive(make_world("old"))
    manage.remove(make_world("away"))
    text = html(client.get("/worlds/"))
    for said in (
        "read ", "12 ms off", "unreachable", "since 22:26:40", "the host does not answer", "Known only from what",
        "paused", "nothing is judged by time alone", "archive", "being removed", "/srv/old",
    ):  # fmt: skip
        assert said in text, said
    assert "archived:" not in text and 'href="/w/shop/streams/"' in text and 'href="/w/shop/manage/"' in text


def test_it_counts_and_says_how_late_the_newest_chunk_was_here(client, monkeypatch):
    world = make_world("shop")
    make_chunks(make_stream(world, run=make_run(world)), [b"a", b"b"])
    row = rows.row_of(world)
    assert (row.runs, row.streams) == ("1", "1")
    assert (row.stored_ns, row.behind_ns) == (START_NS + 20 * MS, 5 * MS)
    monkeypatch.setattr(rows, "COUNTED", 0)
    assert rows.row_of(world).runs == "0+"


def test_facts_of_any_form_break_nothing(client):
    make_world("shop", facts=[1, None, {"value": "x"}, {"label": "<b>", "value": {"a": 1}, "hint": 7}, []])
    make_world("mail", facts={"label": "x"})
    text = html(client.get("/worlds/"))
    assert "&lt;b&gt;" in text and "<b></dt>" not in text


def test_it_refreshes_its_rows_alone(client):
    first, second = make_world("shop"), make_world("mail")
    rows = html(client.get("/worlds/?part=rows"))
    assert "<html" not in rows and 'data-socket="/worlds/"' in rows
    assert f'id="world-{first.pk}"' in rows and f'id="world-{second.pk}"' in rows
    assert f'id="world-{second.pk}"' not in html(client.get(f"/worlds/?part=rows&only={first.pk}"))
    assert client.get("/worlds/?part=rows&only=x").status_code == 200


def test_without_a_world_it_teaches_how_to_add_one(client):
    text = html(client.get("/worlds/"))
    assert "No world is known yet" in text and 'href="/worlds/add/"' in text


def test_the_form_says_what_each_kind_tells_and_takes(client, remote):
    text = html(client.get("/worlds/add/?kind=remote"))
    assert "remote://reader@host/name" in text and "TAILRACE_REMOTE_PASSWORD" in text
    assert 'type="password"' in text and "stream_unlisted" in text
    assert 'type="password"' not in html(client.get("/worlds/add/"))
    assert client.get("/worlds/add/?kind=<b>").status_code == 200


def test_a_world_is_added_with_its_secret_and_name(client, remote):
    post(client, given="remote://ann@db/app", secret=SECRET, name="Shop")
    world = World.objects.get()
    assert (world.name, world.location, secret_of(world)) == ("Shop", "remote://ann@db/app", SECRET)
    assert "remote://ann@db/app" in html(client.get("/worlds/"))


def test_a_directory_is_added_only_if_it_is_a_world(client, tmp_path):
    MadeWorld(tmp_path / "shop").listed("s")
    post(client, given=str(tmp_path / "shop"))
    assert "directory of the system" in post(client, given="/etc", status=422)
    (tmp_path / "notes").mkdir()
    assert "nothing there that the Workflow SDK wrote" in post(
        client, given=str(tmp_path / "notes"), status=422
    )
    assert World.objects.count() == 1


@pytest.mark.parametrize("given", ["", f"mysql://u:{SECRET}@h/x", f"remote://ann:{SECRET}@", "x" * 5000])
def test_what_names_no_world_comes_back_without_its_secret(client, remote, given):
    text = post(client, given=given, secret=SECRET, name="<b>", status=422)
    assert "&lt;b&gt;" in text and not World.objects.exists()


def test_a_test_shows_each_item_and_stores_nothing(client, remote):
    fields = {"given": "remote://db/app", "secret": "wrong-password"}
    text = html(client.post("/worlds/test/", fields, headers={"HX-Request": "true"}))
    assert "<html" not in text and "reachable" in text and "GRANT SELECT ON runs" in text
    assert "wrong-password" not in text
    page = post(client, "/worlds/test/", 200, **fields)
    assert "<html" in page and "GRANT SELECT ON runs" in page and "wrong-password" not in page
    assert "names no host" in html(
        client.post("/worlds/test/", {"given": "remote:"}, headers={"HX-Request": "true"})
    )
    assert not World.objects.exists() and remote.watched == []


def test_without_a_key_to_seal_with_it_says_what_to_set(client, remote, settings):
    settings.DATABASE_URL, settings.KEY_SECRET = "postgresql://elsewhere/x", ""
    assert "TAILRACE_KEY_SECRET" in html(client.get("/worlds/add/?kind=remote"))
    assert "Nothing was stored" in post(client, given="remote://db/app", secret=SECRET, status=422)
    assert not World.objects.exists()


def test_only_the_owner_adds_and_tests(client, settings, remote):
    settings.SIGN_IN = True
    client.force_login(User.objects.create_user("reader"))
    assert client.get("/worlds/").status_code == 200
    for path in ("/worlds/add/", "/worlds/test/"):
        assert client.post(path, {"given": "remote://db/app"}).status_code == 403
    assert not World.objects.exists()


def test_it_takes_no_post_from_another_site(remote):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/worlds/add/", {"given": "remote://db/app"}).status_code == 403
    assert not World.objects.exists()


def test_nothing_large_is_counted_to_its_end(client, django_assert_max_num_queries):
    world = make_world("shop")
    make_chunks(make_stream(world, run=make_run(world)), [b"a"] * 3)
    with django_assert_max_num_queries(14):
        client.get("/worlds/?part=rows")


def test_what_was_there_before_a_world_was_added_is_not_late(client):
    world = make_world("shop", created_ns=START_NS + 3600 * 10**9)
    make_chunks(make_stream(world, run=make_run(world)), [b"a"])
    assert rows.row_of(world).behind_ns is None
    assert "from before it was added" in html(client.get("/worlds/"))


def test_facts_of_a_world_that_is_not_read_now_are_not_shown(client):
    world = make_world(
        "shop", read_ns=START_NS, facts=[{"label": "Requests", "value": "7 in the last minute"}]
    )
    assert "7 in the last minute" in html(client.get("/worlds/"))
    World.objects.update(trouble="the host does not answer", trouble_since_ns=START_NS)
    text = html(client.get("/worlds/"))
    assert "7 in the last minute" not in text and "since 2026-11-21 22:26:40 UTC" in text
    manage.pause(world)
    assert "7 in the last minute" not in html(client.get("/worlds/"))


def test_any_other_world_gets_a_name_and_the_lines_that_connect_its_app(client):
    text = html(client.get("/worlds/add/?kind=probe"))
    assert 'action="/connect/"' in text and 'name="given"' not in text
    assert "as its app reports them" in text and 'href="/anomalies/kinds/out_of_order/"' in text
    make_world("shop")
    answer = client.post("/connect/", {"name": "turso"}, follow=True)
    assert answer.redirect_chain[0][0].startswith("/w/turso/connect/") and "TAILRACE_WORLD_NAME" in html(
        answer
    )


def test_the_set_up_page_has_the_grants_and_a_test_those_of_the_address(client):
    page = client.get("/worlds/add/?kind=postgres").content.decode()
    assert "GRANT USAGE ON SCHEMA workflow TO tailrace;" in page
    typed = {"given": "postgres://reader@127.0.0.1:1/shop?schema=flows", "secret": "hunter2"}
    tested = client.post("/worlds/test/", typed, headers={"HX-Request": "true"}).content.decode()
    assert "GRANT CONNECT ON DATABASE shop TO reader;" in tested
    assert "GRANT USAGE ON SCHEMA flows TO reader;" in tested
    assert "hunter2" not in tested
    assert "GRANT" not in client.get("/worlds/add/?kind=local").content.decode()
