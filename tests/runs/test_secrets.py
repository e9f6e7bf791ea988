"""The secret of a world: sealed, given to its adapter, and never guessed."""

from __future__ import annotations

import pytest

from dashboard.lib.sealing import SealError
from runs import secrets
from runs.models import World
from runs.worlds.base import WORLDS, WorldError


@pytest.fixture
def world(db) -> World:
    return World.objects.create(slug="w", kind="local", location="/w", name="w", created_ns=1)


def test_the_adapter_is_given_the_secret_that_was_kept(world, settings):
    settings.KEY_SECRET = "a secret of some length"
    secrets.keep_secret(world, "hunter2")
    again = World.objects.get(pk=world.pk)
    assert b"hunter2" not in bytes(again.sealed)
    assert secrets.adapter_of(again).secret == "hunter2"


def test_an_empty_secret_forgets_the_one_before(world, settings):
    settings.KEY_SECRET = "a secret of some length"
    secrets.keep_secret(world, "hunter2")
    secrets.keep_secret(world, "")
    assert World.objects.get(pk=world.pk).sealed is None
    assert secrets.secret_of(world) == ""


def test_a_variable_is_asked_where_no_secret_is_stored(world, monkeypatch):
    monkeypatch.setattr(WORLDS.found["local"], "secret_variable", "TAILRACE_SOME_TOKEN")
    monkeypatch.setenv("TAILRACE_SOME_TOKEN", "from outside")
    assert secrets.secret_of(world) == "from outside"


def test_a_secret_sealed_for_another_world_does_not_open(world, settings):
    settings.KEY_SECRET = "a secret of some length"
    secrets.keep_secret(world, "hunter2")
    other = World.objects.create(
        slug="o", kind="local", location="/o", name="o", created_ns=1, sealed=world.sealed
    )
    with pytest.raises(WorldError, match="cannot be used"):
        secrets.secret_of(other)


def test_nothing_is_kept_where_nothing_can_be_sealed(world, monkeypatch):
    def refuse(secret: bytes, purpose: str) -> bytes:
        raise SealError("no key")

    monkeypatch.setattr(secrets, "seal", refuse)
    with pytest.raises(SealError):
        secrets.keep_secret(world, "hunter2")
    assert World.objects.get(pk=world.pk).sealed is None


def test_a_kind_that_nothing_reads_is_said(world):
    world.kind = "carrier-pigeon"
    with pytest.raises(WorldError, match="carrier-pigeon"):
        secrets.adapter_of(world)
