"""The worlds that are known: found by place or name, and stored once per place."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.db import IntegrityError
from django.utils.text import slugify

from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean, write_transaction
from runs.managed import CURRENT
from runs.models import World
from runs.secrets import keep_secret
from runs.worlds.base import Place, place_of
from runs.worlds.probe import ProbeWorld

MAX_PROBE_WORLDS = 100  # a process that makes up names must not fill the list of worlds


class TooManyWorlds(Exception):
    """No more worlds of kind `probe` are made; the message says so to the sender."""


def ensure_world(given: str) -> World:
    """The row of the world that is meant, by its place; its secret is kept where one was given.

    Raises WorldError where nothing here reads such a world, SealError where its secret cannot be kept.
    """
    kind, place = place_of(given)
    world, _ = stored_at(kind, place)
    if place.secret:
        keep_secret(world, place.secret)
    return world


def stored_at(
    kind: str, place: Place, name: str = "", check_room: Callable[[], None] = lambda: None
) -> tuple[World, bool]:
    """The row of the world at that place, and whether it is new. A known one keeps its name.

    `check_room` is asked before one is made, and raises where there is none.
    """
    location = clean(place.location, 4000)
    known = World.objects.filter(CURRENT, kind=kind, location=location)
    title = clean(name.strip() or place.name, 200)
    try:
        with write_transaction():
            world = known.first()
            if world is not None:
                return world, False
            check_room()
            values = {"name": title, "slug": free_slug(title), "created_ns": now_ns()}
            return World.objects.create(kind=kind, location=location, **values), True
    except IntegrityError:  # another process was first
        return known.get(), False


def served_world() -> World | None:
    """The world meant where none is named: the one being served, else the only one there is."""
    current = World.objects.filter(CURRENT)
    served = current.filter(pk=settings.SERVED_WORLD).first() if settings.SERVED_WORLD else None
    if served is not None:
        return served
    worlds = list(current.order_by("pk")[:2])
    return worlds[0] if len(worlds) == 1 else None


def ensure_probe_world(name: str) -> World:
    """The row of a world whose app pushes: its name is its identity. Raises TooManyWorlds."""
    location = clean(name.strip(), 200)
    return stored_at(ProbeWorld.kind, Place(location, location), check_room=_check_room_for_a_probe)[0]


def find_or_make_world(name: str) -> World:
    """The known world of that slug, else of that name, else a new one of kind `probe`. Raises TooManyWorlds.

    An archive keeps its names for those who look at it; what is pushed to them goes to a new world.
    """
    current = World.objects.filter(CURRENT)
    known = current.filter(slug=name).first() or current.filter(name=name).order_by("pk").first()
    return known or ensure_probe_world(name)


def _check_room_for_a_probe() -> None:
    if World.objects.filter(CURRENT, kind=ProbeWorld.kind).count() >= MAX_PROBE_WORLDS:
        raise TooManyWorlds(f"There are {MAX_PROBE_WORLDS} worlds of probes already: name one of those.")


def free_slug(name: str) -> str:
    """A short name for addresses that no world has."""
    base = slugify(re.sub(r"[._]+", "-", name))[:60] or "local"
    slug, number = base, 1
    while World.objects.filter(slug=slug).exists():
        number += 1
        slug = f"{base}-{number}"
    return slug
