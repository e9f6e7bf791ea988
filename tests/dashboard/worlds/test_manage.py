"""What people do with worlds: what it does to the row, and what is refused."""

from __future__ import annotations

import pytest

from dashboard.worlds import manage
from dashboard.worlds.manage import Refused, add, taken_apart
from runs import queries, tokens
from runs.managed import standing
from runs.models import ProbeToken, World
from runs.secrets import adapter_of, secret_of
from runs.worlds.base import WORLDS, WorldError
from tests.factories import make_world
from tests.kinds import KIND, SECRET, made_kind

pytestmark = pytest.mark.django_db


@pytest.fixture
def remote(monkeypatch, settings, tmp_path):
    """A made-up kind of world with a password, as PostgreSQL has."""
    settings.DATA = tmp_path / "data"
    return made_kind(monkeypatch)


def test_a_world_is_added_once_and_keeps_its_name(tmp_path):
    world, is_new = add(taken_apart(str(tmp_path / "shop")), " My <shop> ")
    assert (is_new, world.name, world.slug) == (True, "My <shop>", "my-shop")
    again, is_new = add(taken_apart(f"{tmp_path}/x/../shop/"), "another name")
    assert (again.pk, is_new, again.name) == (world.pk, False, "My <shop>")


def test_the_secret_of_an_address_is_taken_out_of_it_and_kept_sealed(remote):
    world, _ = add(taken_apart(f"remote://ann:{SECRET}@db/app"))
    assert world.location == "remote://ann@db/app"
    assert SECRET.encode() not in bytes(World.objects.get().sealed)
    assert adapter_of(World.objects.get()).secret == SECRET


def test_a_secret_of_its_own_wins_and_a_kind_without_one_gets_none(remote, tmp_path):
    world, _ = add(taken_apart("remote://ann:old@db/app", SECRET))
    assert secret_of(world) == SECRET
    local, _ = add(taken_apart(str(tmp_path), SECRET))
    assert local.sealed is None


def test_nothing_is_stored_where_the_secret_cannot_be_kept(remote, settings):
    settings.DATABASE_URL, settings.KEY_SECRET = "postgresql://elsewhere/x", ""
    with pytest.raises(Refused, match="TAILRACE_KEY_SECRET is not set"):
        add(taken_apart("remote://db/app", SECRET))
    assert not World.objects.exists()
    add(taken_apart("remote://db/app"))
    assert World.objects.get().sealed is None


@pytest.mark.parametrize("given", ["", "  ", "a\0b", f"mysql://u:{SECRET}@h/x", f"remote://ann:{SECRET}@"])
def test_what_names_no_world_is_refused_without_its_secret(remote, given):
    with pytest.raises(Refused) as refused:
        taken_apart(given)
    assert SECRET not in str(refused.value) and str(refused.value)


def test_a_paused_world_is_resumed_as_it_was():
    world = make_world("app", trouble="gone", trouble_since_ns=5)
    manage.pause(world)
    manage.pause(world)
    world.refresh_from_db()
    assert standing(world) == "paused" and world.paused_ns
    manage.resume(world)
    world.refresh_from_db()
    assert standing(world) == "followed" and world.trouble == ""


def test_a_world_whose_app_pushes_cannot_be_paused():
    with pytest.raises(Refused, match="its app pushes"):
        manage.pause(make_world("app", kind="probe"))


def test_a_new_name_leaves_the_address_as_it_is():
    world = make_world("app")
    manage.rename(world, " Shop ")
    world.refresh_from_db()
    assert (world.name, world.slug) == ("Shop", "app")
    with pytest.raises(Refused, match="needs a name"):
        manage.rename(world, "  ")


def test_a_secret_is_replaced_and_forgotten(remote):
    world, _ = add(taken_apart("remote://db/app", "old"))
    manage.give_secret(world, SECRET)
    assert secret_of(World.objects.get()) == SECRET
    manage.give_secret(world, "")
    assert World.objects.get().sealed is None
    with pytest.raises(Refused, match="needs no secret"):
        manage.give_secret(make_world("local"), SECRET)


def test_a_world_moves_within_its_kind_and_not_onto_another(remote, tmp_path):
    world, _ = add(taken_apart("remote://db/app", SECRET))
    manage.move(world, taken_apart("remote://db2/app"))
    world.refresh_from_db()
    assert world.location == "remote://db2/app" and secret_of(world) == SECRET
    with pytest.raises(Refused, match="add it as a world of its own"):
        manage.move(world, taken_apart(str(tmp_path)))
    add(taken_apart("remote://db3/app"))
    with pytest.raises(Refused, match="has that place already"):
        manage.move(world, taken_apart("remote://db3/app"))


def test_an_archive_keeps_nothing_secret_and_frees_its_place(remote):
    world, _ = add(taken_apart("remote://db/app", SECRET))
    tokens.create(world, "staging")
    manage.archive(world)
    world.refresh_from_db()
    assert (standing(world), world.sealed, world.location) == ("archived", None, "remote://db/app")
    assert not ProbeToken.objects.filter(revoked_ns=None).exists()
    with pytest.raises(WorldError, match="no longer read"):
        adapter_of(world)
    again, is_new = add(taken_apart("remote://db/app"))
    assert is_new and again.pk != world.pk and standing(again) == "followed"


@pytest.mark.parametrize("act", [manage.pause, manage.resume, manage.archive])
def test_an_archive_is_for_good(act):
    world = make_world("app")
    manage.archive(world)
    with pytest.raises(Refused, match="is archived"):
        act(world)


def test_a_world_that_is_removed_gives_up_name_and_place_at_once():
    world = make_world("app")
    make_world(f"removed-{world.pk}")
    place = World.objects.get(pk=world.pk).location
    manage.remove(world)
    world.refresh_from_db()
    assert standing(world) == "removed" and world.slug != "app" and queries.world_named(world.slug) is None
    assert add(taken_apart(place))[1]
    with pytest.raises(Refused, match="being removed"):
        manage.remove(world)


def test_a_kind_that_nothing_reads_any_more_can_still_be_renamed_and_removed(remote):
    world, _ = add(taken_apart("remote://db/app"))
    del WORLDS.found[KIND]
    manage.rename(world, "old")
    manage.remove(world)
    assert standing(World.objects.get()) == "removed"


def test_an_archive_takes_no_reports_and_no_new_tokens(client):
    world = make_world("app")
    plain = tokens.create(world, "staging")[1]
    manage.archive(world)
    batch = {"v": 1, "process": "p1", "number": 1, "sent": 1.0, "records": []}
    for headers in ({"authorization": f"Bearer {plain}"}, {}):
        answer = client.post("/api/v1/probe", batch, content_type="application/json", headers=headers)
        assert answer.status_code in (400, 403)
    assert client.post("/w/app/connect/", {"action": "create", "name": "x"}).status_code == 400
    assert not ProbeToken.objects.filter(revoked_ns=None).exists()
