from __future__ import annotations

import pytest

from dashboard.worlds import ensure_world, find_location


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKFLOW_LOCAL_DATA_DIR", raising=False)
    return tmp_path


def test_it_watches_what_it_is_given(nowhere):
    assert find_location("/srv/app") == ("/srv/app", "")


def test_it_looks_where_the_sdk_writes_and_says_what_it_found(nowhere, monkeypatch):
    (nowhere / ".next/workflow-data").mkdir(parents=True)
    assert find_location(None) == ("./.next/workflow-data", "found ./.next/workflow-data")
    (nowhere / ".workflow-data").mkdir()
    assert find_location(None)[0] == "./.workflow-data"
    monkeypatch.setenv("WORKFLOW_LOCAL_DATA_DIR", "/srv/data")
    assert find_location(None) == ("/srv/data", "watching /srv/data (from WORKFLOW_LOCAL_DATA_DIR)")


def test_it_waits_where_nothing_is_yet(nowhere):
    place, sentence = find_location(None)
    assert place == "./.workflow-data"
    assert "neither" in sentence and "waiting" in sentence


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
