from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from dashboard.worlds import manage
from dashboard.worlds.known import ensure_probe_world, ensure_world, find_or_make_world, served_world
from runs.models import World
from tests.factories import make_world


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKFLOW_LOCAL_DATA_DIR", raising=False)
    return tmp_path


@pytest.mark.django_db
def test_a_world_is_its_real_path(nowhere):
    (nowhere / "shop/.workflow-data").mkdir(parents=True)
    (nowhere / "link").symlink_to(nowhere / "shop/.workflow-data")
    world = ensure_world("shop/.workflow-data")
    assert ensure_world("link").pk == ensure_world(str(nowhere / "shop" / ".workflow-data/")).pk == world.pk
    assert (world.name, world.slug) == ("shop", "shop")


@pytest.mark.django_db
def test_worlds_of_the_same_name_get_slugs_of_their_own(nowhere):
    first, second = ensure_world("a/shop"), ensure_world("b/shop")
    hostile = ensure_world("c/<b>\n✓")
    assert (first.slug, second.slug) == ("shop", "shop-2")
    assert hostile.slug == "b"


@pytest.mark.django_db
def test_what_is_pushed_by_name_goes_to_a_world_that_is_not_ended(settings):
    world = ensure_probe_world("shop")
    settings.SERVED_WORLD = world.pk
    assert find_or_make_world("shop").pk == world.pk == served_world().pk
    manage.archive(world)
    again = find_or_make_world("shop")
    assert again.pk != world.pk and again.slug == "shop-2" and served_world().pk == again.pk
    manage.remove(again)
    assert served_world() is None
    assert find_or_make_world("shop").pk not in {world.pk, again.pk}


@pytest.mark.django_db
def test_one_place_has_one_world_that_is_not_ended(tmp_path):
    world = ensure_world(str(tmp_path))
    with pytest.raises(IntegrityError), transaction.atomic():
        make_world("twin", location=world.location)
    for number, end in enumerate((manage.archive, manage.remove)):
        end(ensure_world(str(tmp_path)))
        assert World.objects.filter(location=world.location).count() == number + 1
    assert ensure_world(str(tmp_path)).pk != world.pk


@pytest.mark.django_db
def test_a_world_that_ended_cannot_be_one_that_is_followed():
    world = make_world("app")
    manage.archive(world)
    with pytest.raises(IntegrityError), transaction.atomic():
        World.objects.filter(pk=world.pk).update(paused_ns=None)
